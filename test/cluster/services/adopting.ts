/** What is the same with every lock manager when an lvmlockd takes over from one that was killed. */
import assert from "node:assert/strict";
import type { Host } from "../lab/host.ts";
import { killLvmlockd, startLvmlockd } from "./lvmlockd.ts";
import { IO_TIMEOUT_S } from "./sanlock.ts";

/**
 * Without udev a command waits for the device of its new LV, behind its new metadata and with the VG lock. `words`: of the lvmlockd that
 * takes over.
 */
export async function keepsCommandLock(a: Host, b: Host, words = `-o ${IO_TIMEOUT_S}`): Promise<void> {
  const seqno = "vgs --noheadings -o seqno --nolocking vg0 2>/dev/null";
  const before = Number((await b.must(seqno)).stdout);
  await a.must("pkill -STOP -x systemd-udevd");
  const work = a.run("timeout 300 lvcreate -q -aey -n slow -L 4M vg0", { timeout_ms: 320_000 });
  await b.until(`test $(${seqno}) -gt ${before}`, { timeout_ms: 60_000 });
  await killLvmlockd(a);
  await startLvmlockd(a, { arguments: words });
  await b.refused("vgchange -q --addtag early vg0", /lock failed/);
  const { stdout } = await a.must("lvmlockctl --dump");
  assert.match(stdout, /VG vg0 is taken over when the command with pid \d+ has ended/);
  await a.must("pkill -CONT -x systemd-udevd");
  await work;
  await b.until("vgchange -q --addtag late vg0", { timeout_ms: 60_000 });
  await a.until("vgs vg0", { timeout_ms: 60_000 });
}
