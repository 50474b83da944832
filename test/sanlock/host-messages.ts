import type { LockspaceMethod, ManagerAnswer, ManagerMethod } from "../../core/locking/api.ts";
import type { HostNews } from "../../plugins/host/host.ts";
import type { RemoteLockspace } from "../rig/remote-manager.ts";
import type { CounterDone, CounterTask } from "./counter.ts";

/** Counts under a lock in the host process itself; answered with `counted`. */
export interface CounterAsk {
  readonly id: number;
  readonly method: "counter";
  readonly args: CounterTask;
  readonly lockspace: null;
}

/** What a test asks of a host process. */
export interface HostAsk {
  readonly id: number;
  readonly method: LockspaceMethod | ManagerMethod;
  readonly args: object;
  /** Null for a call to the manager itself. */
  readonly lockspace: RemoteLockspace | null;
}

/** What a host process tells. */
export type FromHost =
  | { readonly kind: "ready" }
  | { readonly kind: "answer"; readonly id: number; readonly answer: ManagerAnswer }
  | { readonly kind: "counting"; readonly id: number; readonly rounds: number }
  | { readonly kind: "counted"; readonly id: number; readonly done: CounterDone }
  | { readonly kind: "news"; readonly news: HostNews }
  | { readonly kind: "log"; readonly text: string };

/** The environment variables that tell a host process its part; the settings are JSON. */
export const SETTINGS_VARIABLE = "TEST_SANLOCK_SETTINGS";
export const LVMLOCKCTL_VARIABLE = "TEST_SANLOCK_LVMLOCKCTL";
export const IO_TIMEOUT_VARIABLE = "TEST_SANLOCK_IO_TIMEOUT";
export const PLUGIN_VARIABLE = "TEST_SANLOCK_PLUGIN";
