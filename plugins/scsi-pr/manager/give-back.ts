/** Giving PVs back: a stop gives all of one, and a start that failed what it had changed and no more. */
import type { PrAnswer, ReservableDevice, ReservationKey, ReservationType } from "../reservable.ts";
import type { Changed } from "./reserve.ts";

type Done = PrAnswer<object>;
const DONE = Object.freeze({ kind: "done" } as const);

/**
 * Gives a PV back: releases and unregisters. A device on which our key is not registered any more has nothing to give. An undo
 * keeps registrations of other nexuses with the same key (`lost_paths`): it did not make them.
 */
export function releaseDevice(
  device: ReservableDevice,
  key: ReservationKey,
  type: ReservationType,
  lost_paths: "remove" | "keep" = "remove",
): Done {
  // Unregistering the holder ends the reservation as well (SPC-4 5.13.11.2), so that a release that fails is no matter: on a multipath
  // map it needs the path that reserved, which may be lost.
  // A conflict tells as little: Linux's target also answers it to a later session of the initiator that holds the reservation.
  const released = device.release({ key, type });
  if (released.kind === "gone") return released;
  const left = device.register({ from: key, to: 0n, aptpl: false, lost_paths });
  return left.kind === "conflict" ? DONE : left;
}

/** Takes back what a start that failed has changed, and nothing else. */
export function undoReserve(
  device: ReservableDevice,
  key: ReservationKey,
  type: ReservationType,
  changed: Changed,
): Done {
  if (changed.preempted) return DONE;
  const { aptpl_before } = changed;
  // A conflict: our key is not there, so that our REGISTER did not happen after all.
  const persistent =
    aptpl_before === null ? DONE : device.register({ from: key, to: key, aptpl: aptpl_before });
  const undone = undoReservation(device, key, type, changed);
  return undone.kind !== "done" || persistent.kind === "conflict" ? undone : persistent;
}

function undoReservation(
  device: ReservableDevice,
  key: ReservationKey,
  type: ReservationType,
  changed: Changed,
): Done {
  if (changed.registered) return releaseDevice(device, key, type, "keep");
  return changed.reserved ? device.release({ key, type }) : DONE;
}
