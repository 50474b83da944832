/** A command that stands in the middle of its writing, with the VG lock, and what its metadata says meanwhile. */
import type { Result } from "../lab/agent.ts";
import type { Host } from "../lab/host.ts";

const SEQNO = "vgs --noheadings -o seqno --nolocking vg0 2>/dev/null";
/** Also where every host has a tenth of a processor. */
const written_ms_max = 90_000;
/** Behind this the command is ended, so that a scenario that fails leaves none. */
const held_up_s_max = 300;

/** The metadata's version as it is on the disk, read without a lock. */
export async function seqnoOnDisk(host: Host): Promise<number> {
  return Number((await host.must(SEQNO)).stdout);
}

/**
 * Has a host make an LV without udev: the command waits for the LV's device, behind its new metadata and with the VG lock. Returns when
 * the other host sees the metadata on the disk; `ended` resolves when the command ends, which `goOn` lets it do, or the host's crash.
 */
export async function startWriting(
  host: Host,
  other: Host,
  lv: string,
): Promise<{ readonly ended: Promise<Result>; readonly goOn: () => Promise<unknown> }> {
  const before = await seqnoOnDisk(other);
  await host.must("pkill -STOP -x systemd-udevd");
  const ended = host.run(`timeout ${held_up_s_max} lvcreate -q -aey -n ${lv} -L 4M vg0`, {
    timeout_ms: (held_up_s_max + 20) * 1000,
  });
  await other.until(`test $(${SEQNO}) -gt ${before}`, { timeout_ms: written_ms_max });
  return { ended, goOn: () => host.must("pkill -CONT -x systemd-udevd") };
}
