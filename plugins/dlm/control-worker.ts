/** The thread that asks dlm_controld and corosync: their libraries wait for an answer without end, and this thread with them. */
import type { ControlAnswer, ControlCall } from "./control.ts";
import { openControlLibrary } from "./control-library.ts";

/** A question with its number. */
export interface ControlQuestion {
  readonly id: number;
  readonly call: ControlCall;
}

/** The answer to the question of this number. */
export interface ControlReply {
  readonly id: number;
  readonly answer: ControlAnswer;
}

/** What the thread says when it is there. */
export const READY = "ready";

declare const self: Worker;

const library = openControlLibrary();

self.onmessage = ({ data: { id, call } }: MessageEvent<ControlQuestion>): void => {
  // Whoever starts this thread has opened the library before.
  if (library.kind === "missing") throw new Error(library.detail);
  postMessage({ id, answer: library.perform(call) } satisfies ControlReply);
};

postMessage(READY);
