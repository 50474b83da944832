import type { LockCall, UnlockCall } from "../contract.ts";
import type { ChannelOptions } from "./channel.ts";
import type { WorkerCall } from "./worker-thread.ts";

/**
 * The release of what a lock call may have taken whose worker died before it answered; null for calls that need none. The core has
 * counted such a lock as refused and will never release it, and the manager may have granted it: then nobody would own it, and every
 * other host would be shut out. What was not granted is released without harm. An LV's lock is left alone, because an earlier lvmlockd
 * may have left it behind for an LV that is active; so is one that was to be adopted.
 */
export function releaseOfUnanswered(
  { call_id, key, method, args }: WorkerCall,
  { name, log }: Pick<ChannelOptions, "name" | "log">,
): WorkerCall | null {
  if (method !== "lock") return null;
  const { resource, mode, adopt } = args as LockCall;
  if (resource.kind === "lv" || adopt !== "no") return null;
  const release: UnlockCall = { resource, from: mode, r_version: 0, free_vg: false };
  return {
    call_id,
    key,
    method: "unlock",
    args: release,
    later(_call_id, answer) {
      if (answer.kind === "refused")
        log(
          "warning",
          `${name}: ${resource.name}, whose lock call died with its worker, is not released: ${answer.detail || answer.code}`,
        );
    },
  };
}
