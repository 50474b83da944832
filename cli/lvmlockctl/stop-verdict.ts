/** What --stop-lockspaces has left, when the daemon's answer is a count: on its way out, or kept by locks. */
import type { InfoReport, LockRow, LockspaceRow } from "../../core/daemon/info/report.ts";
import { printable } from "../table.ts";
import type { CountVerdict } from "./actions.ts";
import { holderText, lockspaceTitle, lockTarget } from "./describe.ts";
import { askReport } from "./stop-reason.ts";

/** More holders than this are counted only, so that a VG with hundreds of LVs does not flood the terminal. */
const named_locks_max = 3;

/** The count that stop_all answered with, and how it was asked. */
export interface StopOutcome {
  readonly count: number;
  readonly wait: boolean;
  readonly force: boolean;
}

/**
 * The count alone does not tell a lockspace that is just leaving from one that stays because its locks are held, so the
 * daemon is asked once more. What can't be found out is no success.
 */
export async function judgeStop(socket_path: string, outcome: StopOutcome): Promise<CountVerdict> {
  const answer = await askReport(socket_path);
  if (answer.kind === "failed") {
    return {
      is_success: false,
      text: `${countText(outcome.count)} left, and why is not known: ${answer.message}`,
    };
  }
  return stopVerdict(answer.report, outcome);
}

/** The verdict over a report that was made after the answer. */
export function stopVerdict(report: InfoReport, { wait, force }: StopOutcome): CountVerdict {
  const kept = report.lockspace
    // With force the locks are given up along with the lockspace; a stop that has begun is not undone by a lock.
    .filter((row) => !force && row.state !== "stopping")
    .map((row) => ({ row, locks: locksOf(report, row) }))
    .filter(({ locks }) => locks.length > 0);
  if (kept.length > 0) {
    const text = kept.map(({ row, locks }) => keptText(row, locks)).join("\n");
    return { is_success: false, text: printableLines(text) };
  }
  const names = report.lockspace.map((row) => printable(lockspaceTitle(row))).join(", ");
  // A stop that waits is only answered with a count when a lock manager did not let a lockspace go.
  if (wait) {
    const text = names === "" ? "a lockspace did not stop at once." : `${names} did not stop.`;
    return { is_success: false, text: `${text} The log says why (journalctl -u lvmlockd); then try again.` };
  }
  const text =
    names === "" ? "" : `Still stopping: ${names}. To wait for the end: lvmlockctl --stop-lockspaces`;
  return { is_success: true, text };
}

function countText(count: number): string {
  return count === 1 ? "1 lockspace is" : `${count} lockspaces are`;
}

function locksOf(report: InfoReport, row: LockspaceRow): LockRow[] {
  return report.lock.filter((lock) => lock.lockspace_name === row.lockspace_name);
}

/** Which VG stays, who holds what, and what frees it. */
function keptText(row: LockspaceRow, locks: readonly LockRow[]): string {
  const named = locks
    .slice(0, named_locks_max)
    .map((lock) => `${lockTarget(lock)} ${lock.mode} by ${holderText(lock)}`);
  const more = locks.length > named.length ? ` and ${locks.length - named.length} more` : "";
  return `${lockspaceTitle(row)} stays because locks are held: ${named.join(", ")}${more}. ${remedy(row, locks)}`;
}

function remedy(row: LockspaceRow, locks: readonly LockRow[]): string {
  if (locks.some((lock) => lock.kind === "lv")) return `Deactivate its LVs: vgchange -an ${row.vg_name}`;
  const process = locks.find((lock) => lock.pid !== null && lock.pid !== 0);
  return process === undefined
    ? "Try again when the lock is free."
    : `Try again when that command has ended: ps -fp ${process.pid}`;
}

function printableLines(text: string): string {
  return text.split("\n").map(printable).join("\n");
}
