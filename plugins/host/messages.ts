import type { ManagerAnswer } from "../../core/locking/api.ts";
import type { LockspaceIdentity, LockType } from "../contract.ts";
import type { PluginMethod } from "./answers.ts";
import type { PlainContext } from "./channel.ts";
import type { PluginSource } from "./registry.ts";

/*
 * What the host and a plugin's worker tell each other. A worker handles its messages in order and one at a time; the host
 * sends a call only after the answer to the one before, so that it knows which calls a worker takes along when it dies.
 */

/** Host to worker. */
export type ToWorker =
  | {
      readonly kind: "open";
      readonly source: PluginSource;
      readonly lock_type: LockType;
      readonly context: PlainContext;
    }
  /**
   * The lockspace's handle is opened; `rejoin`: it was joined in a worker that died, so it is prepared and joined again, with
   * what the plugin told to keep.
   */
  | {
      readonly kind: "lockspace";
      readonly key: number;
      readonly identity: LockspaceIdentity;
      readonly rejoin: boolean;
      readonly kept: string;
    }
  | {
      readonly kind: "call";
      readonly call_id: number;
      /** The lockspace, or null for a call to the manager itself. */
      readonly key: number | null;
      readonly method: PluginMethod;
      readonly args: object;
    }
  | { readonly kind: "forget"; readonly key: number }
  | { readonly kind: "close" };

/** Worker to host. */
export type FromWorker =
  | { readonly kind: "answer"; readonly call_id: number; readonly answer: ManagerAnswer }
  /** What the plugin gave to `news`, unchecked, or a line of the worker itself. */
  | { readonly kind: "news"; readonly news: unknown }
  /** A lockspace could not be joined again after the worker before this one died. */
  | { readonly kind: "lost"; readonly key: number; readonly reason: string }
  | { readonly kind: "closed" };
