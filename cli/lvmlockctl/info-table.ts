/** --info for people. */
import type { InfoReport, LockRow, LockspaceRow } from "../../core/daemon/info/report.ts";
import { duration, printable, processText, textTable } from "../table.ts";
import { adviceOf } from "./advice.ts";
import { fenceLines, holderText, lockspaceTitle, lockTarget, refusalLines, waitReason } from "./describe.ts";

/** The whole picture: the daemon, its lockspaces, locks, waiters, and what to do when something is wrong. */
export function infoText(report: InfoReport, now_ms = Date.now()): string {
  const parts = [
    daemonLines(report),
    lockspaceLines(report),
    lockLines(report),
    waiterLines(report),
    refusalTexts(report, now_ms),
    fenceLines(report.fence),
  ];
  const advice = adviceOf(report).map((sentence) => `! ${printable(sentence)}`);
  return [...parts, advice]
    .filter((lines) => lines.length > 0)
    .map((lines) => `${lines.join("\n")}\n`)
    .join("\n");
}

function daemonLines(report: InfoReport): string[] {
  const [daemon] = report.lvmlockd;
  if (daemon === undefined) return [];
  const facts = [`lvmlockd ${daemon.version}`];
  if (daemon.pid !== null) facts.push(`pid ${daemon.pid}`);
  if (daemon.uptime_s !== null) facts.push(`up ${duration(daemon.uptime_s)}`);
  facts.push(`on ${daemon.socket_path}`, `${report.client.length} clients`);
  if (daemon.test_mode) facts.push("TEST MODE: nothing is protected");
  const lines = [facts.map(printable).join(", ")];
  if (daemon.gl_lockspace !== "") {
    lines.push(printable(`global lock: ${daemon.gl_type} lockspace ${daemon.gl_lockspace}`));
  }
  return lines;
}

function lockspaceLines(report: InfoReport): string[] {
  if (report.lockspace.length === 0) return ["No VG is started here. Start them: vgchange --lockstart"];
  const locksOf = countLocks(report.lock);
  const rows = report.lockspace.map((row) => [
    lockspaceTitle(row),
    row.lock_type,
    row.manager,
    row.state === "killed" ? "KILLED" : row.state,
    duration(row.state_s),
    row.host_id === 0 ? "-" : String(row.host_id),
    lockSummary(row, locksOf),
  ]);
  return textTable(["VG", "TYPE", "MANAGER", "STATE", "SINCE", "HOST ID", "LOCKS HELD"], rows);
}

/** Locks by lockspace and kind, counted in one pass: a host may hold ten thousand. */
function countLocks(locks: readonly LockRow[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { lockspace_name, kind } of locks) {
    const key = `${lockspace_name} ${kind}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

function lockSummary(row: LockspaceRow, counts: ReadonlyMap<string, number>): string {
  const count = (kind: string): number => counts.get(`${row.lockspace_name} ${kind}`) ?? 0;
  const parts: string[] = [];
  if (count("gl") > 0) parts.push("global");
  if (count("vg") > 0) parts.push("VG");
  if (count("lv") > 0) parts.push(count("lv") === 1 ? "1 LV" : `${count("lv")} LVs`);
  if (row.global_lock) parts.push("(has the global lock)");
  return parts.length === 0 ? "-" : parts.join(" ");
}

function lockLines(report: InfoReport): string[] {
  if (report.lock.length === 0) return [];
  const rows = report.lock.map((row) => [lockTarget(row), row.mode, duration(row.held_s), holderText(row)]);
  return textTable(["LOCK", "MODE", "FOR", "HELD BY"], rows);
}

function refusalTexts({ refusal }: InfoReport, now_ms: number): string[] {
  return refusal.length === 0 ? [] : ["REFUSED TO THIS HOST", ...refusalLines(refusal, now_ms)];
}

function waiterLines(report: InfoReport): string[] {
  if (report.waiter.length === 0) return [];
  const rows = report.waiter.map((row) => [
    lockTarget(row),
    row.mode,
    duration(row.waiting_s),
    processText(row.pid, row.cmd),
    waitReason(row, report.lock),
  ]);
  return textTable(["WAITING FOR", "MODE", "FOR", "WHO", "BECAUSE"], rows);
}
