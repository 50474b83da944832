/** Keeping what is reserved the same as what the VG consists of: vgextend and vgreduce while it is started. */

import type { ReservationKey } from "../reservable.ts";
import { closeAll, type HeldPv, observeAll } from "./devices.ts";
import { releaseDevice, undoReserve } from "./give-back.ts";
import { describeKey } from "./holder.ts";
import { type LockspaceState, logLine } from "./lockspace-state.ts";
import { planStart } from "./plan.ts";
import type { Pv } from "./pv-source.ts";
import { reserveDevice } from "./reserve.ts";

/**
 * Compares the VG's PVs with the reserved ones: reserves those that were added and gives back those that were removed. What
 * can't be done now is tried again at the next look, and is reported once.
 */
export async function refreshPvs(state: LockspaceState): Promise<void> {
  // One at a time: an older list that came later would give back what a newer one has added.
  if (state.refreshing) return;
  state.refreshing = true;
  state.pvs_changed = false;
  const listed = await state.tools.pvsOf(state.identity);
  state.refreshing = false;
  // lvm took its time: the VG may have been stopped or lost meanwhile.
  if (!state.joined || state.lost !== null) return;
  if (listed.kind === "refused") {
    notRefreshed(state, listed.detail);
    return;
  }
  const added = listed.pvs.filter(({ id }) => state.held.every(({ pv }) => pv.id !== id));
  const removed = state.held.filter(({ pv }) => listed.pvs.every(({ id }) => id !== pv.id));
  for (const held of removed) giveBack(state, held);
  const problem = added.length === 0 ? null : reserveAdded(state, added);
  if (problem === null) state.told_unread = false;
  else notRefreshed(state, problem);
}

function notRefreshed(state: LockspaceState, detail: string): void {
  state.pvs_changed = true;
  if (state.told_unread) return;
  state.told_unread = true;
  logLine(state, "error", `its PVs were changed, and not all of them are reserved: ${detail}`);
}

function giveBack(state: LockspaceState, held: HeldPv): void {
  const released = releaseDevice(held.device, state.key, held.type);
  if (released.kind === "done") logLine(state, "info", `${held.pv.path} left the VG and is released`);
  else logLine(state, "error", `${held.pv.path} left the VG, but is still reserved: ${released.detail}`);
  forget(state, held);
}

function forget(state: LockspaceState, held: HeldPv): void {
  closeAll([held]);
  state.held = state.held.filter((one) => one !== held);
}

/**
 * Gives back PVs that a start has reserved and that the list of before named, but not the one of after: they had left the VG already,
 * and may belong to another one now. What was there before the start stays; a host that was cut off there is told of.
 */
export function giveBackLeft(
  state: LockspaceState,
  listed: readonly Pv[],
  remove: ReservationKey | null,
): void {
  for (const held of state.held.filter(({ pv }) => listed.every(({ id }) => id !== pv.id))) {
    const { device, pv, type, changed } = held;
    if (!changed.preempted && (changed.registered || changed.reserved)) {
      const undone = undoReserve(device, state.key, type, changed);
      if (undone.kind !== "done")
        logLine(state, "error", `${pv.path} left the VG, but is still reserved: ${undone.detail}`);
      forget(state, held);
      continue;
    }
    giveBack(state, held);
    if (changed.preempted && remove !== null)
      logLine(
        state,
        "error",
        `${pv.path} left the VG while that was taken over, and ${describeKey(remove)} was cut off from it for nothing: if that host has it in another VG, start that VG again there`,
      );
  }
}

/** Null, or why not all of them are reserved. Those that could be had are kept. */
function reserveAdded(state: LockspaceState, pvs: readonly Pv[]): string | null {
  const seen = observeAll(state.tools.open, pvs);
  if (seen.kind !== "seen") return seen.detail;
  const warn = (text: string): void => logLine(state, "warning", text);
  let problem: string | null = null;
  for (const { held, observation } of seen.all) {
    const wish = { own: state.key, remove: null, takes_up: false, shuts_out: true };
    const plan = planStart([observation], wish);
    if (plan.kind === "plan") plan.warnings.forEach(warn);
    const step = plan.kind === "plan" ? (plan.steps[0] ?? "take") : "take";
    const order = { key: state.key, remove: null, type: held.type, step };
    const answer = plan.kind === "plan" ? reserveDevice(held.device, order, held.changed, warn) : plan;
    if (answer.kind === "done") {
      state.held.push(held);
      logLine(state, "info", `${held.pv.path} joined the VG and is reserved`);
    } else {
      undoReserve(held.device, state.key, held.type, held.changed);
      closeAll([held]);
      problem ??= answer.detail;
    }
  }
  return problem;
}
