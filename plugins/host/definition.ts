import type { Capabilities, LockManagerDefinition, LockType } from "../contract.ts";
import { CONTRACT_VERSION } from "../contract.ts";
import { errorSentence } from "./sentences.ts";

type OptionalCapability = "one_host" | "take_over";

/** What kind of value each capability is, so that a misspelt or forgotten one is found when the plugin is loaded. */
const CAPABILITY_TYPES: Readonly<
  Record<Exclude<keyof Capabilities, OptionalCapability>, "boolean" | "number" | "string">
> = {
  global_lock: "string",
  lockspace_name_max: "number",
  on_disk_leases: "boolean",
  value_block: "boolean",
  shared_locks: "boolean",
  owner_info: "boolean",
  adoption: "boolean",
  fencing: "boolean",
  remote_refresh: "boolean",
  queueing: "boolean",
};

/** Those that came later and count as false where a plugin does not name them. */
const OPTIONAL_CAPABILITIES: readonly OptionalCapability[] = ["one_host", "take_over"];

/** Shortest bound of lockspace names that still holds "lvm_" and enough of a hash to tell VGs apart. */
const LOCKSPACE_NAME_MIN = 24;

/** What a module's default export turned out to be: a definition that can serve the lock type, or what is wrong with it. */
export type CheckedDefinition =
  | {
      readonly kind: "checked";
      readonly definition: LockManagerDefinition;
      readonly capabilities: Capabilities;
    }
  | { readonly kind: "wrong"; readonly problem: string };

/** Checks a default export against the contract. The first problem is said as the end of a sentence: "it ...". */
export function checkDefinition(value: unknown, lock_type: LockType): CheckedDefinition {
  const problem = shapeProblem(value, lock_type);
  if (problem !== null) return { kind: "wrong", problem };
  const definition = value as LockManagerDefinition;
  let capabilities: Capabilities;
  try {
    capabilities = definition.capabilities(lock_type);
  } catch (error) {
    return { kind: "wrong", problem: `throws when asked for its capabilities: ${errorSentence(error)}` };
  }
  const wrong = capabilitiesProblem(capabilities);
  return wrong === null ? { kind: "checked", definition, capabilities } : { kind: "wrong", problem: wrong };
}

function shapeProblem(value: unknown, lock_type: LockType): string | null {
  if (value === undefined)
    return "has no default export; a plugin exports defineLockManager({...}) as default";
  if (typeof value !== "object" || value === null)
    return `exports ${value === null ? "null" : `a ${typeof value}`} as default, not defineLockManager({...})`;
  const definition = value as Readonly<Record<keyof LockManagerDefinition, unknown>>;
  // The version comes first: the shape of another version's definition is not ours to judge.
  if (definition.contract_version !== CONTRACT_VERSION)
    return `speaks version ${String(definition.contract_version)} of the plugin contract, this lvmlockd speaks version ${CONTRACT_VERSION}`;
  if (typeof definition.name !== "string" || definition.name === "") return "has no name";
  if (definition.execution !== "inline" && definition.execution !== "worker")
    return `wants execution ${JSON.stringify(definition.execution)}; it is "inline" or "worker"`;
  if (!Array.isArray(definition.lock_types)) return "has no list of lock_types";
  if (!definition.lock_types.includes(lock_type))
    return `can't serve lock type ${lock_type}; it serves ${definition.lock_types.join(", ") || "none"}`;
  if (typeof definition.capabilities !== "function") return "has no capabilities function";
  if (typeof definition.open !== "function") return "has no open function";
  return null;
}

function capabilitiesProblem(value: unknown): string | null {
  if (typeof value !== "object" || value === null) return "returns no capabilities";
  const capabilities = value as Readonly<Record<string, unknown>>;
  for (const [name, type] of Object.entries(CAPABILITY_TYPES)) {
    if (typeof capabilities[name] !== type) return `returns no ${type} for the capability ${name}`;
  }
  for (const name of OPTIONAL_CAPABILITIES) {
    const type = typeof capabilities[name];
    if (type !== "boolean" && type !== "undefined")
      return `returns a ${type}, not a boolean, for the capability ${name}`;
  }
  const { global_lock, lockspace_name_max } = capabilities as unknown as Capabilities;
  if (global_lock !== "own" && global_lock !== "in-vg")
    return `returns global_lock ${JSON.stringify(global_lock)}; it is "own" or "in-vg"`;
  if (!Number.isInteger(lockspace_name_max) || lockspace_name_max < LOCKSPACE_NAME_MIN)
    return `returns lockspace_name_max ${lockspace_name_max}; it is a whole number of at least ${LOCKSPACE_NAME_MIN} bytes`;
  return null;
}
