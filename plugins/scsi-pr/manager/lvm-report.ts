import { isAbsolute } from "node:path";
import { assert } from "../../../core/assert.ts";
import { DEADLINES } from "../../../core/deadlines.ts";
import { LIMITS } from "../../../core/limits.ts";

/** One row of a report: lvm's field names with their values as text. */
export type ReportRow = Readonly<Record<string, string>>;

export type LvmReport =
  | { readonly kind: "report"; readonly rows: readonly ReportRow[] }
  | { readonly kind: "failed"; readonly detail: string };

/**
 * What makes a report safe to ask for from inside lvmlockd: the lvm command that waits for our answer holds lvm's file locks
 * and a lock of ours, so this one may take neither, and it may not connect to us. Without us lvm passes over shared VGs, unless
 * it is told to show them. Its hints, a list of the devices that have PVs, are not brought up to date by a command without locks: a
 * PV that has just been made is missing for it (seen with 2.03.31).
 */
const WITHOUT_LOCKS = [
  "--nolocking",
  "--readonly",
  "--config",
  'global{use_lvmlockd=0} devices{hints="none"}',
  "--shared",
];

/** lvm reads PATH for its helpers and LC_ALL for its messages; nothing else of our surroundings is its business. */
function environment(): Record<string, string> {
  const { LVM_SYSTEM_DIR } = process.env;
  return {
    PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
    LC_ALL: "C",
    LVM_SUPPRESS_FD_WARNINGS: "1",
    ...(LVM_SYSTEM_DIR === undefined ? {} : { LVM_SYSTEM_DIR }),
  };
}

/**
 * Runs one of lvm's reports on a VG (`vgs` with these fields), without a shell, within `pr_lvm_report_ms`. The rows, or a sentence
 * about why there are none; never throws.
 */
export async function runLvmReport({
  lvm_path,
  fields,
  vg_name,
}: {
  readonly lvm_path: string;
  readonly fields: readonly string[];
  readonly vg_name: string;
}): Promise<LvmReport> {
  assert(isAbsolute(lvm_path), "lvm is run by its absolute path");
  const words = ["vgs", ...WITHOUT_LOCKS, "--reportformat", "json", "-o", fields.join(","), "--", vg_name];
  const failed = (why: string): LvmReport => ({
    kind: "failed",
    detail: `${lvm_path} can't tell the PVs of VG ${vg_name}: ${why}`,
  });
  try {
    const run = Bun.spawn([lvm_path, ...words], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      cwd: "/",
      env: environment(),
      timeout: DEADLINES.pr_lvm_report_ms,
      killSignal: "SIGKILL",
      maxBuffer: LIMITS.lvm_report_size_bytes,
    });
    const [out, err, exit_code] = await Promise.all([
      new Response(run.stdout).text(),
      new Response(run.stderr).text(),
      run.exited,
    ]);
    if (run.signalCode !== null)
      return failed(`it was ended by ${run.signalCode} (it has ${DEADLINES.pr_lvm_report_ms / 1000} s)`);
    if (exit_code !== 0) return failed(errorsOf(err, out) || `exit status ${exit_code}`);
    return readReport(out) ?? failed("its answer is no report");
  } catch (error) {
    return failed(error instanceof Error ? error.message : String(error));
  }
}

/** What lvm says of a failure; from 2.03.31 on (seen in Debian 13) it says so in the log of its JSON alone, and not on stderr. */
function errorsOf(err: string, out: string): string {
  const lines = err
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("WARNING:"));
  const said = lines.length > 0 ? lines : loggedErrors(out);
  return said.slice(-ERROR_LINES_MAX).join("; ");
}

/** The first lines are the reasons of the last, which only says that it failed. */
const ERROR_LINES_MAX = 3;

/** The error messages in the log of lvm's JSON: {"report": […], "log": [{"log_type": "error", "log_message": …}, …]}. */
function loggedErrors(text: string): string[] {
  const log = (parsedJson(text) as { log?: unknown } | null)?.log;
  const rows = Array.isArray(log) ? (log as (ReportRow | null)[]) : [];
  return rows.flatMap((row) => (row?.log_type === "error" ? [String(row.log_message)] : []));
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Reads lvm's JSON: {"report": [{"vg": [{field: value, …}, …]}]}. Null for anything else. */
export function readReport(text: string): LvmReport | null {
  const sections = (parsedJson(text) as { report?: unknown } | null)?.report;
  if (!Array.isArray(sections)) return null;
  const rows: ReportRow[] = [];
  for (const section of sections) {
    const listed = (section as { vg?: unknown } | null)?.vg;
    if (!Array.isArray(listed)) return null;
    for (const row of listed) {
      if (typeof row !== "object" || row === null) return null;
      rows.push(row as ReportRow);
    }
  }
  return { kind: "report", rows };
}
