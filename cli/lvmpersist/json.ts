/** What lvmpersist prints for programs: a row for every device, whatever became of it, and one for the run. */
import type { DeviceReport, RunReport } from "../../plugins/scsi-pr/actions/report.ts";
import { hostOfKey, printKey } from "../../plugins/scsi-pr/keys.ts";
import { jsonReport } from "../json-report.ts";
import type { PersistCommand } from "./command.ts";
import { pathRows } from "./paths.ts";

export interface RunFacts {
  readonly command: PersistCommand;
  readonly group: string;
  readonly exit_status: number;
  readonly warnings: readonly string[];
}

/** The whole report. Keys are "0x…" text; where a value is not known it is null, in lvm's "json" the empty string. */
export function runJson(report: RunReport, facts: RunFacts, format: "json" | "json_std"): string {
  const run = runRow(facts, { result: report.result, devices: report.devices.length, detail: "" });
  const registrations = report.devices.flatMap(registrationRows);
  return jsonReport(
    {
      run: [run],
      device: report.devices.map(deviceRow),
      registration: registrations,
      path: pathRows(report),
    },
    format,
  );
}

/** The report of a run that ended before a device was changed or shown: no such VG, or a person said no. */
export function refusalJson(
  { detail, ...facts }: RunFacts & { readonly detail: string },
  format: "json" | "json_std",
): string {
  const run = runRow(facts, { result: "refused", devices: 0, detail });
  return jsonReport({ run: [run], device: [], registration: [], path: [] }, format);
}

function runRow(
  { command, group, exit_status, warnings }: RunFacts,
  { result, devices, detail }: { result: RunReport["result"] | "refused"; devices: number; detail: string },
): object {
  return {
    command: command.kind,
    group,
    result,
    exit_status,
    our_key: "our_key" in command ? printKey(command.our_key) : null,
    remove_key: "remove_key" in command ? printKey(command.remove_key) : null,
    devices,
    warnings,
    detail,
  };
}

function deviceRow(device: DeviceReport): object {
  const { path, transport, result, problem, detail, state, capabilities } = device;
  const reservation = state?.reservation ?? null;
  return {
    device: path,
    kind: transport,
    /** "ok", or what is in the way: a row is never left out. */
    status: problem?.kind ?? "ok",
    result,
    detail: [problem?.detail ?? "", detail].filter((text) => text !== "").join("; "),
    keys: state === null ? null : [...new Set(state.keys)].map(printKey),
    reservation: state === null ? null : (reservation?.type ?? "none"),
    holder: reservation === null || reservation.key === 0n ? "" : printKey(reservation.key),
    generation: state?.generation ?? null,
    types: capabilities?.types ?? null,
    ptpl: capabilities?.persist_through_power_loss.active ?? null,
    ptpl_capable: capabilities?.persist_through_power_loss.capable ?? null,
  };
}

/** One row for each nexus where the device tells them, else one for each key of the list. */
function registrationRows({ path, state, registrations }: DeviceReport): object[] {
  if (state === null) return [];
  const list =
    registrations ??
    state.keys.map((key) => ({
      key,
      holder: null,
      target_port: null,
      all_target_ports: undefined,
      initiator: null,
    }));
  return list.map(({ key, holder, target_port, all_target_ports, initiator }) => ({
    device: path,
    key: printKey(key),
    host_id: hostOfKey(key)?.host_id ?? null,
    generation: hostOfKey(key)?.generation ?? null,
    holder,
    /** Null where nobody tells, and where the registration is not one port's. */
    target_port: target_port === 0 ? null : target_port,
    all_target_ports: holder === null ? null : all_target_ports === true,
    initiator,
  }));
}
