/**
 * Work on the reservation keys of a VG for the core: what is asked of lvmpersist, and what of its answer is believed. A command's
 * success is never taken for more than an attempt: the PVs are read again afterwards, and what they say is the answer.
 */
import type { Refused } from "../../../plugins/contract.ts";
import { refuse } from "../../../plugins/contract.ts";
import { keyOfHost, printKey } from "../../../plugins/scsi-pr/keys.ts";
import type { AskReservations, HostLife, ManagerAnswer } from "../../locking/api.ts";
import type { Log } from "../log/log.ts";
import { correctOwnKey, withReason } from "./correct-key.ts";
import { writeKeyFile } from "./key-file.ts";
import type { PersistAnswer, RunLvmpersist } from "./lvmpersist.ts";
import { abortProblem, registeredKey, removalProblem, startProblem, strangerProblem } from "./pv-state.ts";

export interface ReservationsOptions {
  readonly run: RunLvmpersist;
  /** Where lvm notes its keys. */
  readonly key_directory: string;
  readonly log: Pick<Log, "notice" | "warning">;
}

export interface Reservations {
  /** Does what the core asks for; the answer always comes later, and exactly once. */
  ask(effect: AskReservations, later: (call_id: number, answer: ManagerAnswer) => void): void;
}

const DONE: ManagerAnswer = Object.freeze({ kind: "done" });

export function createReservations(options: ReservationsOptions): Reservations {
  return {
    ask(effect, later) {
      void answer(options, effect).then(
        (found) => later(effect.call_id, found),
        (error: unknown) => later(effect.call_id, refuse("ELMERR", messageOf(error))),
      );
    },
  };
}

function answer(options: ReservationsOptions, effect: AskReservations): Promise<ManagerAnswer> {
  const { method, vg_name, own, removed } = effect;
  if (own.host_id === 0) {
    return Promise.resolve(
      refuse("EHOSTID", "a reservation key is made of the host_id, and this host has none"),
    );
  }
  switch (method) {
    case "checkKey":
      return checkKey(options, vg_name, own.host_id);
    case "correctKey":
      return correctKey(options, effect);
    case "removeKey":
      return removed === null
        ? Promise.resolve(refuse("EINVAL", "nobody was named whose key is to be removed"))
        : removeKey(options, vg_name, own, removed);
    case "checkRemoved":
      return removed === null
        ? Promise.resolve(refuse("EINVAL", "nobody was named whose key has been removed"))
        : checkRemoved(options, vg_name, own, removed);
  }
}

function read({ run }: ReservationsOptions, vg_name: string): Promise<PersistAnswer> {
  return run(["read", "--vg", vg_name]);
}

async function checkKey(
  options: ReservationsOptions,
  vg_name: string,
  host_id: number,
): Promise<ManagerAnswer> {
  const found = await read(options, vg_name);
  const problem = found.kind === "failed" ? found.detail : startProblem(found.pvs, host_id);
  if (problem === "" && found.kind !== "failed") {
    const strangers = strangerProblem(found.pvs, registeredKey(found.pvs, host_id));
    return strangers === "" ? DONE : unfit(vg_name, strangers);
  }
  return notPrepared(vg_name, `${problem}. Start them first: vgchange --persist start ${vg_name}`);
}

function notPrepared(vg_name: string, why: string): Refused {
  return refuse(
    "EPREPARE",
    `VG ${vg_name} needs persistent reservations, and they are not started here: ${why}`,
  );
}

function unfit(vg_name: string, why: string): Refused {
  return refuse(
    "EPREPARE",
    `VG ${vg_name} needs persistent reservations by which every host can be cut off: ${why}`,
  );
}

async function correctKey(
  options: ReservationsOptions,
  { vg_name, vg_uuid, own }: AskReservations,
): Promise<ManagerAnswer> {
  const key = printKey(keyOfHost(own));
  const { problem, changed, removed } = await correctOwnKey(options.run, vg_name, own);
  // What was removed is told whether or not the start then goes on.
  if (removed.length > 0)
    options.log.warning(
      `VG ${vg_name}: removed ${removed.map(printKey).join(", ")}, registered through another path or session in an earlier generation of this host_id`,
    );
  if (problem !== "") return notPrepared(vg_name, problem);
  if (changed)
    options.log.notice(
      `VG ${vg_name}: the key of this host is ${key} now, for its generation ${own.generation}`,
    );
  try {
    writeKeyFile(options.key_directory, { name: vg_name, uuid: vg_uuid }, key);
  } catch (error) {
    // lvm then finds the key on the devices.
    options.log.warning(`the key of VG ${vg_name} could not be noted for lvm: ${messageOf(error)}`);
  }
  return DONE;
}

async function removeKey(
  options: ReservationsOptions,
  vg_name: string,
  own: HostLife,
  removed: HostLife,
): Promise<ManagerAnswer> {
  const our_key = printKey(keyOfHost(own));
  const remove_key = printKey(keyOfHost(removed));
  // The core never asks for it; this is the last place that could stop a host from cutting itself off.
  if (own.host_id === removed.host_id || our_key === remove_key) {
    return refuse("EINVAL", "no host removes its own key");
  }
  const done = await options.run(["remove", "--vg", vg_name, "--ourkey", our_key, "--removekey", remove_key]);
  if (done.kind === "failed") return refuse("EAGAIN", done.detail);
  const after = await read(options, vg_name);
  const problem = after.kind === "failed" ? after.detail : removalProblem(after.pvs, own, removed);
  if (problem !== "" || after.kind === "failed") return refuse("EAGAIN", withReason(problem, [done]));
  const detail = abortProblem(after.pvs, done.pvs);
  return { kind: "done", aborted: detail === "", detail };
}

/** The PVs once more, some time after the key was seen to be gone. */
async function checkRemoved(
  options: ReservationsOptions,
  vg_name: string,
  own: HostLife,
  removed: HostLife,
): Promise<ManagerAnswer> {
  const found = await read(options, vg_name);
  const problem = found.kind === "failed" ? found.detail : removalProblem(found.pvs, own, removed);
  return problem === "" ? DONE : refuse("EAGAIN", problem);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
