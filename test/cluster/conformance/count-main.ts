/**
 * Runs on a host of the cluster: takes the VG lock of a lockspace that its member has joined, counts the lock's value block up by
 * one and gives the lock back, as often as it is told to. Hosts that do so at the same time lose no count as long as the lock is
 * exclusive and the block goes with it. Prints each count on stderr, and at the end how often it was refused and asked again.
 */
import type { Answer, LockResults, ResourceRef } from "../../../plugins/contract.ts";
import { type RemoteLockspace, remoteHandle } from "../../rig/remote-manager.ts";
import { connectMember } from "./remote.ts";

const [lockspace = "", rounds = "0"] = process.argv.slice(2);
const VG: ResourceRef = { kind: "vg", name: "VGLK", lv_lock_args: "" };
const pause_ms_min = 4;
const pause_ms_more = 20;

const member = await connectMember("127.0.0.1");
const handle = remoteHandle(member.ask, JSON.parse(lockspace) as RemoteLockspace);
const call = {
  resource: VG,
  mode: "ex",
  adopt: "no",
  repair: false,
  persistent: false,
  patience_ms: 0,
} as const;

let refusals = 0;
async function lockSoon(): Promise<number> {
  for (;;) {
    const answer: Answer<LockResults> = await handle.lock(call);
    if (answer.kind === "done") return answer.value_block?.r_version ?? Number.NaN;
    // Storage that a crowded machine emulates may be late; what was asked for then is not held, as after any refusal.
    if (answer.retry !== "soon" && answer.code !== "EIOTIMEOUT")
      throw new Error(`${answer.code} ${answer.detail}`);
    refusals += 1;
    await Bun.sleep(pause_ms_min + Math.random() * pause_ms_more);
  }
}

for (let round = 0; round < Number(rounds); round++) {
  const r_version = (await lockSoon()) + 1;
  console.error(r_version);
  const unlocked = await handle.unlock({ resource: VG, from: "ex", r_version, free_vg: false });
  if (unlocked.kind === "refused") throw new Error(`${unlocked.code} ${unlocked.detail}`);
}
console.log(JSON.stringify({ refusals }));
member.close();
