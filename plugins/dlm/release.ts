import type { ResourceRef, ValueBlock } from "../contract.ts";
import type { LockspaceHandlePointer } from "./client.ts";
import { LKF, LKM, STATUS } from "./flags.ts";
import type { Late, LockspaceState } from "./lockspace-state.ts";
import { encodeValueBlock } from "./value-block.ts";

/**
 * A release, to be sent now or later: an LV's lock goes, a GL or VG lock becomes a null lock, which keeps the value block in being
 * while no host has the lock. An orphan's id is known when it is taken over, and no earlier.
 *
 * `block`: what is stored with it; null leaves what is stored; "lost": whoever had it exclusively may have changed what it stands for.
 */
export function lateRelease(
  state: LockspaceState,
  handle: LockspaceHandlePointer,
  { kind, name }: ResourceRef,
  lkid: () => number,
  block: ValueBlock | "lost" | null,
): Late {
  const { client } = state.tools;
  const ticket = client.ticket();
  if (kind === "lv") {
    return {
      ticket,
      send: () => client.unlock(handle, ticket, lkid()),
      finish() {
        state.held.delete(name);
        return null;
      },
    };
  }
  if (block !== null && block !== "lost") encodeValueBlock(block, ticket.block);
  const flags = LKF.CONVERT | blockFlag(block);
  return {
    ticket,
    send: () => client.lock(handle, ticket, { lkid: lkid(), mode: LKM.NL, flags, name }),
    finish(done) {
      if (done.status() === STATUS.GRANTED) state.held.set(name, { lkid: lkid(), mode: "nl", block: null });
      return null;
    },
  };
}

function blockFlag(block: ValueBlock | "lost" | null): number {
  if (block === null) return 0;
  return block === "lost" ? LKF.IVVALBLK : LKF.VALBLK;
}
