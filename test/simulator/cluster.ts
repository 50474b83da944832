/**
 * The lock manager that all simulated hosts share. It grants what does not exclude each other, keeps LV locks of a dead daemon
 * as orphans, and insists on the contract: nobody locks what it holds, releases what it does not hold or what is still relied
 * on, or speaks for a lockspace that it has not joined.
 */
import type { Ask, HostLife, ManagerAnswer } from "../../core/locking/api.ts";
import {
  type HeldMode,
  type Refused,
  refuse,
  VALUE_BLOCK_LAYOUT,
  type ValueBlock,
} from "../../plugins/contract.ts";
import type { Beliefs } from "./beliefs.ts";
import type { Devices } from "./devices.ts";
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
  /** The latest life of each host in it. */
  readonly lives: Map<number, Life>;
  /** Where the global lock lives in a VG: whether this one has it. */
  global_lock: boolean;
}

/** From a join to leaving or to the end of the machine; daemons may die and come back in between. */
interface Life {
  readonly generation: number;
  over: boolean;
  /** The machine does not answer any more. What it holds is given away when it is dead for certain. */
  failed: boolean;
  /** It was declared dead, and the manager has not come to give its locks away. */
  dying: boolean;
}

/** How a call goes, as the weather has it. */
export type Luck = "good" | "refused" | "busy";

export interface ClusterHost {
  readonly index: number;
  readonly incarnation: number;
  readonly beliefs: Beliefs;
}

export interface Cluster {
  /** Carries a call out; what it changes is changed now, although the answer may reach the host later. */
  execute(host: ClusterHost, ask: Ask, luck: Luck): ManagerAnswer;
  /** The host's daemon has died. */
  died(host: ClusterHost): void;
  /** The host's machine has failed: it may still write, but speaks to nobody. */
  failed(host: ClusterHost): void;
  /** The machine was reset: it writes no more, and what it held is free. */
  reset(host: ClusterHost): void;
  /** Whether this life of a host has failed, or is over by now. */
  hasFailed(lockspace_name: string, life: HostLife): boolean;
  heldMode(host: ClusterHost, lockspace_name: string, name: string): HeldMode | null;
  versionOf(lockspace_name: string, name: string): number;
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
  readonly host_id: number;
  readonly generation: number;
}

type LockspaceAsk = Ask & { readonly target: { readonly kind: "lockspace" } };

const DONE: ManagerAnswer = Object.freeze({ kind: "done", lm_result: 0 });
const BROKEN: Refused = Object.freeze(refuse("ELOCKIO", "a simulated error"));

export interface ClusterOptions {
  readonly first_vg_name: string;
  readonly devices: Devices;
  /** By their index, for those that others cut off. */
  readonly beliefsOf: (host_index: number) => Beliefs;
}

export function createCluster({ first_vg_name, devices, beliefsOf }: ClusterOptions): Cluster {
  const lockspaces = new Map<string, Lockspace>();

  function lockspaceOf(name: string): Lockspace {
    let lockspace = lockspaces.get(name);
    if (lockspace === undefined) {
      const global_lock = name === `lvm_${first_vg_name}`;
      lockspace = { resources: new Map(), joined: new Map(), lives: new Map(), global_lock };
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
      case "setHostDead":
        if (luck === "refused") return BROKEN;
        return setHostDead(call, devices, beliefsOf);
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
    failed(host) {
      for (const { lives } of lockspaces.values()) {
        const life = lives.get(host.index);
        if (life !== undefined && !life.over) life.failed = true;
      }
    },
    reset(host) {
      for (const lockspace of lockspaces.values()) endLife(lockspace, host.index);
    },
    hasFailed(lockspace_name, { host_id, generation }) {
      const life = lockspaces.get(lockspace_name)?.lives.get(host_id - 1);
      // It may have been reset since it was seen to have failed.
      if (life === undefined || life.generation > generation) return true;
      return life.generation === generation && (life.failed || life.over);
    },
    heldMode(host, lockspace_name, name) {
      return lockspaces.get(lockspace_name)?.resources.get(name)?.holders.get(host.index)?.mode ?? null;
    },
    versionOf: (lockspace_name, name) => lockspaces.get(lockspace_name)?.resources.get(name)?.r_version ?? 0,
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
  return { kind: "done", generation: beginLife(lockspace, host.index, args.adopt), global_lock };
}

/** A daemon that takes over what an earlier one left goes on in its life. */
function beginLife({ lives }: Lockspace, host_index: number, adopt: string): number {
  const last = lives.get(host_index);
  if (last !== undefined && !last.over && adopt !== "no") return last.generation;
  const generation = (last?.generation ?? 0) + 1;
  lives.set(host_index, { generation, over: false, failed: false, dying: false });
  return generation;
}

function endLife({ resources, joined, lives }: Lockspace, host_index: number): void {
  joined.delete(host_index);
  for (const { holders } of resources.values()) holders.delete(host_index);
  const life = lives.get(host_index);
  if (life === undefined) return;
  life.over = true;
  life.failed = false;
  life.dying = false;
}

/** Another host was cut off, says the caller: that has to be so, because its locks are given away now. */
function setHostDead(
  { host, lockspace, lockspace_name, args, luck }: Call,
  devices: Devices,
  beliefsOf: (host_index: number) => Beliefs,
): ManagerAnswer {
  const { host_id, generation } = args;
  const index = host_id - 1;
  const vg_name = lockspace_name.slice("lvm_".length);
  insist(index !== host.index, "no host declares itself dead");
  const own_generation = lockspace.lives.get(host.index)?.generation ?? 0;
  const life = lockspace.lives.get(index);
  if (life === undefined || life.generation !== generation)
    return refuse("EINVAL", "it lives in another generation");
  if (!life.over && !life.dying) {
    insist(life.failed, `${host_id} has failed when it is declared dead in ${lockspace_name}`);
    insist(
      !devices.isRegistered(vg_name, host_id),
      `${host_id} writes to ${vg_name} no more when it is declared dead`,
    );
    if (luck === "busy") life.dying = true;
    else endLife(lockspace, index);
    beliefsOf(index).forgetAll(`${lockspace_name}/`);
  }
  devices.toldDead(host, vg_name, own_generation, { host_id, generation });
  return DONE;
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
  endLife(lockspace, host.index);
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
    const life = lockspace.lives.get(other);
    const state = life?.failed === true ? "FAIL" : "LIVE";
    const generation = life?.generation ?? 0;
    const owner = { host_id: other + 1, generation, timestamp_s: 1, state, name: `host ${other}` };
    const retry = state === "FAIL" ? "after-fence" : "never";
    if (life?.dying === true) endLife(lockspace, other);
    return refuse("EAGAIN", "another host holds it", { owner, retry });
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
