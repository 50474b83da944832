import {
  type Capabilities,
  CONTRACT_VERSION,
  defineLockManager,
  type LockManagerDefinition,
  type ManagerContext,
  refuse,
} from "../contract.ts";
import type { OpenDevice } from "./manager/devices.ts";
import { createKill } from "./manager/kill.ts";
import type { Tools } from "./manager/lockspace-state.ts";
import { createManager } from "./manager/manager.ts";
import { createPvSource, type PvSource } from "./manager/pv-source.ts";
import { readSettings, type ScsiPrSettings } from "./manager/settings.ts";
import { openReservable } from "./open-device.ts";

/** What the lock manager asks of its surroundings; tests put their own in its place. */
export interface Surroundings {
  readonly open: OpenDevice;
  readonly pvSource: (settings: ScsiPrSettings) => PvSource;
  readonly kill: (context: ManagerContext) => Tools["kill"];
  readonly after: Tools["after"];
}

/**
 * A lock manager for hosts that hand over whole VGs: the host that has a VG started has a Write Exclusive reservation on each
 * of its PVs, and grants its locks by itself. Every device command blocks, so it runs in a worker.
 */
export function createScsiPrDefinition(surroundings: Surroundings): LockManagerDefinition {
  return defineLockManager({
    name: "scsi-pr",
    contract_version: CONTRACT_VERSION,
    execution: "worker",
    lock_types: ["dlm"],
    capabilities: () => CAPABILITIES,
    open(context) {
      const read = readSettings(context.settings);
      if (read.kind === "wrong") return refuse("EMANAGER", read.problem);
      const { settings } = read;
      const { open, pvSource, kill, after } = surroundings;
      const { news } = context;
      const tools: Tools = { settings, open, pvsOf: pvSource(settings), news, kill: kill(context), after };
      return { kind: "done", manager: createManager(tools) };
    },
  });
}

const CAPABILITIES: Capabilities = Object.freeze({
  global_lock: "own",
  // dlm's bound, under whose name we serve, so that a VG's lockspace is called the same here and there.
  lockspace_name_max: 64,
  on_disk_leases: false,
  value_block: true,
  shared_locks: false,
  owner_info: true,
  adoption: true,
  fencing: false,
  remote_refresh: false,
  queueing: false,
  one_host: true,
  take_over: true,
});

export default createScsiPrDefinition({
  open: openReservable,
  pvSource: createPvSource,
  kill: createKill,
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return { cancel: () => clearTimeout(timer) };
  },
});
