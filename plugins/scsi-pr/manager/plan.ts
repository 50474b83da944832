/** What a start has to do on each PV, decided from what the devices say before anything is changed. Pure. */
import { type Refused, refuse } from "../../contract.ts";
import { printKey } from "../keys.ts";
import type { ReservableDevice, Reservation, ReservationKey, ReservationType } from "../reservable.ts";
import { heldByOneNexusAlone, TYPE_WORDS } from "../reservation-type.ts";
import { describeKey, describeKeys, ownerOf } from "./holder.ts";
import type { Pv } from "./pv-source.ts";

/** What a PV's device said. */
export interface Observation {
  readonly pv: Pv;
  readonly transport: ReservableDevice["transport"];
  readonly keys: readonly ReservationKey[];
  readonly reservation: Reservation | null;
}

/** Whose keys a start is about. `remove` is the key that a take-over takes away. */
export interface Wish {
  readonly own: ReservationKey;
  readonly remove: ReservationKey | null;
  /**
   * An earlier daemon of this host may have left the VG in use. What this host alone holds is taken up then even where it is not
   * quite as it was made: refusing it would have its LVs taken offline, although no other host has the VG.
   */
  readonly takes_up: boolean;
  /**
   * Hosts that are registered without a reservation are shut out, with a warning. A PV that the VG has got is this host's to protect,
   * and so is one that an earlier daemon had.
   */
  readonly shuts_out: boolean;
}

/**
 * take: nobody has the PV. keep: this host's key holds it already, from before a crash or a reboot. correct: so it does, but with
 * another type than scsi-pr's. preempt: the key to remove is registered there, as holder or not.
 */
export type Step = "take" | "keep" | "correct" | "preempt";

export type Plan =
  | {
      readonly kind: "plan";
      readonly steps: readonly Step[];
      /** Sentences about what is taken up although it is not as it should be. */
      readonly warnings: readonly string[];
    }
  | Refused;

/**
 * The type that a PV is reserved with. Under Write Exclusive the one nexus that reserved may write, which is a disk's only path
 * or, with NVMe, all of the host's. A multipath map has a nexus for each path, so there every registrant has to be able to
 * write, and a start sees to it that this host is the only one. Not "all registrants": of two hosts that reserve such a
 * type at once both would succeed.
 */
export function reservationType(transport: ReservableDevice["transport"]): ReservationType {
  return transport === "multipath" ? "WERO" : "WE";
}

/** Decides on all PVs together: one that can't be had, and none is touched. */
export function planStart(observations: readonly Observation[], wish: Wish): Plan {
  const problems: string[] = [];
  const holders: ReservationKey[] = [];
  const steps: Step[] = [];
  for (const observation of observations) {
    const obstacle = obstacleOn(observation, wish);
    if (obstacle === null) {
      steps.push(stepOn(observation, wish));
    } else {
      problems.push(`${observation.pv.path} ${obstacle.text}`);
      holders.push(...obstacle.keys);
    }
  }
  const [holder] = holders;
  if (problems.length > 0)
    return refuse("EBUSY", problems.join("; "), { owner: holder === undefined ? null : ownerOf(holder) });
  if (wish.remove !== null && !steps.includes("preempt"))
    return refuse("ENOENT", `${describeKey(wish.remove)} is registered on none of the VG's PVs`);
  return { kind: "plan", steps, warnings: observations.flatMap((one) => warningOn(one, wish) ?? []) };
}

/** What a warning says of a PV that is taken, or taken up; null when there is nothing to say. */
function warningOn(observation: Observation, wish: Wish): string | null {
  const { pv, keys, reservation, transport } = observation;
  const others = keys.filter((key) => key !== wish.own && key !== wish.remove);
  if (reservation === null && others.length > 0)
    return `${pv.path} was reserved by nobody, but registered by ${describeKeys(others)}, whose writes fail from now on`;
  if (!wish.takes_up || !isHeldByUs(observation, wish)) return null;
  const said: string[] = [];
  if (reservation !== null && reservation.type !== reservationType(transport))
    said.push(
      `${pv.path} was reserved by this host with another type (${TYPE_WORDS[reservation.type]}) while lvmlockd did not run: that is corrected`,
    );
  if (transport === "multipath" && others.length > 0)
    said.push(
      `${pv.path} is registered by ${describeKeys(others)} as well, which can write through multipath: lvmpersist remove ends that`,
    );
  return said.length === 0 ? null : said.join("; ");
}

/**
 * The reservation is this host's, and taking it up takes nothing from another one. A type under which other registrants write is
 * this host's alone when there are none: correcting it would cut them off. On a multipath map the right type is such a one; what
 * is kept as it is cuts nobody off.
 */
function isHeldByUs({ keys, reservation, transport }: Observation, { own }: Wish): boolean {
  if (reservation === null) return false;
  if (reservation.key !== own && reservation.key !== 0n) return false;
  const isRight = reservation.key === own && reservation.type === reservationType(transport);
  return isRight || heldByOneNexusAlone(reservation.type) || keys.every((key) => key === own);
}

interface Obstacle {
  readonly text: string;
  readonly keys: readonly ReservationKey[];
}

function obstacleOn(observation: Observation, wish: Wish): Obstacle | null {
  const { keys, reservation, transport } = observation;
  const { own, remove } = wish;
  if (transport === "multipath" && remove === own && keys.includes(own)) {
    const text = `is a multipath map that is registered with this host's own ${describeKey(own)}, which a PREEMPT would take from every path of whoever has it: when no host uses the VG, ${clearing(observation, own)}, then start it`;
    return { text, keys: [own] };
  }
  if (wish.takes_up && isHeldByUs(observation, wish)) return null;
  const type = reservationType(transport);
  const tolerated = (key: ReservationKey): boolean => key === own || key === remove;
  const others = keys.filter((key) => !tolerated(key));
  if (reservation !== null) {
    if (reservation.key === 0n) {
      const text = `is held by all registrants (${describeKeys(keys)}) with a reservation that scsi-pr does not make: end it with lvmpersist first`;
      return { text, keys };
    }
    if (!tolerated(reservation.key))
      return { text: `is held by ${describeKey(reservation.key)}`, keys: [reservation.key] };
    // They can write now, and could not once this host has it.
    if (others.length > 0 && reservation.type !== type && !heldByOneNexusAlone(reservation.type)) {
      const text = `is held by ${describeKey(reservation.key)} with a type under which ${describeKeys(others)} can write as well (${TYPE_WORDS[reservation.type]}): end that with lvmpersist stop there first, or lvmpersist remove`;
      return { text, keys: others };
    }
    if (reservation.key === own && reservation.type !== type && remove === null) {
      const text = `is reserved by this host's own key with another type (${TYPE_WORDS[reservation.type]}): end that with lvmpersist stop first`;
      return { text, keys: [own] };
    }
  }
  // Every registrant could write then, so there may be none but this host.
  const writers = type === "WERO" ? others : [];
  if (writers.length > 0)
    return {
      text: `is registered by ${describeKeys(writers)}, which could write through multipath`,
      keys: writers,
    };
  // They can write now, and a reservation of this host alone would end that without anybody having asked for it.
  if (reservation === null && others.length > 0 && !wish.shuts_out) {
    const text = `is reserved by nobody, but registered by ${describeKeys(others)}, which would be shut out: run lvmpersist stop --ourkey KEY on the host that it belongs to, or take the VG over from that key with lvmlockctl takeover; when no host uses the VG, ${clearing(observation, own)}`;
    return { text, keys: others };
  }
  return null;
}

/** The command that frees a device whatever is registered there with our key. */
export function clearing({ pv }: { pv: { path: string } }, key: ReservationKey): string {
  return `run lvmpersist clear --ourkey ${printKey(key)} --device ${pv.path}`;
}

function stepOn(observation: Observation, wish: Wish): Step {
  const { keys, reservation, transport } = observation;
  // This host's own key may be the one to remove: left behind by a nexus that does not exist any more, or stolen.
  if (wish.remove !== null && keys.includes(wish.remove)) return "preempt";
  if (reservation === null || !isHeldByUs(observation, wish)) return "take";
  return reservation.type === reservationType(transport) ? "keep" : "correct";
}
