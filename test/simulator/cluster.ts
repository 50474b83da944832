/**
 * The lock manager that all simulated hosts share. It grants what does not exclude each other, keeps LV locks of a dead daemon
 * as orphans, and insists on the contract: nobody locks what it holds, releases what it does not hold or what is still relied
 * on, or speaks for a lockspace that it has not joined.
 */
import type { Ask, ManagerAnswer } from "../../core/locking/api.ts";
import {
  type HeldMode,
  type Refused,
  refuse,
  VALUE_BLOCK_LAYOUT,
  type ValueBlock,
} from "../../plugins/contract.ts";
import type { Beliefs } from "./beliefs.ts";
import { insist } from "./insist.ts";

interface Holder {
  mode: HeldMode;
  orphan: boolean;
  /** Its release was asked for and refused: a host that leaves all the same has done what it could. */
  refused: boolean;
}

interface ClusterResource {
  readonly holders: Map<number, Holder>;
  r_version: number;
}

interface Lockspace {
  readonly resources: Map<string, ClusterResource>;
  /** The handle key of each host that has joined, by host. */
  readonly joined: Map<number, number>;
  /** Where the global lock lives in a VG: whether this one has it. */
  global_lock: boolean;
}

/** How a call goes, as the weather has it. */
export type Luck = "good" | "refused" | "busy";

export interface ClusterHost {
  readonly index: number;
  readonly beliefs: Beliefs;
}

export interface Cluster {
  /** Carries a call out; what it changes is changed now, although the answer may reach the host later. */
  execute(host: ClusterHost, ask: Ask, luck: Luck): ManagerAnswer;
  /** The host's daemon has died. */
  died(host: ClusterHost): void;
  heldMode(host: ClusterHost, lockspace_name: string, name: string): HeldMode | null;
  /** "lockspace/resource" of everything the host holds, orphans too. */
  heldBy(host: ClusterHost): string[];
  isJoined(host: ClusterHost, lockspace_name: string): boolean;
}

interface CallArgs {
  readonly resource: { readonly kind: string; readonly name: string };
  readonly mode: HeldMode;
  readonly from: HeldMode;
  readonly adopt: string;
  readonly r_version: number;
  readonly enabled: boolean;
  readonly free_vg: boolean;
}

type LockspaceAsk = Ask & { readonly target: { readonly kind: "lockspace" } };

const DONE: ManagerAnswer = Object.freeze({ kind: "done", lm_result: 0 });
const BROKEN: Refused = Object.freeze(refuse("ELOCKIO", "a simulated error"));

export function createCluster(first_vg_name: string): Cluster {
  const lockspaces = new Map<string, Lockspace>();

  function lockspaceOf(name: string): Lockspace {
    let lockspace = lockspaces.get(name);
    if (lockspace === undefined) {
      lockspace = { resources: new Map(), joined: new Map(), global_lock: name === `lvm_${first_vg_name}` };
      lockspaces.set(name, lockspace);
    }
    return lockspace;
  }

  function execute(host: ClusterHost, ask: Ask, luck: Luck): ManagerAnswer {
    const { target } = ask;
    if (target.kind === "manager") return executeManager(ask, luck);
    const { lockspace_name } = target.identity;
    const lockspace = lockspaceOf(lockspace_name);
    const call = { host, lockspace, lockspace_name, args: ask.args as CallArgs, luck };
    if (target.method === "prepare" || target.method === "join") return start(call, ask as LockspaceAsk);
    insist(
      lockspace.joined.get(host.index) === target.key,
      `${target.method} comes from a host that has joined ${lockspace_name}`,
    );
    switch (target.method) {
      case "leave":
        return leave(call);
      case "lock":
        return lock(call);
      case "convert":
        return convert(call);
      case "unlock":
        return unlock(call);
      case "hosts":
        return luck === "refused"
          ? BROKEN
          : { kind: "done", others: lockspace.joined.size - 1, unknown: luck === "busy" };
      case "hasGlobalLock":
        return { kind: "done", enabled: lockspace.global_lock };
      case "setGlobalLock":
        if (luck === "refused") return BROKEN;
        lockspace.global_lock = call.args.enabled;
        return DONE;
      default:
        return luck === "refused" ? BROKEN : DONE;
    }
  }

  return {
    execute,
    died(host) {
      for (const lockspace of lockspaces.values()) died(lockspace, host.index);
    },
    heldMode(host, lockspace_name, name) {
      return lockspaces.get(lockspace_name)?.resources.get(name)?.holders.get(host.index)?.mode ?? null;
    },
    heldBy(host) {
      const held: string[] = [];
      for (const [lockspace_name, { resources }] of lockspaces) {
        for (const [name, { holders }] of resources)
          if (holders.has(host.index)) held.push(`${lockspace_name}/${name}`);
      }
      return held;
    },
    isJoined: (host, lockspace_name) => lockspaces.get(lockspace_name)?.joined.has(host.index) ?? false,
  };
}

interface Call {
  readonly host: ClusterHost;
  readonly lockspace: Lockspace;
  readonly lockspace_name: string;
  readonly args: CallArgs;
  readonly luck: Luck;
}

function executeManager(ask: Ask, luck: Luck): ManagerAnswer {
  if (ask.target.method === "isRunning") return { kind: "done", running: luck === "good" };
  return luck === "refused" ? BROKEN : DONE;
}

function start(
  { host, lockspace, lockspace_name, args, luck }: Call,
  { target }: LockspaceAsk,
): ManagerAnswer {
  if (luck === "refused") return refuse("EMANAGER", "the manager is not there right now");
  const global_lock = lockspace.global_lock ? "enabled" : "disabled";
  if (target.method === "prepare") return { kind: "done", lm_result: 0, prev_generation: 0, global_lock };
  insist(!lockspace.joined.has(host.index), `${lockspace_name} is joined once`);
  if (args.adopt === "no") {
    for (const [name, { holders }] of lockspace.resources) {
      insist(
        !holders.has(host.index),
        `the journal knows what an earlier daemon left: ${lockspace_name}/${name}`,
      );
    }
  }
  lockspace.joined.set(host.index, target.key);
  return { kind: "done", generation: target.key, global_lock };
}

function leave({ host, lockspace, lockspace_name, args, luck }: Call): ManagerAnswer {
  // A VG that is being removed is left in any case: its leases are gone.
  if (luck === "busy" && !args.free_vg) return refuse("EBUSY", "not now");
  for (const [name, { holders }] of lockspace.resources) {
    const held = holders.get(host.index);
    if (held === undefined) continue;
    const key = `${lockspace_name}/${name}`;
    insist(held.orphan || held.refused, `${key} was released before leaving`);
    insist(host.beliefs.needed(key) === null, `${key} is left while it is relied on`);
    holders.delete(host.index);
  }
  lockspace.joined.delete(host.index);
  return luck === "refused" ? BROKEN : DONE;
}

function resourceOf(lockspace: Lockspace, name: string): ClusterResource {
  let resource = lockspace.resources.get(name);
  if (resource === undefined) {
    resource = { holders: new Map(), r_version: 0 };
    lockspace.resources.set(name, resource);
  }
  return resource;
}

/** Somebody whose lock excludes the mode; -1 when nobody does. */
function conflicting({ holders }: ClusterResource, host_index: number, mode: HeldMode): number {
  for (const [other, held] of holders) {
    if (other !== host_index && (mode === "ex" || held.mode === "ex")) return other;
  }
  return -1;
}

function lock({ host, lockspace, lockspace_name, args, luck }: Call): ManagerAnswer {
  const { kind, name } = args.resource;
  const resource = resourceOf(lockspace, name);
  const own = resource.holders.get(host.index);
  insist(own === undefined || own.orphan, `${lockspace_name}/${name} is locked once`);
  if (luck === "refused") return BROKEN;
  if (luck === "busy") return refuse("EAGAIN", "a passing conflict", { retry: "soon" });
  if (kind === "gl" && lockspace_name !== "lvm_global" && !lockspace.global_lock) return refuse("EUNATCH");
  if (own !== undefined) {
    if (args.adopt === "no") return refuse("EORPHAN");
    if (own.mode !== args.mode) return refuse("EADOPT_RETRY");
    own.orphan = false;
    return { kind: "done", lm_result: 0, value_block: null, adopted: true };
  }
  if (args.adopt === "only-orphan") return refuse("EADOPT_NONE");
  const other = conflicting(resource, host.index, args.mode);
  if (other >= 0) {
    const owner = { host_id: other + 1, generation: 1, timestamp_s: 1, state: "LIVE", name: `host ${other}` };
    return refuse("EAGAIN", "another host holds it", { owner });
  }
  resource.holders.set(host.index, { mode: args.mode, orphan: false, refused: false });
  const value_block: ValueBlock = { layout: VALUE_BLOCK_LAYOUT, flags: 0, r_version: resource.r_version };
  return { kind: "done", lm_result: 0, value_block: kind === "lv" ? null : value_block, adopted: false };
}

function convert({ host, lockspace, lockspace_name, args, luck }: Call): ManagerAnswer {
  const { name } = args.resource;
  const key = `${lockspace_name}/${name}`;
  const resource = resourceOf(lockspace, name);
  const own = resource.holders.get(host.index);
  insist(
    own !== undefined && !own.orphan && own.mode === args.from,
    `${key} is converted from the mode it has`,
  );
  if (luck === "refused") return BROKEN;
  if (args.mode === "ex" && (luck === "busy" || conflicting(resource, host.index, "ex") >= 0))
    return refuse("EAGAIN");
  if (args.mode === "sh")
    insist(host.beliefs.needed(key) !== "ex", `${key} goes to sh while ex is relied on`);
  if (args.r_version > 0) resource.r_version = args.r_version;
  own.mode = args.mode;
  return DONE;
}

function unlock({ host, lockspace, lockspace_name, args, luck }: Call): ManagerAnswer {
  const { kind, name } = args.resource;
  const key = `${lockspace_name}/${name}`;
  const resource = resourceOf(lockspace, name);
  const own = resource.holders.get(host.index);
  insist(
    own !== undefined && !own.orphan && own.mode === args.from,
    `${key} is released from the mode it has`,
  );
  own.refused = luck === "refused";
  if (own.refused) return BROKEN;
  insist(host.beliefs.needed(key) === null, `${key} is released while it is relied on`);
  if (args.r_version > 0) {
    insist(kind !== "lv" && own.mode === "ex", "a version is written by an exclusive GL or VG lock");
    resource.r_version = args.r_version;
  }
  resource.holders.delete(host.index);
  return DONE;
}

/** LV locks outlive their daemon as orphans, the others end with it. */
function died(lockspace: Lockspace, host_index: number): void {
  lockspace.joined.delete(host_index);
  for (const [name, { holders }] of lockspace.resources) {
    const held = holders.get(host_index);
    if (held === undefined) continue;
    if (name === "GLLK" || name === "VGLK") holders.delete(host_index);
    else held.orphan = true;
  }
}
