import type { LockspaceIdentity, ManagerContext } from "../../contract.ts";
import type { ReservationKey } from "../reservable.ts";
import type { HeldPv, OpenDevice } from "./devices.ts";
import type { Pv, PvSource } from "./pv-source.ts";
import type { ScsiPrSettings } from "./settings.ts";

/** What all lockspaces of a worker share; tests bring their own devices and PVs. */
export interface Tools {
  readonly settings: ScsiPrSettings;
  readonly open: OpenDevice;
  readonly pvsOf: PvSource;
  readonly news: ManagerContext["news"];
  /** Runs what takes the LVs of a lost VG offline. */
  readonly kill: (vg_name: string) => void;
  /** Calls `run` after `ms`, until it is cancelled. */
  readonly after: (ms: number, run: () => void) => { cancel(): void };
}

/** One VG on this host. */
export interface LockspaceState {
  readonly identity: LockspaceIdentity;
  readonly tools: Tools;
  key: ReservationKey;
  /** The key that the VG was taken over from; null when it was started otherwise, or by an earlier daemon. */
  taken_from: ReservationKey | null;
  /** What prepare found, for the join that follows. */
  pvs: readonly Pv[];
  held: HeldPv[];
  joined: boolean;
  /** Every PV was this host's when the lockspace was joined, so that what an earlier daemon held is protected still. */
  was_ours: boolean;
  /** Why the VG is lost; null while it is ours. */
  lost: string | null;
  /** When all PVs were last known to be ours, in the clock of performance.now(). */
  checked_at_ms: number;
  /** The VG's metadata have changed since the PVs were last compared with what is reserved. */
  pvs_changed: boolean;
  /** They are being compared right now. */
  refreshing: boolean;
  /** Comparing them failed and was reported. */
  told_unread: boolean;
  /** lvm is being asked under which name a disk came back, and when that was done last, in the clock of performance.now(). */
  seeking: boolean;
  sought_at_ms: number;
  /** The next look at the reservations. */
  timer: { cancel(): void } | null;
}

export function createLockspaceState(identity: LockspaceIdentity, tools: Tools): LockspaceState {
  return {
    identity,
    tools,
    key: 0n,
    taken_from: null,
    pvs: [],
    held: [],
    joined: false,
    was_ours: false,
    lost: null,
    checked_at_ms: 0,
    pvs_changed: false,
    refreshing: false,
    told_unread: false,
    seeking: false,
    sought_at_ms: Number.NEGATIVE_INFINITY,
    timer: null,
  };
}

export function logLine(
  { identity, tools }: LockspaceState,
  level: "error" | "warning" | "info",
  text: string,
): void {
  tools.news({ kind: "log", level, text: `VG ${identity.vg_name}: ${text}` });
}
