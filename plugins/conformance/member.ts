import type { LockspaceMethod, ManagerAnswer, ManagerMethod } from "../../core/locking/api.ts";
import type {
  Adopt,
  Answer,
  HeldMode,
  LockManager,
  LockResults,
  LockspaceHandle,
  LockspaceIdentity,
  Refused,
  ResourceRef,
} from "../contract.ts";
import { createCaller } from "../host/calling.ts";
import { checkDefinition } from "../host/definition.ts";
import { type ConformanceHarness, type ConformanceWorld, identityOf } from "./harness.ts";

/** Fails a test; the suite uses no assertions of a test runner, so that these helpers can be used outside of one. */
export class ConformanceError extends Error {
  override name = "ConformanceError";
}

/** Throws ConformanceError unless `condition` holds. */
export function must(condition: boolean, sentence: string): asserts condition {
  if (!condition) throw new ConformanceError(sentence);
}

/** A manager under test: every answer is checked to be one that the contract allows and that can cross to a worker. */
export interface CheckedManager {
  readonly manager: LockManager;
  ask(method: ManagerMethod, args?: object): Promise<ManagerAnswer>;
}

/** One host in one lockspace, with the calls in their usual form. */
export interface Member {
  readonly identity: LockspaceIdentity;
  readonly host: number;
  ask(method: LockspaceMethod, args?: object): Promise<ManagerAnswer>;
  prepare(): Promise<ManagerAnswer>;
  join(adopt?: Adopt): Promise<ManagerAnswer>;
  leave(): Promise<ManagerAnswer>;
  lock(
    resource: ResourceRef,
    mode: HeldMode,
    adopt?: Adopt,
    patience_ms?: number,
  ): Promise<Answer<LockResults>>;
  convert(resource: ResourceRef, from: HeldMode, mode: HeldMode, r_version?: number): Promise<ManagerAnswer>;
  unlock(resource: ResourceRef, from: HeldMode, r_version?: number): Promise<ManagerAnswer>;
}

/** The VG lock and the global lock. */
export const VG: ResourceRef = { kind: "vg", name: "VGLK", lv_lock_args: "" };
export const GL: ResourceRef = { kind: "gl", name: "GLLK", lv_lock_args: "" };

/** Throws when an answer is not allowed by the contract, or could not be sent to another thread as it is. */
async function checkAnswer(
  harness: ConformanceHarness,
  receiver: object,
  method: LockspaceMethod | ManagerMethod,
  args: object,
): Promise<ManagerAnswer> {
  const problems: string[] = [];
  const { name } = harness.definition;
  const { capabilities } = checkedDefinition(harness);
  const caller = createCaller(name, capabilities, (_level, text) => problems.push(text));
  // A plugin in a worker gets a copy of the arguments, so it may not rely on objects that it saw before.
  const answer = await caller.call(receiver, method, structuredClone(args));
  must(problems.length === 0, problems.join("; "));
  must(
    JSON.stringify(structuredClone(answer)) === JSON.stringify(answer),
    `${method}'s answer is not plain data`,
  );
  return answer;
}

/** The definition, checked as the host does. */
export function checkedDefinition(harness: ConformanceHarness) {
  const checked = checkDefinition(harness.definition, harness.lock_type);
  must(checked.kind === "checked", `the definition ${checked.kind === "wrong" ? checked.problem : ""}`);
  return checked;
}

export function checkedManager(harness: ConformanceHarness, manager: LockManager): CheckedManager {
  return { manager, ask: (method, args = {}) => checkAnswer(harness, manager, method, args) };
}

export function openMember(
  harness: ConformanceHarness,
  manager: LockManager,
  identity: LockspaceIdentity,
  host: number,
): Member {
  const handle: LockspaceHandle = manager.openLockspace(structuredClone(identity));
  const ask = (method: LockspaceMethod, args: object = {}): Promise<ManagerAnswer> =>
    checkAnswer(harness, handle, method, args);
  return {
    identity,
    host,
    ask,
    prepare: () => ask("prepare", { repair: false }),
    join: (adopt = "no") => ask("join", { adopt, nodelay: false, repair: false }),
    leave: () => ask("leave", { free_vg: false }),
    lock: async (resource, mode, adopt = "no", patience_ms = 0) =>
      (await ask("lock", {
        resource,
        mode,
        adopt,
        repair: false,
        persistent: resource.kind === "lv",
        patience_ms,
      })) as Answer<LockResults>,
    convert: (resource, from, mode, r_version = 0) => ask("convert", { resource, from, mode, r_version }),
    unlock: (resource, from, r_version = 0) => ask("unlock", { resource, from, r_version, free_vg: false }),
  };
}

/** A world with one VG that every host has joined, or the first one where only one can. */
export interface Cluster {
  readonly world: ConformanceWorld;
  readonly members: readonly Member[];
  /** The first host. */
  readonly here: Member;
  /** An LV's lock, with the lease that the manager has given it. */
  lv(name: string): Promise<ResourceRef>;
}

/** Makes a VG on the first host and gives its lock args. */
export async function initVg(
  harness: ConformanceHarness,
  manager: LockManager,
  vg_name: string,
  lockspace_name = `lvm_${vg_name}`,
): Promise<string> {
  const answer = await checkedManager(harness, manager).ask("initVg", {
    vg_name,
    lockspace_name,
    vg_lock_args: harness.init_vg_lock_args ?? "",
    set_lock_args: "",
    align_mb: 0,
    enable_global_lock: true,
  });
  return String(good(answer).vg_lock_args);
}

/** Prepares and joins a lockspace. */
export async function start(member: Member, adopt: Adopt = "no"): Promise<void> {
  good(await member.prepare());
  good(await member.join(adopt));
}

/** Opens a world, makes a VG and joins it on this many of its hosts, or on the first one where only one can. */
export async function openCluster(
  harness: ConformanceHarness,
  world: ConformanceWorld,
  host_count: number,
): Promise<Cluster> {
  const [first] = world.hosts;
  must(first !== undefined, "the harness opened no host");
  const vg_lock_args = await initVg(harness, first, "conform");
  const { one_host } = checkedDefinition(harness).capabilities;
  const joining = world.hosts.slice(0, one_host === true ? 1 : host_count);
  const members = joining.map((manager, host) =>
    openMember(harness, manager, identityOf("conform", vg_lock_args, harness.lock_type, host), host),
  );
  for (const member of members) await start(member);
  const [here] = members;
  must(here !== undefined, "the first host is a member");
  return { world, members, here, lv: (name) => initLv(harness, first, here, name) };
}

async function initLv(
  harness: ConformanceHarness,
  manager: LockManager,
  member: Member,
  name: string,
): Promise<ResourceRef> {
  const lv_uuid = `LV${name}-0000-0000-0000-0000-0000-000000`;
  const { on_disk_leases } = checkedDefinition(harness).capabilities;
  if (!on_disk_leases) return { kind: "lv", name: lv_uuid, lv_lock_args: "" };
  good(await member.ask("findFreeLock", { lv_size_bytes: 0 }));
  const { vg_name, lockspace_name, vg_lock_args } = member.identity;
  const answer = await checkedManager(harness, manager).ask("initLv", {
    vg_name,
    lockspace_name,
    lv_uuid,
    lv_name: name,
    vg_lock_args,
    prev_lv_args: "",
    started: true,
  });
  return { kind: "lv", name: lv_uuid, lv_lock_args: String(good(answer).lv_lock_args) };
}

/** The results of an answer that has to be good. */
export function good<Good extends { readonly kind: "done" }>(answer: Good | Refused): Good {
  must(
    answer.kind === "done",
    `refused: ${answer.kind === "refused" ? `${answer.code} ${answer.detail}` : ""}`,
  );
  return answer;
}

/** The refusal of a call that must not succeed. */
export function refused(answer: { readonly kind: "done" } | Refused, what: string): Refused {
  must(answer.kind === "refused", `${what} was not refused`);
  return answer;
}

/** Locks, with some tries where the harness allows for races inside the manager. */
export async function lockGood(
  harness: ConformanceHarness,
  member: Member,
  resource: ResourceRef,
  mode: HeldMode,
): Promise<LockResults> {
  const { count, pause_ms } = harness.tries ?? { count: 1, pause_ms: 0 };
  for (let left = count; ; left--) {
    const answer = await member.lock(resource, mode);
    if (answer.kind === "done" || answer.retry === "never" || left <= 1) return good(answer);
    await new Promise((resolve) => setTimeout(resolve, pause_ms));
  }
}
