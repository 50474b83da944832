/** How rows of the report are put into words, the same way in --info and in who. */
import type {
  FenceRow,
  LockRow,
  LockspaceRow,
  OwnerKeys,
  RefusalRow,
  WaiterRow,
} from "../../core/daemon/info/report.ts";
import { duration, printable, processText, textTable } from "../table.ts";

/** The thing a lock is on: "global lock", "vg0", "vg0/lv0", or "vg0/<UUID>" where the name is not known. */
export function lockTarget(row: LockRow | WaiterRow | RefusalRow): string {
  if (row.kind === "gl") return "global lock";
  if (row.kind === "vg") return row.vg_name;
  return `${row.vg_name}/${row.lv_name === "" ? row.lv_uuid : row.lv_name}`;
}

/** Who holds it. A persistent lock stays without its command, which is named as its origin. */
export function holderText(row: LockRow): string {
  if (!row.persistent) return processText(row.pid, row.cmd);
  const origin = row.cmd === "" && row.pid === null ? "" : `, taken by ${processText(row.pid, row.cmd)}`;
  return `active LV${origin}`;
}

/** What a request waits for. */
export function waitReason(waiter: WaiterRow, locks: readonly LockRow[]): string {
  if (waiter.waits_for === "remote") {
    const tries = waiter.retries === null ? "" : `, tried ${waiter.retries + 1} times`;
    const isTold = waiter.owner_host_id === 0 && waiter.detail !== "";
    return isTold ? `${waiter.detail}${tries}` : `${ownerText(waiter)} holds it${tries}`;
  }
  if (waiter.waits_for === "fence") {
    const life = `host_id ${waiter.fence_host_id} (generation ${waiter.fence_generation})`;
    return `${life} holds it and has failed; it is being cut off`;
  }
  if (waiter.waits_for === "manager") return "the lock manager is being asked";
  const holders = locks.filter((lock) => isSameResource(lock, waiter));
  const [first] = holders;
  if (first === undefined) return "other requests are in front of it";
  const more = holders.length === 1 ? "" : ` and ${holders.length - 1} more`;
  return `held ${first.mode} by ${holderText(first)}${more}`;
}

/** Another host that holds a lock: "host_id 3 (alpha), generation 2, state LIVE"; "another host" where nothing is known of it. */
export function ownerText(row: OwnerKeys): string {
  const { owner_host_id, owner_generation, owner_state, owner_name } = row;
  if (owner_host_id === 0) return "another host";
  const name = owner_name === "" ? "" : ` (${owner_name})`;
  const state = owner_state === "" ? "" : `, state ${owner_state}`;
  return `host_id ${owner_host_id}${name}, generation ${owner_generation}${state}`;
}

/** Each refusal with its owner in one line and what that means in the next, the latest first. `now_ms` is since the epoch. */
export function refusalLines(refusals: readonly RefusalRow[], now_ms: number): string[] {
  return refusals.toReversed().flatMap((row) => {
    const { mode, ago_s, owner_host_id, owner_timestamp_s, detail } = row;
    const renewal = owner_host_id === 0 ? "" : `, last renewal at ${owner_timestamp_s} of its clock`;
    const when =
      ago_s === null ? "" : `, refused ${mode} ${duration(ago_s)} ago, at ${clockTime(now_ms, ago_s)}`;
    const held = `${lockTarget(row)} held by ${ownerText(row)}${renewal}${when}`;
    return (detail === "" ? [held] : [held, `  ${detail}`]).map(printable);
  });
}

/** The local time of day, with the date when it was another day. */
function clockTime(now_ms: number, ago_s: number): string {
  const at = new Date(now_ms - 1000 * ago_s);
  const time = at.toTimeString().slice(0, 8);
  return at.toDateString() === new Date(now_ms).toDateString() ? time : `${time} on ${at.toDateString()}`;
}

/** The fences as a table, newest first: who failed and whether it was cut off. */
export function fenceLines(fences: readonly FenceRow[]): string[] {
  if (fences.length === 0) return [];
  const rows = fences
    .toReversed()
    .map(({ vg_name, host_id, generation, key, state, state_s, detail }) => [
      vg_name,
      String(host_id),
      String(generation),
      key,
      FENCE_WORDS[state],
      duration(state_s),
      detail === "" ? "-" : detail,
    ]);
  return textTable(["FAILED HOST IN", "HOST ID", "GENERATION", "KEY", "STATE", "SINCE", "WHY"], rows);
}

const FENCE_WORDS: Readonly<Record<FenceRow["state"], string>> = {
  waiting: "being cut off",
  removed: "cut off",
  failed: "NOT CUT OFF",
};

/** Whether two rows are about the same lock. */
export function isSameResource(left: LockRow | WaiterRow, right: LockRow | WaiterRow): boolean {
  return (
    left.lockspace_name === right.lockspace_name && left.kind === right.kind && left.lv_uuid === right.lv_uuid
  );
}

/** The name by which people know a lockspace: its VG, or what it is for. */
export function lockspaceTitle(row: LockspaceRow): string {
  return row.vg_name === "" ? "(global lock)" : row.vg_name;
}
