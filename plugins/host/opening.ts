import type { LockManager, LockManagerDefinition, ManagerContext, Refused } from "../contract.ts";
import { refuse } from "../contract.ts";
import { isThenable } from "./calling.ts";
import { errorSentence } from "./sentences.ts";

/** An opened lock manager, or the refusal to tell everybody who asks for it. */
export type Opened = { readonly kind: "done"; readonly manager: LockManager } | Refused;

/** The methods that a manager can't do without. */
const METHODS = ["isRunning", "initVg", "initLv", "renameVg", "openLockspace"] as const;

/** Opens a plugin. At once when it opens without a promise; never throws, never rejects. */
export function openManager(
  definition: LockManagerDefinition,
  context: ManagerContext,
): Opened | Promise<Opened> {
  const failed = (error: unknown): Refused =>
    refuse("EMANAGER", `the lock manager ${definition.name} can't be opened: ${errorSentence(error)}`);
  try {
    const answer: unknown = definition.open(context);
    if (!isThenable(answer)) return checkOpened(definition.name, answer);
    return Promise.resolve(answer).then((settled) => checkOpened(definition.name, settled), failed);
  } catch (error) {
    return failed(error);
  }
}

function checkOpened(name: string, answer: unknown): Opened {
  const wrong = (problem: string): Refused =>
    refuse("EMANAGER", `the lock manager ${name} can't be opened: ${problem}`);
  if (typeof answer !== "object" || answer === null) return wrong("open() returned no answer");
  const { kind, manager } = answer as { kind?: unknown; manager?: unknown };
  if (kind === "refused") {
    const { code, detail } = answer as Partial<Refused>;
    const text = typeof detail === "string" && detail !== "" ? detail : `it refused with ${String(code)}`;
    return wrong(text);
  }
  if (kind !== "done" || typeof manager !== "object" || manager === null)
    return wrong("open() returned no manager");
  for (const method of METHODS) {
    if (typeof (manager as Partial<LockManager>)[method] !== "function")
      return wrong(`its manager has no ${method} method`);
  }
  return { kind: "done", manager: manager as LockManager };
}

/** The methods that a lockspace's handle can't do without. */
const HANDLE_METHODS = ["prepare", "join", "leave", "lock", "convert", "unlock", "hosts"] as const;

/** Throws when what `openLockspace` returned can't be a handle; the caller turns that into a refusal. */
export function checkHandle(handle: unknown): asserts handle is object {
  if (typeof handle !== "object" || handle === null) throw new TypeError("openLockspace returned no handle");
  for (const method of HANDLE_METHODS) {
    if (typeof (handle as Readonly<Record<string, unknown>>)[method] !== "function")
      throw new TypeError(`the handle of a lockspace has no ${method} method`);
  }
}
