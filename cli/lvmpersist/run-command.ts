/** One run of lvmpersist: look at all devices, decide, warn, do it, and report. */

import { planClear } from "../../plugins/scsi-pr/actions/clear.ts";
import type { InspectionScope, Job, JobAnswer } from "../../plugins/scsi-pr/actions/job.ts";
import { withPaths } from "../../plugins/scsi-pr/actions/paths.ts";
import type { RunWatch } from "../../plugins/scsi-pr/actions/phase.ts";
import type { Inspections, Plan } from "../../plugins/scsi-pr/actions/plan.ts";
import { planRemove } from "../../plugins/scsi-pr/actions/remove.ts";
import type { RunReport } from "../../plugins/scsi-pr/actions/report.ts";
import { carryOut, dryRun, inspectAll } from "../../plugins/scsi-pr/actions/run.ts";
import { planStart } from "../../plugins/scsi-pr/actions/start.ts";
import { planStop } from "../../plugins/scsi-pr/actions/stop.ts";
import { planTakeOver } from "../../plugins/scsi-pr/actions/take-over.ts";
import { type DeviceTeam, inlineTeam, type Task } from "../../plugins/scsi-pr/actions/team.ts";
import type { PersistCommand } from "./command.ts";
import type { NamedDevice } from "./devices.ts";
import { lookAt } from "./look.ts";

export interface TeamOptions {
  readonly devices: readonly NamedDevice[];
  /** Takes a line about each command sent to a device; null for none. */
  readonly trace: ((text: string) => void) | null;
}

export interface RunOptions extends TeamOptions {
  readonly dry_run: boolean;
  /** False where nobody wants to know of each path of a map: one that is silent takes its whole timeout. */
  readonly asks_paths: boolean;
  readonly teamFor: (options: TeamOptions) => Promise<DeviceTeam>;
  readonly watch: RunWatch;
  /**
   * Tells the warnings, and asks where somebody is there to be asked and it is no dry run; false ends the run before anything is
   * changed.
   */
  readonly agree: (plan: Plan) => Promise<boolean>;
}

/** Does the command on the devices. null: it was not agreed to, and nothing was done. */
export async function runCommand(command: PersistCommand, options: RunOptions): Promise<RunReport | null> {
  const team = await options.teamFor(options);
  try {
    const scope = scopeOf(command, options.asks_paths);
    const inspections = await inspectAll(team, scope, options.watch);
    const plan = planFor(command, inspections);
    if (plan === null) return lookAt(command, team.paths, inspections);
    // A dry run warns too: what another host would lose is what it is looked at for.
    const isAgreed = await options.agree(plan);
    if (options.dry_run) return dryRun(team.paths, plan, inspections);
    if (!isAgreed) return null;
    const report = await carryOut(team, { plan, inspections, watch: options.watch });
    const isStart = command.kind === "start" || command.kind === "take-over";
    return isStart && options.asks_paths ? await withPaths(team, report, command.our_key) : report;
  } finally {
    await team.close();
  }
}

/** What has to be read of a device before the command can be decided on. */
function scopeOf(command: PersistCommand, asks_paths: boolean): InspectionScope {
  const isReading =
    command.kind === "read" || command.kind === "read-keys" || command.kind === "read-reservation";
  // Commands that only look for a key, or take one off, need no REPORT CAPABILITIES, which old devices lack.
  const capabilities = !["check-key", "stop", "remove"].includes(command.kind);
  const scope = { capabilities, full_status: isReading };
  return command.kind === "read" && asks_paths ? { ...scope, paths_with: "registered" } : scope;
}

/** null for the commands that change nothing. */
function planFor(command: PersistCommand, inspections: Inspections): Plan | null {
  switch (command.kind) {
    case "start":
      return planStart(command, inspections);
    case "take-over":
      return planTakeOver(command, inspections);
    case "stop":
      return planStop(command, inspections);
    case "remove":
      return planRemove(command, inspections);
    case "clear":
      return planClear(command, inspections);
    default:
      return null;
  }
}

/** One device is served by this thread; of several, disks work side by side for it, and others are served by workers. */
export async function teamFor({ devices, trace }: TeamOptions): Promise<DeviceTeam> {
  const paths = devices.map(({ path }) => path);
  const missing = new Map(
    devices.flatMap(({ problem }, device) => (problem === null ? [] : [[device, problem]])),
  );
  if (paths.length > 1) {
    const [{ sideBySideTeam }, { workerTeam }] = await Promise.all([
      import("../../plugins/scsi-pr/actions/side-by-side-team.ts"),
      import("../../plugins/scsi-pr/actions/worker-team.ts"),
    ]);
    const others = (rest: readonly string[]): DeviceTeam => workerTeam(rest, { trace });
    return withoutMissing(sideBySideTeam(paths, { trace, others }), missing);
  }
  const [{ openReservable }, { tracedDevice }] = await Promise.all([
    import("../../plugins/scsi-pr/open-device.ts"),
    import("../../plugins/scsi-pr/actions/trace.ts"),
  ]);
  const team = inlineTeam(paths, (path) => {
    const opened = openReservable(path);
    if (opened.kind !== "done" || trace === null) return opened;
    return { kind: "done", device: tracedDevice(opened.device, trace) };
  });
  return withoutMissing(team, missing);
}

/** Answers for the PVs that this host can't see, and leaves the others to the team. */
function withoutMissing(team: DeviceTeam, missing: ReadonlyMap<number, string>): DeviceTeam {
  if (missing.size === 0) return team;
  const refusalOf = ({ device }: Task): JobAnswer | null => {
    const detail = missing.get(device);
    return detail === undefined ? null : { kind: "gone", detail };
  };
  return {
    ...team,
    async run(tasks: readonly { readonly device: number; readonly job: Job }[], answered) {
      const present = tasks.filter((task) => !missing.has(task.device));
      const answers = [...(await team.run(present, answered))];
      return tasks.map(
        (task) => refusalOf(task) ?? answers.shift() ?? { kind: "failed", detail: "no answer" },
      );
    },
  };
}
