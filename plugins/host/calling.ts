import type { LogLevel, ManagerAnswer } from "../../core/locking/api.ts";
import { type Capabilities, type Refused, refuse } from "../contract.ts";
import { isAnswer, neutralAnswer, type PluginMethod } from "./answers.ts";
import { errorSentence } from "./sentences.ts";

/** Where the host tells people what a plugin did wrong. */
export type Log = (level: LogLevel, text: string) => void;

/** Calls methods of one plugin and turns whatever comes back, or flies out, into an answer. */
export interface Caller {
  /** Answers at once when the plugin does; a promise that never rejects otherwise. `receiver` is a manager or a handle. */
  call(receiver: object, method: PluginMethod, args: object): ManagerAnswer | Promise<ManagerAnswer>;
  /** The refusal for something that the plugin did wrong, which is logged. */
  failed(what: string, error: unknown): Refused;
}

/** Makes the caller of the plugin `name`. A plugin's defect becomes ELMERR and a line in the log, never an exception. */
export function createCaller(name: string, capabilities: Capabilities, log: Log): Caller {
  const failed = (what: string, error: unknown): Refused => {
    const detail = `the lock manager ${name} failed in ${what}: ${errorSentence(error)}`;
    log("error", detail);
    return refuse("ELMERR", detail);
  };
  const checked = (method: PluginMethod, answer: unknown): ManagerAnswer =>
    isAnswer(method, answer) ? answer : failed(method, `its answer breaks the contract: ${shown(answer)}`);
  const settled = async (method: PluginMethod, promise: PromiseLike<unknown>): Promise<ManagerAnswer> => {
    try {
      return checked(method, await promise);
    } catch (error) {
      return failed(method, error);
    }
  };
  return {
    failed,
    call(receiver, method, args) {
      const callee = (receiver as Readonly<Record<string, unknown>>)[method];
      if (callee === undefined || callee === null) return neutralAnswer(method, name, capabilities);
      let answer: unknown;
      try {
        answer = (callee as (args: object) => unknown).call(receiver, args);
        if (isAnswer(method, answer)) return answer;
      } catch (error) {
        return failed(method, error);
      }
      return isThenable(answer) ? settled(method, answer) : checked(method, answer);
    },
  };
}

/** True for promises and what behaves like one. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function"
  );
}

/** A wrong answer in a form that fits into a log line. */
function shown(answer: unknown): string {
  try {
    return (JSON.stringify(answer) ?? String(answer)).slice(0, 200);
  } catch {
    // Circular, or with a bigint inside.
    return String(answer);
  }
}
