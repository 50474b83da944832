import { join } from "node:path";
import type { ManagerAnswer } from "../../core/locking/api.ts";
import type { LockManager } from "../../plugins/contract.ts";
import type { HostNews } from "../../plugins/host/host.ts";
import { SANLOCK_METHODS } from "../rig/member.ts";
import { type AskRemote, remoteManager } from "../rig/remote-manager.ts";
import type { CounterDone, CounterTask } from "./counter.ts";
import {
  type CounterAsk,
  type FromHost,
  type HostAsk,
  IO_TIMEOUT_VARIABLE,
  LVMLOCKCTL_VARIABLE,
  PLUGIN_VARIABLE,
  SETTINGS_VARIABLE,
} from "./host-messages.ts";
import type { SanlockDaemon } from "./sanlock-daemon.ts";

/** One host process, seen from the test. */
export interface TestHost {
  readonly pid: number;
  readonly news: readonly HostNews[];
  readonly logged: readonly string[];
  readonly ask: AskRemote;
  /** Counts in the host process. `rounds` of the returned object is up to date while it runs, and stays when it is killed. */
  count(task: CounterTask): Counting;
  /** Ends it without a goodbye; calls that wait for an answer get a refusal. */
  kill(): Promise<void>;
}

export interface Counting {
  rounds: number;
  /** Never settles when the host is killed. */
  readonly done: Promise<CounterDone>;
}

export interface HostOptions {
  readonly settings: object;
  /** "" for none. */
  readonly lvmlockctl_path: string;
  readonly io_timeout_s: number;
  readonly plugin: string;
}

let last_id = 0;

/** Starts a host process that talks to this sanlock daemon. */
export async function startHost(sanlock: SanlockDaemon, options: HostOptions): Promise<TestHost> {
  const waiting = new Map<number, (answer: ManagerAnswer) => void>();
  const news: HostNews[] = [];
  const logged: string[] = [];
  const counts = new Map<number, { told(rounds: number): void; done(done: CounterDone): void }>();
  const { promise: ready, resolve } = Promise.withResolvers<void>();
  const child = Bun.spawn([process.execPath, "run", join(import.meta.dir, "host-main.ts")], {
    env: {
      ...process.env,
      ...sanlock.env,
      [SETTINGS_VARIABLE]: JSON.stringify(options.settings),
      [LVMLOCKCTL_VARIABLE]: options.lvmlockctl_path,
      [IO_TIMEOUT_VARIABLE]: String(options.io_timeout_s),
      [PLUGIN_VARIABLE]: options.plugin,
    },
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
    serialization: "json",
    ipc(message: FromHost) {
      if (message.kind === "ready") resolve();
      else if (message.kind === "news") news.push(message.news);
      else if (message.kind === "log") logged.push(message.text);
      else if (message.kind === "counting") counts.get(message.id)?.told(message.rounds);
      else if (message.kind === "counted") counts.get(message.id)?.done(message.done);
      else {
        waiting.get(message.id)?.(message.answer);
        waiting.delete(message.id);
      }
    },
  });
  await ready;
  const ask: AskRemote = (method, args, lockspace) => {
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
    ask,
    count(task) {
      const id = ++last_id;
      const { promise: done, resolve: settle } = Promise.withResolvers<CounterDone>();
      const counting: Counting = { rounds: 0, done };
      const told = (rounds: number): void => {
        counting.rounds = rounds;
      };
      counts.set(id, { told, done: settle });
      child.send({ id, method: "counter", args: task, lockspace: null } satisfies CounterAsk);
      return counting;
    },
    async kill() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

/** The host's manager as the contract has it. */
export const managerOn = (host: TestHost): LockManager => remoteManager(host.ask, SANLOCK_METHODS);
