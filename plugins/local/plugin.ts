import { existsSync } from "node:fs";
import {
  type Capabilities,
  CONTRACT_VERSION,
  defineLockManager,
  type LockManager,
  type LockManagerDefinition,
  type LockType,
  type ManagerContext,
} from "../contract.ts";
import { machineIdentity } from "./identity.ts";
import { createLocalRules } from "./local-rules.ts";
import { createLocalLockspace } from "./lockspace.ts";
import type { LocalRules } from "./rules.ts";
import { createDlmTestRules, createSanlockTestRules } from "./test-mode-rules.ts";

/** What the local lock manager asks of its machine; tests put their own in its place. */
export interface LocalMachine {
  readonly pathExists: (path: string) => boolean;
  readonly machine_id_path: string;
}

/**
 * The embedded lock manager of a machine without a cluster, and the engine of --test. It serves under the name of any lock
 * type that LVM knows; what keeps a VG of it away from other machines is its identity in the VG's lock args.
 */
export function createLocalDefinition(machine: LocalMachine): LockManagerDefinition {
  return defineLockManager({
    name: "local",
    contract_version: CONTRACT_VERSION,
    execution: "inline",
    lock_types: ["dlm", "sanlock", "idm"],
    capabilities,
    open: (context) => ({ kind: "done", manager: createManager(chooseRules(context, machine)) }),
  });
}

function capabilities(lock_type: LockType): Capabilities {
  const sanlock = lock_type === "sanlock";
  return {
    global_lock: sanlock ? "in-vg" : "own",
    // The bounds of the managers whose names we serve under, so that a VG's lockspace is called the same here and there.
    lockspace_name_max: sanlock ? 48 : 64,
    on_disk_leases: sanlock,
    value_block: true,
    shared_locks: true,
    owner_info: false,
    adoption: true,
    fencing: false,
    // Everyone else has refreshed at once where there is nobody else.
    remote_refresh: true,
    queueing: false,
  };
}

function chooseRules({ lock_type, test_mode, news }: ManagerContext, machine: LocalMachine): LocalRules {
  if (test_mode)
    return lock_type === "sanlock"
      ? createSanlockTestRules(machine.pathExists)
      : createDlmTestRules(lock_type);
  const identity = machineIdentity(machine.machine_id_path);
  if (identity.source === "hostname") {
    const text = `${machine.machine_id_path} is missing: local VGs carry a hash of the host name, and can't be started after the host is renamed`;
    news({ kind: "log", level: "warning", text });
  }
  return createLocalRules(lock_type, identity.name);
}

function createManager(rules: LocalRules): LockManager {
  const joined_names = new Set<string>();
  return {
    isRunning: () => ({ kind: "done", running: true }),
    initVg: (call) => rules.initVg(call),
    initLv: (call) => rules.initLv(call),
    renameVg: (call) => rules.renameVg(call),
    refreshLv: () => ({ kind: "done" }),
    openLockspace: (identity) => createLocalLockspace(identity, rules, joined_names),
  };
}

export default createLocalDefinition({ pathExists: existsSync, machine_id_path: "/etc/machine-id" });
