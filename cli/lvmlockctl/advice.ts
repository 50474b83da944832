/** What is wrong, and what to type about it. */
import type { InfoReport, LockspaceRow } from "../../core/daemon/info/report.ts";
import { ERRORS, type ErrorName } from "../../core/errors.ts";
import { duration } from "../table.ts";

/** A start longer than this is worth a word; sanlock's after an unclean stop takes minutes, and people wonder. */
const long_start_s = 60;

/** Sentences for the end of --info, the most urgent first; none when all is well. */
export function adviceOf(report: InfoReport): string[] {
  return [
    ...report.lockspace.flatMap(lockspaceAdvice),
    ...globalLockAdvice(report),
    ...report.lvmlockd.flatMap((daemon) =>
      daemon.adoption === "running"
        ? ["Locks of an earlier lvmlockd are being adopted; wait for it to finish."]
        : [],
    ),
    ...report.incident.map((incident) => {
      const subject = incident.vg_name === "" ? "" : `${incident.vg_name}: `;
      const ago = incident.ago_s === null ? "" : ` (${duration(incident.ago_s)} ago)`;
      return `${subject}${incident.text}${ago}${remedyOf(incident.code)}`;
    }),
  ];
}

function remedyOf(code: string): string {
  return Object.hasOwn(ERRORS, code) ? ` ${ERRORS[code as ErrorName].remedy}` : "";
}

function lockspaceAdvice(row: LockspaceRow): string[] {
  if (row.state === "killed") {
    const reason = row.killed_reason === "" ? "" : ` (${row.killed_reason})`;
    return [
      `${row.vg_name} has lost its locks${reason}. Take its LVs offline at once, then: lvmlockctl --drop ${row.vg_name}`,
    ];
  }
  const isStarting = row.state === "preparing" || row.state === "joining" || row.state === "adopting";
  if (isStarting && row.state_s !== null && row.state_s > long_start_s) {
    return [
      `${row.vg_name} has been starting for ${duration(row.state_s)}. After an unclean stop this takes minutes with ` +
        `sanlock; see: sanlock client status`,
    ];
  }
  return [];
}

/** sanlock's global lock lives in one of the VGs: none and several are both wrong. */
function globalLockAdvice(report: InfoReport): string[] {
  const sanlockRows = report.lockspace.filter(
    (row) => row.lock_type === "sanlock" && row.state === "started",
  );
  const holders = sanlockRows.filter((row) => row.global_lock);
  const [first, second] = holders;
  if (second !== undefined) {
    const names = holders.map((row) => row.vg_name).join(", ");
    return [
      `Several VGs hold the global lock: ${names}. Keep one: lvmlockctl --gl-disable ${second.vg_name}`,
    ];
  }
  const usesSanlock = report.lvmlockd.every(
    (daemon) => daemon.gl_type === "sanlock" || daemon.gl_type === "",
  );
  const [candidate] = sanlockRows;
  if (first === undefined && candidate !== undefined && usesSanlock) {
    return [
      "No started VG holds the global lock. Start the one that does, or: " +
        `lvmlockctl --gl-enable ${candidate.vg_name}`,
    ];
  }
  return [];
}
