/** Helpers of the host's tests: a host with one manager, asks, and their answers. */
import { join } from "node:path";
import type { Ask, LockspaceMethod, ManagerAnswer, ManagerMethod } from "../../../core/locking/api.ts";
import type { LockspaceIdentity, LockType } from "../../../plugins/contract.ts";
import { createPluginHost, type HostNews, type PluginHost } from "../../../plugins/host/host.ts";

const FIXTURES = join(import.meta.dir, "..", "fixtures");

export const fixture = (name: string): string => join(FIXTURES, `${name}.ts`);

export interface TestHost extends Pick<PluginHost, "managers" | "problems" | "forgetLockspace" | "close"> {
  readonly logged: string[];
  readonly news: HostNews[];
  /** How many asks were answered in the call itself. */
  readonly at_once: () => number;
  ask(ask: Ask): Promise<ManagerAnswer>;
  lock(key: number, resource_name: string, lockspace_name?: string): Promise<ManagerAnswer>;
  on(
    key: number,
    method: LockspaceMethod,
    args?: object,
    more?: Partial<LockspaceIdentity>,
  ): Promise<ManagerAnswer>;
  manager(method: ManagerMethod, args?: object, lock_type?: LockType): Promise<ManagerAnswer>;
}

let call_id = 0;

/** Counts calls through the whole test run, as the core does through the daemon's life. */
export const nextCallId = (): number => ++call_id;

export function identity(key: number, more: Partial<LockspaceIdentity> = {}): LockspaceIdentity {
  return {
    lockspace_name: `lvm_vg${key}`,
    vg_name: `vg${key}`,
    vg_uuid: "",
    vg_lock_args: "1.0.0:x",
    lock_type: "dlm",
    host_id: 1,
    ...more,
  };
}

export const lockArgs = (name: string, kind: "gl" | "vg" | "lv" = "lv"): object => ({
  resource: { kind, name, lv_lock_args: "" },
  mode: "ex",
  adopt: "no",
  repair: false,
  persistent: false,
  patience_ms: 0,
});

export async function testHost(lock_managers: Partial<Record<LockType, string>>): Promise<TestHost> {
  const logged: string[] = [];
  const news: HostNews[] = [];
  let at_once = 0;
  const host = await createPluginHost({
    lock_managers,
    config_directory: FIXTURES,
    test_mode: false,
    io_timeout_s: 0,
    lvmlockctl_path: "",
    settings: { dlm: { cluster: "c1" } },
    log: (level, text) => logged.push(`${level}: ${text}`),
    news: (_lock_type, item) => news.push(item),
  });
  const waiting = new Map<number, (answer: ManagerAnswer) => void>();
  const later = (id: number, answer: ManagerAnswer): void => {
    const resolve = waiting.get(id);
    if (resolve === undefined) throw new Error(`call ${id} was answered twice`);
    waiting.delete(id);
    resolve(answer);
  };
  const ask = (asked: Ask): Promise<ManagerAnswer> => {
    const answer = host.ask(asked, later);
    if (answer !== null) {
      at_once += 1;
      return Promise.resolve(answer);
    }
    const { promise, resolve } = Promise.withResolvers<ManagerAnswer>();
    waiting.set(asked.call_id, resolve);
    return promise;
  };
  const on: TestHost["on"] = (key, method, args = {}, more = {}) =>
    ask({
      kind: "ask",
      call_id: nextCallId(),
      target: { kind: "lockspace", lock_type: "dlm", key, identity: identity(key, more), method },
      args,
    });
  return {
    managers: host.managers,
    problems: host.problems,
    forgetLockspace: host.forgetLockspace,
    close: host.close,
    logged,
    news,
    at_once: () => at_once,
    ask,
    on,
    lock: (key, resource_name, lockspace_name) =>
      on(key, "lock", lockArgs(resource_name), lockspace_name === undefined ? {} : { lockspace_name }),
    manager: (method, args = {}, lock_type = "dlm") =>
      ask({ kind: "ask", call_id: nextCallId(), target: { kind: "manager", lock_type, method }, args }),
  };
}

/** lm_result of an answer that must be good: the scripted plugins put the number of their worker there. */
export function instanceOf(answer: ManagerAnswer): number {
  if (answer.kind !== "done") throw new Error(`refused: ${answer.detail}`);
  return Number(answer.lm_result);
}

export function detailOf(answer: ManagerAnswer): string {
  return answer.kind === "refused" ? `${answer.code} ${answer.detail}` : "done";
}

export const JOIN = { adopt: "no", nodelay: false, repair: false } as const;
