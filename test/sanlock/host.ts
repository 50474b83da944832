import { join } from "node:path";
import type { LockspaceMethod, ManagerAnswer, ManagerMethod } from "../../core/locking/api.ts";
import type { LockManager, LockspaceHandle, LockspaceIdentity } from "../../plugins/contract.ts";
import type { HostNews } from "../../plugins/host/host.ts";
import { type FromHost, type HostAsk, LVMLOCKCTL_VARIABLE, SETTINGS_VARIABLE } from "./host-messages.ts";
import type { SanlockDaemon } from "./sanlock-daemon.ts";

/** One host process, seen from the test. */
export interface TestHost {
  readonly pid: number;
  readonly news: readonly HostNews[];
  readonly logged: readonly string[];
  manager(method: ManagerMethod, args?: object): Promise<ManagerAnswer>;
  on(
    key: number,
    identity: LockspaceIdentity,
    method: LockspaceMethod,
    args?: object,
  ): Promise<ManagerAnswer>;
  /** Ends it without a goodbye; calls that wait for an answer get a refusal. */
  kill(): Promise<void>;
}

export interface HostOptions {
  readonly settings: object;
  /** "" for none. */
  readonly lvmlockctl_path: string;
}

let last_id = 0;

/** Starts a host process that talks to this sanlock daemon. */
export async function startHost(sanlock: SanlockDaemon, options: HostOptions): Promise<TestHost> {
  const waiting = new Map<number, (answer: ManagerAnswer) => void>();
  const news: HostNews[] = [];
  const logged: string[] = [];
  const { promise: ready, resolve } = Promise.withResolvers<void>();
  const child = Bun.spawn([process.execPath, "run", join(import.meta.dir, "host-main.ts")], {
    env: {
      ...process.env,
      ...sanlock.env,
      [SETTINGS_VARIABLE]: JSON.stringify(options.settings),
      [LVMLOCKCTL_VARIABLE]: options.lvmlockctl_path,
    },
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
    serialization: "json",
    ipc(message: FromHost) {
      if (message.kind === "ready") resolve();
      else if (message.kind === "news") news.push(message.news);
      else if (message.kind === "log") logged.push(message.text);
      else {
        waiting.get(message.id)?.(message.answer);
        waiting.delete(message.id);
      }
    },
  });
  await ready;
  const ask = (method: HostAsk["method"], args: object, lockspace: HostAsk["lockspace"]) => {
    const id = ++last_id;
    const { promise, resolve: answered } = Promise.withResolvers<ManagerAnswer>();
    waiting.set(id, answered);
    child.send({ id, method, args, lockspace } satisfies HostAsk);
    return promise;
  };
  return {
    pid: child.pid,
    news,
    logged,
    manager: (method, args = {}) => ask(method, args, null),
    on: (key, identity, method, args = {}) => ask(method, args, { key, identity }),
    async kill() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

const LOCKSPACE_METHODS = [
  "prepare",
  "join",
  "leave",
  "lock",
  "convert",
  "unlock",
  "hosts",
  "status",
  "findFreeLock",
  "freeLv",
  "setGlobalLock",
  "hasGlobalLock",
  "allowLockArgs",
  "setHostDead",
] as const satisfies readonly LockspaceMethod[];
const MANAGER_METHODS = ["isRunning", "initVg", "initLv", "renameVg", "setLockArgs"] as const;

let last_key = 0;

/** The host as the contract has it. Each opened lockspace gets a key of its own, as in the core. */
export function remoteManager(host: TestHost): LockManager {
  const methods = MANAGER_METHODS.map((method) => [method, (args: object) => host.manager(method, args)]);
  return {
    ...(Object.fromEntries(methods) as Omit<LockManager, "openLockspace">),
    openLockspace(identity) {
      const key = ++last_key;
      const on = LOCKSPACE_METHODS.map((method) => [
        method,
        (args: object) => host.on(key, identity, method, args),
      ]);
      return Object.fromEntries(on) as LockspaceHandle;
    },
  };
}
