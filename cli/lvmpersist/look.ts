/** The commands that change nothing: what they make of what the devices said. */

import type { Inspection } from "../../plugins/scsi-pr/actions/job.ts";
import { type Inspections, nameKey, type Problem } from "../../plugins/scsi-pr/actions/plan.ts";
import {
  type DeviceReport,
  type RunReport,
  type RunResult,
  runResult,
} from "../../plugins/scsi-pr/actions/report.ts";
import { inability } from "../../plugins/scsi-pr/actions/start.ts";
import type { PersistCommand } from "./command.ts";

export function lookAt(
  command: PersistCommand,
  paths: readonly string[],
  inspections: Inspections,
): RunReport {
  const devices = inspections.map((inspection, device): DeviceReport => {
    const path = paths[device] ?? "";
    if (inspection.kind !== "inspected") {
      const unknown = { transport: null, state: null, capabilities: null, registrations: null };
      return { path, result: "failed", problem: inspection, detail: "", ...unknown };
    }
    const { transport, state, capabilities, registrations } = inspection;
    const problem = problemOf(command, inspection);
    const result = problem === null ? "nothing" : "failed";
    const seen = {
      path,
      transport,
      result,
      problem,
      detail: "",
      state,
      capabilities,
      registrations,
    } as const;
    return inspection.paths === undefined ? seen : { ...seen, paths: inspection.paths };
  });
  return { result: resultOf(command, devices), devices };
}

function problemOf(command: PersistCommand, inspection: Inspection): Problem | null {
  if (command.kind === "check-key" && !inspection.state.keys.includes(command.key)) {
    return { kind: "not-started", detail: `${nameKey(command.key)} is not registered` };
  }
  if (command.kind === "devtest" && inspection.capabilities === null) {
    return { kind: "unsupported", detail: "the device does not tell which reservation types it has" };
  }
  if (command.kind === "devtest") {
    // What start would say: a map refuses types that each of its paths has.
    const unable = inability({ our_key: 0n, aptpl: false, typeOf: command.typeOf }, inspection);
    if (unable?.kind === "refused") return unable.problem;
  }
  return null;
}

function resultOf(command: PersistCommand, devices: readonly DeviceReport[]): RunResult {
  const isReading =
    command.kind === "read" || command.kind === "read-keys" || command.kind === "read-reservation";
  // A VG may have PVs without persistent reservations; reading says so, and is no failure by that, as with lvm2's script.
  const readable = devices.filter(({ problem }) => problem?.kind !== "unsupported");
  const failing = isReading && readable.length > 0 ? readable : devices;
  if (command.kind === "check-key") {
    const has = devices.some(({ problem }) => problem === null);
    const problems = devices.filter(({ problem }) => problem !== null);
    const isOnlyMissing = problems.every(({ problem }) => problem?.kind === "not-started");
    if (has && problems.length > 0 && isOnlyMissing) return "partial";
  }
  return runResult(failing);
}
