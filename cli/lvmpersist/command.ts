/** What a command line of lvmpersist asks for, as data. */
import { nearestName } from "../../grammar/nearest.ts";
import { type TypeChoice, typeForAccess } from "../../plugins/scsi-pr/actions/start.ts";
import { parseReservationKey, printKey } from "../../plugins/scsi-pr/keys.ts";
import { RESERVATION_TYPES, type ReservationKey } from "../../plugins/scsi-pr/reservable.ts";
import { type GivenOption, lastValue, parseArguments, type UsageError, usageError } from "../getopt.ts";
import { vgNameProblem } from "../vg-name.ts";
import { LVMPERSIST, PERSIST_FORMATS, type PersistFormat } from "./options.ts";

export type PersistCommand =
  | {
      readonly kind: "start";
      readonly our_key: ReservationKey;
      readonly aptpl: boolean;
      readonly typeOf: TypeChoice;
    }
  | {
      readonly kind: "take-over";
      readonly our_key: ReservationKey;
      readonly remove_key: ReservationKey;
      readonly aptpl: boolean;
      readonly typeOf: TypeChoice;
    }
  | { readonly kind: "stop" | "clear"; readonly our_key: ReservationKey }
  | { readonly kind: "remove"; readonly our_key: ReservationKey; readonly remove_key: ReservationKey }
  | { readonly kind: "check-key"; readonly key: ReservationKey }
  | { readonly kind: "devtest"; readonly typeOf: TypeChoice }
  | { readonly kind: "read" | "read-keys" | "read-reservation" };

export interface Invocation {
  readonly command: PersistCommand;
  /** As given, in order; empty when the VG names them. */
  readonly devices: readonly string[];
  readonly vg_name: string | null;
  /** null when the command line is silent: then it depends on where the output goes. */
  readonly format: PersistFormat | null;
  readonly dry_run: boolean;
  /** Whether each path of a multipath map is asked for its registration, where the command shows that. */
  readonly asks_paths: boolean;
  readonly yes: boolean;
  readonly debug: boolean;
  /** Keys that were given as decimal numbers, for showing how they read in hex: ["ourkey", 0x1]. */
  readonly decimal_keys: readonly (readonly [option: string, key: ReservationKey])[];
}

export type CommandReading =
  | { readonly kind: "help" | "version" }
  | { readonly kind: "invocation"; readonly invocation: Invocation }
  | UsageError;

/** Reads the words behind `lvmpersist`. */
export function readCommand(words: readonly string[]): CommandReading {
  const parsed = parseArguments(LVMPERSIST, words);
  if (parsed.kind === "usage-error") return parsed;
  const { options, operands } = parsed;
  const [name, surplus] = operands;
  // lvmpersist of lvm2 shows its help for no arguments as well.
  if (words.length === 0 || isGiven(options, "help") || name === "help") return { kind: "help" };
  if (isGiven(options, "version")) return { kind: "version" };
  const known = LVMPERSIST.commands.map((entry) => entry.words.join(" "));
  if (name === undefined) return usageError(`a command is missing: ${known.join(", ")}`);
  if (!known.includes(name)) {
    const near = nearestName(name, known);
    return usageError(`there is no command "${name}"${near === undefined ? "" : `; the nearest is ${near}`}`);
  }
  if (surplus !== undefined) return usageError(`"${surplus}" is one word too many; devices need --device`);
  return readInvocation(name, options);
}

function isGiven(options: readonly GivenOption[], name: string): boolean {
  return options.some((option) => option.name === name);
}

function readInvocation(name: string, options: readonly GivenOption[]): CommandReading {
  const vg_name = lastValue(options, "vg");
  const devices = namedDevices(name, options);
  if (devices.length === 0 && vg_name === null) return usageError(`${name} needs --device or --vg`);
  if (devices.includes("")) return usageError("--device needs a path");
  const vg_problem = vg_name === null ? null : vgNameProblem(vg_name);
  if (vg_problem !== null) return usageError(`--vg: ${vg_problem}`);
  const given_format = lastValue(options, "reportformat");
  const format = PERSIST_FORMATS.find((known) => known === given_format) ?? null;
  if (given_format !== null && format === null) {
    return usageError(`--reportformat is one of ${PERSIST_FORMATS.join(", ")}, not "${given_format}"`);
  }
  const command = readAction(name, options);
  if (command.kind === "usage-error") return command;
  const decimal_keys = KEY_OPTIONS.flatMap((option) => {
    const text = lastValue(options, option);
    const read = text === null || text.startsWith("0x") ? null : parseReservationKey(text);
    return read?.kind === "key" ? [[option, read.key] as const] : [];
  });
  return {
    kind: "invocation",
    invocation: {
      command,
      devices,
      vg_name,
      format,
      dry_run: isGiven(options, "dry-run"),
      asks_paths: !isGiven(options, "no-paths"),
      yes: isGiven(options, "yes"),
      debug: isGiven(options, "debug"),
      decimal_keys,
    },
  };
}

/**
 * The devices by name. `vgchange --persist read` of lvm2 (seen with 2.03.40) writes the end of its argument list over the first
 * device's name, which arrives empty; with the VG given, the PVs are asked for instead.
 */
function namedDevices(name: string, options: readonly GivenOption[]): readonly string[] {
  const devices = options.filter((option) => option.name === "device").map(({ value }) => value);
  const isSpoiled = devices[0] === "" && name === "read" && isGiven(options, "vg");
  return isSpoiled ? [] : devices;
}

const KEY_OPTIONS = ["ourkey", "removekey", "key"] as const;
type KeyOption = (typeof KEY_OPTIONS)[number];

type KeyReading = { readonly kind: "key"; readonly key: ReservationKey } | UsageError;

/** The key options of each command: those that it needs, and those that it may have. All other keys are refused. */
const keys_of: Readonly<Record<string, { needs: readonly KeyOption[]; may: readonly KeyOption[] }>> = {
  start: { needs: ["ourkey"], may: ["removekey"] },
  stop: { needs: ["ourkey"], may: [] },
  remove: { needs: ["ourkey", "removekey"], may: [] },
  clear: { needs: ["ourkey"], may: [] },
  "check-key": { needs: ["key"], may: [] },
};

/** The commands that have an option which not all of them have. lvm adds --access to remove as well. */
const commands_with: Readonly<Record<string, readonly string[]>> = {
  access: ["start", "devtest", "remove"],
  prtype: ["start", "devtest"],
  ptpl: ["start"],
  yes: ["start", "stop", "remove", "clear"],
};

function readAction(name: string, options: readonly GivenOption[]): PersistCommand | UsageError {
  for (const [option, commands] of Object.entries(commands_with)) {
    if (isGiven(options, option) && !commands.includes(name))
      return usageError(`${name} has no option --${option}; it belongs to ${commands.join(", ")}`);
  }
  const wanted = keys_of[name] ?? { needs: [], may: [] };
  for (const option of KEY_OPTIONS) {
    const isKnown = wanted.needs.includes(option) || wanted.may.includes(option);
    if (isGiven(options, option) && !isKnown) return usageError(`${name} has no option --${option}`);
    if (wanted.needs.includes(option) && !isGiven(options, option))
      return usageError(`${name} needs --${option} KEY`);
  }
  const types = readTypes(options);
  if (types.kind === "usage-error") return types;
  const [ourkey, removekey, key] = KEY_OPTIONS.map((option) => readKey(options, option));
  for (const read of [ourkey, removekey, key]) if (read?.kind === "usage-error") return read;
  const our_key = ourkey?.kind === "key" ? ourkey.key : 0n;
  const remove_key = removekey?.kind === "key" ? removekey.key : 0n;
  if (remove_key !== 0n && remove_key === our_key) {
    return usageError(`--removekey ${printKey(remove_key)} is our own key; lvmpersist stop takes that off`);
  }
  const { typeOf } = types;
  const aptpl = isGiven(options, "ptpl");
  switch (name) {
    case "start":
      return remove_key === 0n
        ? { kind: "start", our_key, aptpl, typeOf }
        : { kind: "take-over", our_key, remove_key, aptpl, typeOf };
    case "stop":
    case "clear":
      return { kind: name, our_key };
    case "remove":
      return { kind: "remove", our_key, remove_key };
    case "check-key":
      return { kind: "check-key", key: key?.kind === "key" ? key.key : 0n };
    case "devtest":
      return { kind: "devtest", typeOf };
    case "read-keys":
    case "read-reservation":
      return { kind: name };
    default:
      return { kind: "read" };
  }
}

function readKey(options: readonly GivenOption[], option: KeyOption): KeyReading | null {
  const text = lastValue(options, option);
  if (text === null) return null;
  const read = parseReservationKey(text);
  return read.kind === "key" ? read : usageError(`--${option}: ${read.detail}`);
}

function readTypes(
  options: readonly GivenOption[],
): { readonly kind: "types"; readonly typeOf: TypeChoice } | UsageError {
  const access = lastValue(options, "access");
  const prtype = lastValue(options, "prtype");
  if (access !== null && prtype !== null) return usageError("--access and --prtype can't be given together");
  if (prtype !== null) {
    const type = RESERVATION_TYPES.find((known) => known === prtype);
    if (type === undefined) {
      return usageError(`--prtype is one of ${RESERVATION_TYPES.join(", ")}, not "${prtype}"`);
    }
    return { kind: "types", typeOf: () => type };
  }
  if (access !== null && access !== "ex" && access !== "sh") {
    return usageError(`--access is ex or sh, not "${access}"`);
  }
  return { kind: "types", typeOf: typeForAccess(access ?? "ex") };
}
