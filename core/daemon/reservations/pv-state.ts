/** What lvmpersist's report says about the PVs of a VG, and what follows from it: the only judge of whether a key is there. */
import * as v from "valibot";
import {
  hostOfKey,
  type KeyOwner,
  keyOfHost,
  keysOfNoHost,
  parseReservationKey,
  printKey,
} from "../../../plugins/scsi-pr/keys.ts";
import type { ReservationKey } from "../../../plugins/scsi-pr/reservable.ts";
import { LIMITS } from "../../limits.ts";
import type { HostLife } from "../../locking/api.ts";

/** One PV. `problem` is "" when it could be read, and then the rest is true. */
export interface PvState {
  readonly device: string;
  readonly problem: string;
  readonly keys: readonly ReservationKey[];
  /** WE, WEAR and so on; "none" for no reservation. */
  readonly reservation: string;
  /** Registrations outlive a power loss of the device. */
  readonly ptpl: boolean;
  /** What lvmpersist did there: `done`, `nothing` (it was so before), `left` and so on; "" where it said nothing. */
  readonly result: string;
}

const key = v.pipe(
  v.string(),
  v.transform((text) => parseReservationKey(text)),
  v.check((read) => read.kind === "key"),
  v.transform((read) => (read.kind === "key" ? read.key : 0n)),
);

/** lvm's reports have no booleans: they write 0 and 1. */
const flag = v.pipe(
  v.picklist([0, 1]),
  v.transform((digit) => digit === 1),
);

const reportSchema = v.object({
  report: v.tuple([
    v.object({
      device: v.pipe(
        v.array(
          v.object({
            device: v.string(),
            status: v.string(),
            detail: v.optional(v.string(), ""),
            result: v.optional(v.string(), ""),
            keys: v.nullable(v.array(key)),
            reservation: v.nullable(v.string()),
            ptpl: v.optional(v.nullable(flag), null),
          }),
        ),
        v.minLength(1),
        v.maxLength(LIMITS.persist_devices),
      ),
    }),
  ]),
});

/** Reads lvmpersist's JSON (json_std); null for anything else, and for a report of no device at all. */
export function readDeviceRows(json: string): PvState[] | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    return null;
  }
  const read = v.safeParse(reportSchema, parsed);
  if (!read.success) return null;
  return read.output.report[0].device.map(({ device, status, detail, result, keys, reservation, ptpl }) => {
    const known = status === "ok" && keys !== null && reservation !== null;
    const problem = known ? "" : detail === "" ? status : detail;
    return { device, problem, keys: keys ?? [], reservation: reservation ?? "", ptpl: ptpl === true, result };
  });
}

/** Under these every registered host may write and the others may not, and they stay when one of the hosts goes. */
const SHARED_TYPES: ReadonlySet<string> = new Set(["WEAR", "EAAR"]);

/** "" when every PV can be read and lets only registered hosts write; otherwise what is wrong, PV by PV. */
export function reservedProblem(pvs: readonly PvState[]): string {
  return sentence(pvs, ({ problem, reservation }) => {
    if (problem !== "") return problem;
    if (reservation === "none") return "it is not reserved, so that every host can write";
    return SHARED_TYPES.has(reservation) ? "" : `it is reserved ${reservation}, not for all registered hosts`;
  });
}

/** "" when this host, in whatever generation, is registered on every PV. */
export function startProblem(pvs: readonly PvState[], host_id: number): string {
  const problem = reservedProblem(pvs);
  if (problem !== "") return problem;
  return sentence(pvs, ({ keys }) => {
    if (keysOf(keys, host_id).length > 0) return "";
    // A pr_key tells neither host nor generation, so nobody could cut this host off by it.
    const custom = keys.filter((found) => hostOfKey(found) === null);
    const hint =
      custom.length === 0
        ? ""
        : ` (a key that is not made from a host_id, such as ${printKey(custom[0] ?? 0n)}, does not count: leave pr_key unset)`;
    return `no key of this host is registered${hint}`;
  });
}

/** "" when every PV has the key of this very life of the host, and none of another one. */
export function ownKeyProblem(pvs: readonly PvState[], own: HostLife): string {
  const problem = reservedProblem(pvs);
  if (problem !== "") return problem;
  const wanted = keyOfHost(own);
  return sentence(pvs, ({ keys }) => {
    const present = keysOf(keys, own.host_id);
    if (!present.includes(wanted)) return `our key ${printKey(wanted)} is not registered`;
    const stale = present.filter((found) => found !== wanted);
    return stale.length === 0
      ? ""
      : `another key of ours is registered as well: ${stale.map(printKey).join(", ")}`;
  });
}

/**
 * Keys of earlier generations of our own host_id. sanlock gave us the host_id, so whoever had it before is over: what is left was
 * registered through a path that is lost, or a session that ended. A later generation is not ours to judge. A key has 24 bits of a
 * generation, which begin anew after 0xffffff, so the nearer half of them counts as before ours and the other half as after it; a
 * key with none is of a time before sanlock was joined.
 */
export function earlierKeys(pvs: readonly PvState[], own: HostLife): ReservationKey[] {
  const ours = pvs.flatMap(({ keys }) => keysOf(keys, own.host_id));
  const isEarlier = (found: ReservationKey): boolean => {
    const generation = hostOfKey(found)?.generation;
    if (generation === undefined || own.generation === 0 || found === keyOfHost(own)) return false;
    const lives_since = (own.generation - generation) & KEY_GENERATION_MASK;
    return generation === 0 || lives_since <= KEY_GENERATION_MASK >> 1;
  };
  return [...new Set(ours.filter(isEarlier))];
}

/**
 * "" when every key on the PVs tells the host that it belongs to. One that doesn't may be any host's, so that nobody can be said to
 * be cut off while it is there. `our_key` is the one that could remove it.
 */
export function strangerProblem(pvs: readonly PvState[], our_key: ReservationKey): string {
  return sentence(pvs, ({ device, keys }) => {
    const [stranger] = keysOfNoHost(keys);
    if (stranger === undefined) return "";
    return (
      `${device}: the key ${printKey(stranger)} is registered, which is made from no host_id, so that its host could not be cut off: ` +
      "take pr_key out of that host's lvmlocal.conf and start its reservations anew, or where no host needs the key: " +
      `lvmpersist remove --ourkey ${printKey(our_key)} --removekey ${printKey(stranger)} --device ${device}`
    );
  });
}

/** The key on the PVs by which this host is registered, in whatever generation; that of none when there is no such key. */
export function registeredKey(pvs: readonly PvState[], host_id: number): ReservationKey {
  return pvs.flatMap(({ keys }) => keysOf(keys, host_id))[0] ?? keyOfHost({ host_id });
}

/**
 * "" when a host is cut off: it has no key on any PV, nor is there one that could be its, we have ours, and the reservations that keep
 * it out are there. A key of another generation counts as well: that host has started anew, or never corrected its key, and can write
 * in either case.
 */
export function removalProblem(pvs: readonly PvState[], own: HostLife, removed: HostLife): string {
  const problem = reservedProblem(pvs);
  if (problem !== "") return problem;
  const our_key = keyOfHost(own);
  const left = leftProblem(pvs, our_key, removed);
  return left === "" ? strangerProblem(pvs, our_key) : left;
}

function leftProblem(pvs: readonly PvState[], our_key: ReservationKey, removed: HostLife): string {
  return sentence(pvs, ({ keys }) => {
    // Without our own key nothing is removed there, so this is said first: what else is left follows from it.
    if (!keys.includes(our_key)) return `our own key ${printKey(our_key)} is not registered`;
    const left = keysOf(keys, removed.host_id);
    return left.length === 0 ? "" : `${left.map(describeKey).join(" and ")} is still registered`;
  });
}

/**
 * "" when the removal that `told` reports has ended the host's commands on every one of these PVs: our PREEMPT AND ABORT was sent
 * there, and the PV answered it with success. Otherwise where that is not so, and why.
 */
export function abortProblem(pvs: readonly PvState[], told: readonly PvState[]): string {
  const by_device = new Map(told.map((pv) => [pv.device, pv]));
  return sentence(pvs, ({ device }) => {
    const done = by_device.get(device);
    if (done?.result === "done") return "";
    if (done?.result === "nothing") return "its key was gone before we came to remove it";
    return done === undefined || done.problem === "" ? "no abort of ours was answered" : done.problem;
  });
}

/** The bits of a generation that a key has. */
const KEY_GENERATION_MASK = 0xff_ffff;

function keysOf(keys: readonly ReservationKey[], host_id: number): ReservationKey[] {
  return keys.filter((found) => hostOfKey(found)?.host_id === host_id);
}

function describeKey(found: ReservationKey): string {
  const owner: KeyOwner | null = hostOfKey(found);
  return owner === null ? printKey(found) : `its key ${printKey(found)} of generation ${owner.generation}`;
}

/** How many PVs are named in a sentence; there may be hundreds, all with the same trouble. */
const NAMED = 4;

/** "/dev/sdb: why; /dev/sdc: why; and 3 more", or "" when no PV has a problem. */
function sentence(pvs: readonly PvState[], problemOf: (pv: PvState) => string): string {
  const problems = pvs.flatMap((pv) => {
    const problem = problemOf(pv);
    if (problem === "") return [];
    // lvmpersist's own sentences may name the device, or the PV that has none.
    return [problem.includes(pv.device) ? problem : `${pv.device}: ${problem}`];
  });
  const more = problems.length > NAMED ? `; and ${problems.length - NAMED} more PVs` : "";
  return problems.slice(0, NAMED).join("; ") + more;
}
