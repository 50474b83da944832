/** What lvmpersist prints for people, and for scripts that know the lines of lvm2's script. */
import { nameReservation } from "../../plugins/scsi-pr/actions/plan.ts";
import type { DeviceReport, RunReport } from "../../plugins/scsi-pr/actions/report.ts";
import { hostOfKey, printKey } from "../../plugins/scsi-pr/keys.ts";
import type { ReservationKey } from "../../plugins/scsi-pr/reservable.ts";
import { heldByAllRegistrants } from "../../plugins/scsi-pr/reservation-type.ts";
import { textTable } from "../table.ts";
import type { PersistCommand } from "./command.ts";
import { pathLines, pathTable } from "./paths.ts";

/** Which devices a run is about, in one word: the VG, or the first and the last device. */
export function groupName(vg_name: string | null, paths: readonly string[]): string {
  if (vg_name !== null) return vg_name;
  const base = (path: string | undefined): string => path?.split("/").at(-1) ?? "";
  return paths.length < 2 ? base(paths[0]) : `${base(paths[0])}:${base(paths.at(-1))}`;
}

/** "registered keys" and "reservation" in the lines of lvm2's script, which its tests and people's scripts read. */
export function readLines(kind: "read" | "read-keys" | "read-reservation", report: RunReport): string[] {
  const keys = report.devices.map((device) => `Device ${device.path}: ${keysText(device)}`);
  const reservations = report.devices.map((device) => `Device ${device.path}: ${reservationText(device)}`);
  if (kind === "read-keys") return keys;
  return kind === "read-reservation" ? reservations : [...keys, ...reservations, ...pathLines(report)];
}

function keysText({ state, problem }: DeviceReport): string {
  if (state === null) return problemText(problem);
  const keys = [...new Set(state.keys)].map(printKey);
  return `registered keys: ${keys.length === 0 ? "none" : keys.join(" ")}`;
}

function reservationText({ state, problem }: DeviceReport): string {
  if (state === null) return problemText(problem);
  const { reservation } = state;
  if (reservation === null) return "reservation: none holder 0";
  if (heldByAllRegistrants(reservation.type)) return `reservation: ${reservation.type}`;
  return `reservation: ${reservation.type} holder ${printKey(reservation.key)}`;
}

function problemText(problem: DeviceReport["problem"]): string {
  if (problem?.kind === "unsupported") return `does not support PR (${problem.detail})`;
  return `can't be read: ${problem?.detail ?? "?"}`;
}

/** Keys and reservations as a table: one row for each key, with the host that it stands for. */
export function readTable(report: RunReport): string[] {
  const heading = ["DEVICE", "KIND", "RESERVATION", "PTPL", "KEY", "HOST_ID", "GENERATION", "INITIATOR"];
  const rows = report.devices.flatMap((device) => {
    const { path, state, problem, transport, capabilities } = device;
    if (state === null) return [[path, transport ?? "", problem?.detail ?? "?"]];
    const reservation = state.reservation === null ? "none" : nameShort(state.reservation);
    const ptpl = capabilities === null ? "?" : capabilities.persist_through_power_loss.active ? "on" : "off";
    const first = [path, transport ?? "", reservation, ptpl];
    const keys = registrationRows(device);
    if (keys.length === 0) return [[...first, "none"]];
    return keys.map((row, index) => [...(index === 0 ? first : ["", "", "", ""]), ...row]);
  });
  return [...textTable(heading, rows), ...pathTable(report)];
}

function nameShort(reservation: { readonly type: string; readonly key: ReservationKey }): string {
  return reservation.key === 0n ? reservation.type : `${reservation.type} ${printKey(reservation.key)}`;
}

function registrationRows({ state, registrations }: DeviceReport): string[][] {
  const list = registrations ?? (state?.keys ?? []).map((key) => ({ key, initiator: "" }));
  return list.map(({ key, initiator }) => {
    const owner = hostOfKey(key);
    const host = owner === null ? ["", ""] : [String(owner.host_id), String(owner.generation || "")];
    return [printKey(key), ...host, initiator];
  });
}

/** The line that says that it went well, in the form that lvm's users know from the script. */
export function successText(command: PersistCommand, group: string, report: RunReport): string {
  const isNothing = report.result === "nothing";
  switch (command.kind) {
    case "start":
    case "take-over":
      return `started ${group} with key ${printKey(command.our_key)}.`;
    case "stop":
      return isNothing
        ? `${group} was not started with key ${printKey(command.our_key)}; nothing to stop.`
        : `stopped ${group} with key ${printKey(command.our_key)}.`;
    case "remove":
      return isNothing
        ? `key ${printKey(command.remove_key)} is not registered on any device of ${group} any more; nothing to remove.`
        : `removed key ${printKey(command.remove_key)} for ${group}.`;
    case "clear":
      return isNothing
        ? `${group} has no keys and no reservation to clear.`
        : `cleared ${group} reservation and keys`;
    default:
      return "";
  }
}

/** The sentence that says what went wrong with a run, before the devices one by one. */
export function failureText(command: PersistCommand, group: string, report: RunReport): string {
  const { devices, result } = report;
  const failed = devices.filter(({ problem }) => problem !== null).length;
  const changed = devices.filter((device) => device.result === "done" || device.result === "left").length;
  const word = command.kind === "take-over" ? "start" : command.kind;
  const unproven = devices.filter(({ problem }) => problem?.kind === "unproven").length;
  if (unproven > 0 && unproven === failed)
    return `${word} ${group} is not proven on ${unproven} of ${devices.length} devices, see below: the other host may still have commands under way.`;
  const what = `${word} ${group} failed on ${failed} of ${devices.length} devices`;
  if (result === "partial")
    return `${what}, and ${changed} are changed: run it again, or see below what is so.`;
  return `${what} (${result}); nothing is changed.`;
}

/** Every device with what became of it and why. */
export function deviceTable(report: RunReport): string[] {
  const rows = report.devices.map(({ path, result, problem, detail, state }) => [
    path,
    result,
    state === null
      ? "?"
      : `${state.keys.length} registered, ${state.reservation === null ? "not reserved" : nameReservation(state.reservation)}`,
    [problem?.detail ?? "", result === "failed" || result === "undone" ? "" : detail]
      .filter((text) => text !== "")
      .join("; "),
  ]);
  return textTable(["DEVICE", "RESULT", "NOW", "WHY"], rows).map((line) => `  ${line}`);
}

/** One line a device for the questions that are answered by yes and no, in the form of lvm2's script. */
export function answerLines(
  command: Extract<PersistCommand, { kind: "check-key" | "devtest" }>,
  report: RunReport,
): string[] {
  return report.devices.map(({ path, problem, state, transport, detail }) => {
    const line = (text: string): string => `Device ${path}: ${text}`;
    if (command.kind === "check-key") {
      const key = printKey(command.key);
      if (state !== null) return line(`${problem === null ? "has" : "does not have"} key ${key}`);
      return line(`can't be read: ${problem?.detail ?? detail}`);
    }
    const type = command.typeOf(transport ?? "scsi");
    if (problem === null) return line(`supports type ${type}`);
    if (problem.kind === "unsupported") return line(`does not support type ${type} (${problem.detail})`);
    return line(`can't be read: ${problem.detail}`);
  });
}
