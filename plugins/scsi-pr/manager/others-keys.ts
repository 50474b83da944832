/** Keys of other hosts on a PV that every registered host may write to: a multipath map, whose paths are a registrant each. */
import type { PrRefusal, ReservationKey } from "../reservable.ts";
import { heldByOneNexusAlone } from "../reservation-type.ts";
import type { HeldPv } from "./devices.ts";
import { describeKey } from "./holder.ts";
import { type LockspaceState, logLine } from "./lockspace-state.ts";

/**
 * Looks for them, and ends what is to be ended. The key that this VG was taken over from may come back when the other host registered a
 * path of its own in that very moment (cut-off.ts); taking it over was somebody's act, so it is removed again. Any other key is told:
 * it may be a take-over that has just begun, and removing it would make that fail. Null, or why the device could not be asked.
 */
export function endOthersKeys(state: LockspaceState, held: HeldPv): PrRefusal | null {
  const { device, pv, type, strangers } = held;
  if (heldByOneNexusAlone(type)) return null;
  const read = device.readKeys();
  if (read.kind !== "done") return read;
  const others = new Set(read.keys.filter((key) => key !== state.key));
  for (const key of others) {
    if (key === state.taken_from) removeAgain(state, held, key);
    else tell(state, held, key);
  }
  for (const [key, looks] of strangers) {
    if (others.has(key)) continue;
    strangers.delete(key);
    if (looks >= LOOKS_BEFORE_TOLD)
      logLine(state, "info", `${describeKey(key)} is registered on ${pv.path} no more`);
  }
  return null;
}

/** A start that loses against this one, or a take-over, has its key there for a moment. */
const LOOKS_BEFORE_TOLD = 2;

function tell(state: LockspaceState, { pv, strangers }: HeldPv, key: ReservationKey): void {
  const looks = (strangers.get(key) ?? 0) + 1;
  strangers.set(key, looks);
  if (looks !== LOOKS_BEFORE_TOLD) return;
  const text = `${pv.path} is registered by ${describeKey(key)} as well, which can write to it through multipath: end that with lvmpersist stop on that host, or lvmpersist remove here`;
  logLine(state, "error", text);
}

function removeAgain(
  state: LockspaceState,
  { device, pv, type, strangers }: HeldPv,
  key: ReservationKey,
): void {
  const removed = device.preempt({ key: state.key, remove: key, type, abort: true });
  const what = `${describeKey(key)}, from which the VG was taken over, was registered on ${pv.path} again`;
  if (removed.kind === "done") logLine(state, "warning", `${what}, and is removed`);
  else if (!strangers.has(key)) {
    // It is tried again at each look, and told once.
    strangers.set(key, 1);
    logLine(state, "error", `${what}, and could not be removed: ${removed.detail}`);
  }
}
