import type { Ask, ManagerAnswer } from "../../core/locking/api.ts";
import type { LockType, ManagerContext } from "../contract.ts";
import type { Log } from "./calling.ts";

/** Takes an answer that could not be given at once. Called exactly once for such an ask, never from inside `ask`. */
export type Later = (call_id: number, answer: ManagerAnswer) => void;

/** The way to one lock manager: on the event loop, in workers, or a refusal for all who ask. */
export interface Channel {
  /** The answer when it is known at once, null when `later` will get it. */
  ask(ask: Ask, later: Later): ManagerAnswer | null;
  /** The lockspace's handle is not needed any more. */
  forgetLockspace(key: number): void;
  /** Lets calls that run end, within a bound, and closes the manager. */
  close(): Promise<void>;
}

/** The parts of a manager's context that can be sent to a worker. */
export type PlainContext = Omit<ManagerContext, "news">;

/** What every channel is made from. */
export interface ChannelOptions {
  readonly name: string;
  readonly lock_type: LockType;
  readonly context: PlainContext;
  readonly log: Log;
  /** Takes what the plugin sent as news, unchecked. */
  readonly news: (news: unknown) => void;
}
