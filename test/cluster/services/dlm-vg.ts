/** What the scenarios of the dlm have in common: their VG, what lvmlockd says, and the value block as the kernel has it. */
import assert from "node:assert/strict";
import { inTime } from "../lab/failures.ts";
import type { Host } from "../lab/host.ts";

/** corosync notices a silent node after its token of 8 s, and long after that where every host has a tenth of a CPU. */
export const noticed_ms_max = 120_000;
/** No command may wait for longer, whatever has happened to the cluster, also on a machine that is busy with other clusters. */
export const answered_ms_max = 90_000;

/** Why a lock is refused: what lvm prints, and the sentence in lvmlockd's log. */
export interface Why {
  readonly error: keyof typeof WORDS;
  readonly log: RegExp;
}

/** docs/dlm.md has the same for people. Of a global lock that nobody serves lvm prints no number. */
const WORDS = {
  EMANAGER: /lock (failed|skipped): error -214\b/,
  ENETDOWN: /lock (failed|skipped): error -100\b/,
  ENOLS: /Global lock failed: check that global lockspace is started/,
} as const;

export const CONTROLD_GONE: Why = {
  error: "EMANAGER",
  log: /dlm_controld does not run on this host any more.*this host has to be restarted/,
};

/** vg0 on the first disk with lv0 and lv1, started on all hosts. The first of them looks after its VG lock in the dlm. */
export async function makeVg(hosts: readonly Host[]): Promise<void> {
  const [first, ...others] = hosts;
  assert.ok(first);
  await first.must("vgcreate --shared --locktype dlm vg0 /dev/sda");
  await first.must("lvcreate -q -an -n lv0 -L 32M vg0 && lvcreate -q -an -n lv1 -L 32M vg0");
  await Promise.all(others.map((host) => host.must("vgchange --lockstart vg0")));
}

/** The log of lvmlockd, which says what lvm has no words for. */
export async function dumped(host: Host, pattern: RegExp): Promise<void> {
  assert.match((await host.must("lvmlockctl --dump")).stdout, pattern);
}

/** A command whose lock is refused, and soon; lvmlockd's log says of this one why. */
export async function refusedSoon(host: Host, script: string, why: Why): Promise<void> {
  const reasons = async (): Promise<number> =>
    (await host.must("lvmlockctl --dump")).stdout.split("\n").filter((line) => why.log.test(line)).length;
  const before = await reasons();
  const { elapsed_ms } = await host.refused(script, WORDS[why.error], { timeout_ms: answered_ms_max });
  inTime(elapsed_ms < answered_ms_max, `${script} took ${elapsed_ms} ms`);
  assert.ok((await reasons()) > before, `the log does not say that ${script} was refused as ${why.log}`);
}

/** The value block of the VG lock in the kernel of the node that looks after the lock, its master. */
export interface KernelBlock {
  readonly version: number;
  /** Nobody knows its content: who was about to write it has failed. */
  readonly lost: boolean;
}

const DEBUG = "/sys/kernel/debug";
const READ_BLOCK = `mountpoint -q ${DEBUG} || mount -t debugfs none ${DEBUG}; grep -A 4 VGLK ${DEBUG}/dlm/lvm_vg0`;

export async function kernelBlock(master: Host): Promise<KernelBlock> {
  const { stdout } = await master.must(READ_BLOCK);
  const bytes = /Master Copy\nLVB: ((?:[0-9a-f]{2}\s+)+)/.exec(stdout)?.[1]?.trim().split(/\s+/);
  assert.ok(bytes, `${master.name} does not look after the VG lock`);
  const version = Number.parseInt(bytes.slice(4, 8).toReversed().join(""), 16);
  return { version, lost: stdout.includes("INVALID") };
}
