/** Noticing that a VG is not ours any more: a look at every PV's reservation, on a timer and before locks are granted. */
import { DEADLINES } from "../../../core/deadlines.ts";
import type { PrRefusal } from "../reservable.ts";
import type { HeldPv } from "./devices.ts";
import { describeKey } from "./holder.ts";
import { type LockspaceState, logLine } from "./lockspace-state.ts";
import { refreshPvs } from "./members.ts";
import { endOthersKeys } from "./others-keys.ts";
import { openAgain } from "./reopen.ts";
import { whyUnknown } from "./reserve.ts";

/** What a look at the PVs found. `silent`: none is lost, but at least one does not answer. */
export type Verdict =
  | { readonly kind: "ours" }
  | { readonly kind: "lost"; readonly reason: string }
  | { readonly kind: "silent"; readonly reason: string };

const OURS: Verdict = Object.freeze({ kind: "ours" });

/** Looks every pr_watch_ms from now on. The timer shares its thread with the lockspace's calls, so they never run at once. */
export function startWatch(state: LockspaceState): void {
  state.checked_at_ms = performance.now();
  again(state);
}

export function stopWatch(state: LockspaceState): void {
  state.timer?.cancel();
  state.timer = null;
}

function again(state: LockspaceState): void {
  state.timer = state.tools.after(DEADLINES.pr_watch_ms, () => {
    look(state);
    if (!state.joined || state.lost !== null) return;
    again(state);
    if (state.pvs_changed) void refreshPvs(state);
  });
}

/** Looks at once; a lost VG is reported the first time. */
export function look(state: LockspaceState): Verdict {
  if (state.lost !== null) return { kind: "lost", reason: state.lost };
  let silent: Verdict | null = null;
  for (const held of state.held) {
    const verdict = lookAt(state, held);
    if (verdict.kind === "lost") {
      lose(state, verdict.reason);
      return verdict;
    }
    if (verdict.kind === "silent") silent ??= verdict;
  }
  if (silent !== null) {
    // No lock is granted on the strength of an earlier look.
    state.checked_at_ms = Number.NEGATIVE_INFINITY;
    return silent;
  }
  state.checked_at_ms = performance.now();
  return OURS;
}

/**
 * The same, unless it was done a moment ago. A lock may so be granted for up to pr_fresh_ms after another host has taken the VG over, and
 * a look before each grant would not end that: the take-over may as well come right after the look, or while the lock is held. What keeps
 * the data whole is the device, which from the PREEMPT on refuses each write of this host: the metadata that lvm writes under a VG lock,
 * the zeroing and the superblocks of an activation, and everything behind an active LV. What is left to such a grant is reading and
 * mapping, which no reservation of these types forbids to anybody. So the bound only says how long a command may work in vain, and costs
 * a command, which takes several locks in a row, one read of each PV instead of several.
 */
export function lookBeforeGrant(state: LockspaceState): Verdict {
  if (state.lost !== null) return { kind: "lost", reason: state.lost };
  return performance.now() - state.checked_at_ms < DEADLINES.pr_fresh_ms ? OURS : look(state);
}

function lookAt(state: LockspaceState, held: HeldPv): Verdict {
  const read = held.device.readReservation();
  if (read.kind !== "done") return silentPv(state, held, read);
  const { pv, type } = held;
  const { reservation, generation } = read;
  if (reservation === null) return { kind: "lost", reason: `${pv.path} has no reservation any more` };
  if (reservation.key !== state.key)
    return { kind: "lost", reason: `${pv.path} was taken over by ${describeKey(reservation.key)}` };
  if (reservation.type !== type)
    return {
      kind: "lost",
      reason: `the reservation of ${pv.path} was made one of another type (${reservation.type})`,
    };
  const unread = endOthersKeys(state, held);
  if (unread !== null) return silentPv(state, held, unread);
  if (generation === held.generation && !pathsAreDue(held)) return OURS;
  return lookAtNexus(state, held);
}

/** A multipath map's paths come and go without the device's generation telling, and one that is not registered can't write. */
function pathsAreDue({ device, nexuses_at_ms }: HeldPv): boolean {
  return device.transport === "multipath" && performance.now() - nexuses_at_ms >= DEADLINES.pr_paths_ms;
}

/**
 * Somebody has registered or preempted something, so the right key may not be ours: another host may use the same one. Asking
 * costs a REGISTER of our key by itself, which raises the generation, so it is not done at every look.
 */
function lookAtNexus(state: LockspaceState, held: HeldPv): Verdict {
  const { pv } = held;
  // An open multipath map knows the paths that it had when it was opened.
  if (held.device.transport === "multipath" && openAgain(state, held) === "another")
    return silentPv(state, held, { kind: "gone", detail: held.astray ?? pv.path });
  const { device } = held;
  const repaired = device.repairNexuses({ key: state.key });
  if (repaired.kind === "conflict") return { kind: "lost", reason: repaired.detail };
  if (repaired.kind !== "done") return silentPv(state, held, repaired);
  for (const path of repaired.repaired)
    logLine(state, "warning", `the path ${path} of ${pv.path} was not registered, and is again`);
  if (!repaired.nexuses.some((nexus) => nexus.state === "registered")) {
    const unknown = whyUnknown(repaired.nexuses);
    return unknown === null
      ? { kind: "lost", reason: stolen(pv.path, state) }
      : silentPv(state, held, unknown);
  }
  noteAnswer(state, held);
  const read = device.readReservation();
  held.generation = read.kind === "done" ? read.generation : -1;
  held.nexuses_at_ms = performance.now();
  return OURS;
}

function stolen(path: string, { key }: LockspaceState): string {
  return `${path} is reserved with ${describeKey(key)}, but not by this host as it is now: another host uses the same key, or this host's initiator has changed (a new session after the storage was away)`;
}

/**
 * A device that does not answer is no lost one: nobody can say who holds it, and it will keep us out by itself if it is not us.
 * It is opened again, because the device behind a path changes when it comes back; another disk under the path is not it.
 */
function silentPv(state: LockspaceState, held: HeldPv, { detail }: PrRefusal): Verdict {
  if (held.silent_since_ms < 0) {
    held.silent_since_ms = performance.now();
    logLine(state, "warning", `nothing is known of the reservation of ${held.pv.path}: ${detail}`);
  }
  // The next look asks whether this nexus is registered, whatever generation the device has then.
  held.generation = -1;
  const found = openAgain(state, held);
  return { kind: "silent", reason: found === "another" ? (held.astray ?? detail) : detail };
}

function noteAnswer(state: LockspaceState, held: HeldPv): void {
  if (held.silent_since_ms < 0) return;
  const seconds = Math.round((performance.now() - held.silent_since_ms) / 1000);
  held.silent_since_ms = -1;
  logLine(state, "warning", `${held.pv.path} answers again after ${seconds} s`);
}

/** The VG is another host's: the daemon grants nothing more in it, and what lvm.conf names takes its LVs offline. */
function lose(state: LockspaceState, reason: string): void {
  state.lost = reason;
  const { lockspace_name, vg_name } = state.identity;
  state.tools.news({ kind: "lockspace-lost", lockspace_name, reason });
  state.tools.kill(vg_name);
}
