import { SYSLOG_PATH } from "../../plugins/native/syslog.ts";
import { isTerminal } from "../../plugins/native/terminal.ts";
import type { Plan } from "../../plugins/scsi-pr/actions/plan.ts";
import type { RunReport } from "../../plugins/scsi-pr/actions/report.ts";
import { printKey } from "../../plugins/scsi-pr/keys.ts";
import { refuseUsage, STDOUT_FD, say, sayError } from "../streams.ts";
import { printable } from "../table.ts";
import { type Invocation, readCommand } from "./command.ts";
import { confirm } from "./confirm.ts";
import { findDevices } from "./devices.ts";
import { exitOf, PERSIST_EXIT } from "./exit.ts";
import { type Notes, noteLine, openNotes, SYSLOG_IDENT } from "./notes.ts";
import type { PersistFormat } from "./options.ts";
import { type RunProgress, runProgress } from "./progress.ts";
import { runCommand, teamFor } from "./run-command.ts";

/** What a run reaches beside its own terminal; a test puts something else in its place. */
export interface Surroundings {
  readonly teamFor: typeof teamFor;
  readonly syslog_path: string;
}

/** lvmpersist: reads the command line, finds the devices, and does what it was asked for. */
export async function main(
  words: readonly string[],
  surroundings: Surroundings = { teamFor, syslog_path: SYSLOG_PATH },
): Promise<number> {
  const reading = readCommand(words);
  switch (reading.kind) {
    case "usage-error":
      return refuseUsage(SYSLOG_IDENT, reading);
    case "help": {
      const [{ helpText }, { LVMPERSIST }] = await Promise.all([
        import("../help.ts"),
        import("./options.ts"),
      ]);
      return say(helpText(LVMPERSIST), PERSIST_EXIT.ok);
    }
    case "version":
      return say((await import("../version.ts")).versionText(SYSLOG_IDENT), PERSIST_EXIT.ok);
    case "invocation":
      return await run(reading.invocation, surroundings);
  }
}

async function run(invocation: Invocation, surroundings: Surroundings): Promise<number> {
  const { command, vg_name, dry_run, asks_paths } = invocation;
  const format = formatFor(invocation);
  const notes = openNotes(isChange(command) && !dry_run ? surroundings.syslog_path : null);
  const found = await findDevices(invocation.devices, vg_name, process.env.LVM_BINARY);
  const warnings: string[] = [];
  if (found.kind === "refused") {
    const telling = { invocation, group: vg_name ?? "", format, notes, warnings };
    return await tellRefusal(found.detail, found.exit_status, telling);
  }
  for (const note of found.notes) notes.hint(note);
  const isForPeople = format === "basic" || format === "table";
  if (isForPeople)
    for (const [option, key] of invocation.decimal_keys) say(`Using ${option}: ${printKey(key)}`, 0);
  const { groupName } = await import("./text.ts");
  const group = groupName(
    vg_name,
    found.devices.map(({ path }) => path),
  );
  const telling = { invocation, group, format, notes, warnings };
  const progress = runProgress();
  const interruption = watchSignals(notes, progress);
  const report = await runCommand(command, {
    devices: found.devices,
    dry_run,
    asks_paths,
    teamFor: surroundings.teamFor,
    trace: invocation.debug ? (text) => tellTrace(progress, text) : null,
    watch: { progress: progress.show, interrupted: interruption },
    agree: async (plan) => {
      progress.clear();
      return await agree(plan, telling);
    },
  });
  progress.clear();
  if (report !== null) return await tell(report, telling);
  return await tellRefusal("not agreed to; nothing is changed.", PERSIST_EXIT.failure, telling);
}

/** The line of the progress stands where this one is to go. */
function tellTrace(progress: RunProgress, text: string): void {
  progress.clear();
  sayError(`lvmpersist: ${printable(text)}`, PERSIST_EXIT.ok);
}

/** Warns of what another host is going to lose, also in syslog, and asks a person who is there. */
async function agree(plan: Plan, { group, notes, invocation, warnings }: Telling): Promise<boolean> {
  const isBlocked = plan.gate === "all" && plan.devices.some(({ kind }) => kind === "refused");
  if (isBlocked) return true;
  warnings.push(...plan.warnings);
  for (const warning of plan.warnings) notes.warn(`${group}: ${warning}`);
  const isAsked = plan.cuts_off && !invocation.yes && !invocation.dry_run;
  const told = warnings.map((warning) => noteLine(`warning: ${group}: ${warning}`));
  return !isAsked || (await confirm("Go on?", told));
}

const ENDED_AT_ONCE =
  "ended at once by a second signal: a command that a device has goes on there, and nothing is set back; lvmpersist read shows what is so.";

/** Notes that the run is to end. A command that a device has is waited for, unless the signal comes again. */
function watchSignals(notes: Notes, progress: RunProgress): () => string | null {
  let reason: string | null = null;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      // Who asks twice does not want to wait for a device that hangs.
      if (reason !== null) {
        progress.clear();
        process.exit(notes.error(ENDED_AT_ONCE, PERSIST_EXIT.failure));
      }
      reason = `the run was ended by ${signal}`;
    });
  }
  return () => reason;
}

/** Lines that lvm2's script has for a pipe, a table for a person's terminal. */
function formatFor({ format }: Invocation): PersistFormat {
  return format ?? (isTerminal(STDOUT_FD) ? "table" : "basic");
}

interface Telling {
  readonly invocation: Invocation;
  readonly group: string;
  readonly format: PersistFormat;
  readonly notes: Notes;
  /** What was warned of before anything was done. */
  readonly warnings: string[];
}

/** A run that ended before there was anything to report of its devices. */
async function tellRefusal(
  detail: string,
  exit_status: number,
  { invocation, group, format, notes, warnings }: Telling,
): Promise<number> {
  notes.error(detail, exit_status);
  if (format === "basic" || format === "table") return exit_status;
  const { refusalJson } = await import("./json.ts");
  return say(
    refusalJson({ command: invocation.command, group, exit_status, warnings, detail }, format),
    exit_status,
  );
}

async function tell(report: RunReport, telling: Telling): Promise<number> {
  const { format, invocation, group, warnings, notes } = telling;
  const { command } = invocation;
  const exit_status = exitOf(report.result);
  if (isChange(command) && report.devices.some(({ paths }) => paths !== undefined)) {
    const { pathWarnings } = await import("./paths.ts");
    const unregistered = pathWarnings(report);
    warnings.push(...unregistered);
    for (const warning of unregistered) notes.warn(warning);
  }
  if (format === "basic" || format === "table") return await tellPeople(report, telling, exit_status);
  const { runJson } = await import("./json.ts");
  const json = runJson(report, { command, group, exit_status, warnings }, format);
  if (isChange(command) && !invocation.dry_run) await tellLog(report, telling);
  return say(json, exit_status);
}

function isChange({ kind }: Invocation["command"]): boolean {
  return kind === "start" || kind === "take-over" || kind === "stop" || kind === "remove" || kind === "clear";
}

async function tellPeople(report: RunReport, telling: Telling, exit_status: number): Promise<number> {
  const { invocation, format } = telling;
  const { command, dry_run } = invocation;
  const text = await import("./text.ts");
  switch (command.kind) {
    case "read":
    case "read-keys":
    case "read-reservation": {
      const lines = format === "table" ? text.readTable(report) : text.readLines(command.kind, report);
      return say(lines.map(printable).join("\n"), exit_status);
    }
    case "check-key":
    case "devtest":
      return say(text.answerLines(command, report).map(printable).join("\n"), exit_status);
    default:
      if (dry_run) return say(text.deviceTable(report).join("\n"), exit_status);
      return await tellChange(report, telling, exit_status);
  }
}

async function tellChange(report: RunReport, telling: Telling, exit_status: number): Promise<number> {
  const text = await import("./text.ts");
  await tellLog(report, telling);
  if (exit_status !== PERSIST_EXIT.ok) return sayError(text.deviceTable(report).join("\n"), exit_status);
  return exit_status;
}

/** The outcome in one line, on the terminal and in syslog; there also each device that is not as it was wanted. */
async function tellLog(report: RunReport, { invocation, group, notes, format }: Telling): Promise<void> {
  const text = await import("./text.ts");
  const { command } = invocation;
  const isJson = format === "json" || format === "json_std";
  if (exitOf(report.result) === PERSIST_EXIT.ok) {
    notes.success(text.successText(command, group, report), isJson);
    return;
  }
  notes.error(text.failureText(command, group, report), PERSIST_EXIT.failure);
  for (const { path, problem, result, detail } of report.devices) {
    if (problem === null && result !== "left") continue;
    notes.log("err", `${path}: ${[problem?.detail ?? "", detail].filter((part) => part !== "").join("; ")}`);
  }
}
