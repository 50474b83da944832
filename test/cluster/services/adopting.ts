/** What is the same with every lock manager when an lvmlockd takes over from one that was killed. */
import assert from "node:assert/strict";
import type { Host } from "../lab/host.ts";
import { killLvmlockd, startLvmlockd } from "./lvmlockd.ts";
import { IO_TIMEOUT_S } from "./sanlock.ts";
import { startWriting } from "./writing-command.ts";

/** A command that writes keeps the VG lock through the death of lvmlockd. `words`: of the lvmlockd that takes over. */
export async function keepsCommandLock(a: Host, b: Host, words = `-o ${IO_TIMEOUT_S}`): Promise<void> {
  const { ended, goOn } = await startWriting(a, b, "slow");
  await killLvmlockd(a);
  await startLvmlockd(a, { arguments: words });
  await b.refused("vgchange -q --addtag early vg0", /lock failed/);
  const { stdout } = await a.must("lvmlockctl --dump");
  assert.match(stdout, /VG vg0 is taken over when the command with pid \d+ has ended/);
  await goOn();
  await ended;
  await b.until("vgchange -q --addtag late vg0", { timeout_ms: 60_000 });
  await a.until("vgs vg0", { timeout_ms: 60_000 });
}
