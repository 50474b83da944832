/** who VG[/LV]: the holders of a lock and those who wait for it. */
import type { InfoReport, LockRow, RefusalRow, WaiterRow } from "../../core/daemon/info/report.ts";
import { duration, printable, processText, textTable } from "../table.ts";
import { fenceLines, holderText, lockTarget, refusalLines, waitReason } from "./describe.ts";

/** What was asked for; `vg_name` "" is the global lock, `lv` "" the whole VG. */
export interface WhoQuestion {
  readonly vg_name: string;
  readonly lv: string;
}

/** The part of a report that answers the question. */
export function whoRows(
  report: InfoReport,
  question: WhoQuestion,
): Pick<InfoReport, "lock" | "waiter" | "refusal" | "fence"> {
  const isMeant = (row: LockRow | WaiterRow | RefusalRow): boolean => {
    if (question.vg_name === "") return row.kind === "gl";
    if (row.vg_name !== question.vg_name) return false;
    // A VG with sanlock's global lock in it: that lock is not the VG's own.
    if (question.lv === "") return row.kind !== "gl";
    return row.kind === "lv" && (row.lv_name === question.lv || row.lv_uuid === question.lv);
  };
  // A failed host stands in the way of all its locks in the VG, so its fence belongs to each of them.
  const fence = report.fence.filter((row) => row.vg_name === question.vg_name && question.vg_name !== "");
  return {
    lock: report.lock.filter(isMeant),
    waiter: report.waiter.filter(isMeant),
    refusal: report.refusal.filter(isMeant),
    fence,
  };
}

/** Whether the VG of the question is started here; the global lock always can be asked for. */
export function isKnown(report: InfoReport, question: WhoQuestion): boolean {
  return question.vg_name === "" || report.lockspace.some((row) => row.vg_name === question.vg_name);
}

/** The answer for people. `now_ms` is since the epoch. */
export function whoText(report: InfoReport, question: WhoQuestion, now_ms = Date.now()): string {
  const { lock, waiter, refusal, fence } = whoRows(report, question);
  const lines: string[] = [];
  if (lock.length === 0) {
    lines.push(`${targetText(question)} is held by nobody on this host.`);
    const remote = waiter.some((row) => row.waits_for === "remote" || row.waits_for === "fence");
    if (remote && refusal.length === 0) lines.push("Another host holds it; ask there as well.");
  } else {
    const rows = lock.map((row) => [lockTarget(row), row.mode, duration(row.held_s), holderText(row)]);
    lines.push(...textTable(["LOCK", "MODE", "FOR", "HELD BY"], rows));
  }
  if (refusal.length > 0) lines.push(...refusalLines(refusal, now_ms));
  if (waiter.length > 0) {
    const rows = waiter.map((row) => [
      lockTarget(row),
      row.mode,
      duration(row.waiting_s),
      processText(row.pid, row.cmd),
      waitReason(row, report.lock),
    ]);
    lines.push("", ...textTable(["WAITING FOR", "MODE", "FOR", "WHO", "BECAUSE"], rows));
  }
  if (fence.length > 0) lines.push("", ...fenceLines(fence));
  lines.push(...actionAdvice(lock, waiter));
  return `${lines.join("\n")}\n`;
}

function targetText(question: WhoQuestion): string {
  if (question.vg_name === "") return "The global lock";
  return printable(question.lv === "" ? question.vg_name : `${question.vg_name}/${question.lv}`);
}

/** What frees a lock that somebody waits for. */
function actionAdvice(locks: readonly LockRow[], waiters: readonly WaiterRow[]): string[] {
  if (waiters.length === 0) return [];
  const persistent = locks.find((row) => row.persistent);
  if (persistent !== undefined) {
    return [
      "",
      `An active LV keeps its lock until it is deactivated: lvchange -an ${lockTarget(persistent)}`,
    ];
  }
  const process = locks.find((row) => row.pid !== null && row.pid !== 0);
  if (process === undefined) return [];
  return ["", `The lock is released when that command ends: ps -fp ${process.pid}`];
}
