/** What a command line of lvmlockctl asks for, as data. */
import { nearestName } from "../../grammar/nearest.ts";
import { parseReservationKey } from "../../plugins/scsi-pr/keys.ts";
import type { ReservationKey } from "../../plugins/scsi-pr/reservable.ts";
import { type GivenOption, lastValue, parseArguments, type UsageError, usageError } from "../getopt.ts";
import { REPORT_FORMATS, type ReportFormat } from "../shared-options.ts";
import { vgNameProblem } from "../vg-name.ts";
import { LVMLOCKCTL } from "./options.ts";

export type Command =
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  | { readonly kind: "quit" }
  /** `raw`: the daemon's own lines (-i -d). */
  | { readonly kind: "info"; readonly raw: boolean }
  | { readonly kind: "dump" }
  | { readonly kind: "kill"; readonly vg_name: string }
  | { readonly kind: "drop"; readonly vg_name: string }
  | { readonly kind: "gl-enable"; readonly vg_name: string }
  | { readonly kind: "gl-disable"; readonly vg_name: string }
  | { readonly kind: "stop-lockspaces"; readonly wait: boolean; readonly force: boolean }
  | {
      readonly kind: "set-remote-lv-lock";
      readonly vg_name: string;
      readonly lv_uuid: string;
      readonly mode: string;
    }
  /** `vg_name` is "" for the global lock; `lv` is a name or a UUID, "" for the whole VG. */
  | { readonly kind: "who"; readonly vg_name: string; readonly lv: string }
  | {
      readonly kind: "takeover";
      readonly vg_name: string;
      readonly remove_key: ReservationKey;
      readonly yes: boolean;
    }
  | { readonly kind: "config-get"; readonly key: string }
  | { readonly kind: "config-list"; readonly all: boolean }
  | { readonly kind: "config-edit"; readonly key: string; readonly value: string };

/** A command with the options that hold for all of them; null where the command line is silent. */
export interface Invocation {
  readonly command: Command;
  readonly socket_path: string | null;
  readonly report_format: ReportFormat | null;
  readonly config_dir: string | null;
  /** Messages of --kill and --drop go to standard error instead of syslog. */
  readonly use_stderr: boolean;
}

export type CommandReading = { readonly kind: "invocation"; readonly invocation: Invocation } | UsageError;

/** Reads the words behind `lvmlockctl`. */
export function readCommand(words: readonly string[]): CommandReading {
  const parsed = parseArguments(LVMLOCKCTL, words);
  if (parsed.kind === "usage-error") return parsed;
  const { options, operands } = parsed;
  const format = lastValue(options, "reportformat");
  const report_format = REPORT_FORMATS.find((name) => name === format) ?? null;
  if (format !== null && report_format === null) {
    return usageError(`--reportformat is one of ${REPORT_FORMATS.join(", ")}, not "${format}"`);
  }
  const socket_path = lastValue(options, "socket");
  if (socket_path === "") return usageError("--socket needs a path");
  const config_dir = lastValue(options, "config-dir");
  if (config_dir === "") return usageError("--config-dir needs a path");
  const read = words.length === 0 ? done({ kind: "help" }) : readAction(options, operands);
  if (read.kind === "usage-error") return read;
  const use_stderr = isGiven(options, "stderr");
  const invocation = { command: read.command, socket_path, report_format, config_dir, use_stderr };
  return { kind: "invocation", invocation };
}

type ActionReading = { readonly kind: "command"; readonly command: Command } | UsageError;

function done(command: Command): ActionReading {
  return { kind: "command", command };
}

function isGiven(options: readonly GivenOption[], name: string): boolean {
  return options.some((option) => option.name === name);
}

/** The options that are a command by themselves, each at most once and only one of them. */
const action_names = [
  "quit",
  "info",
  "dump",
  "kill",
  "drop",
  "gl-enable",
  "gl-disable",
  "stop-lockspaces",
  "set-remote-lv-lock",
] as const;

function readAction(options: readonly GivenOption[], operands: readonly string[]): ActionReading {
  if (isGiven(options, "help")) return done({ kind: "help" });
  if (isGiven(options, "version")) return done({ kind: "version" });
  const given = action_names.filter((name) => isGiven(options, name));
  const [action, other] = given;
  if (action === undefined) return readOperands(options, operands);
  if (operands.length > 0) return usageError(`"${operands[0]}" does not belong to --${action}`);
  const isRawInfo = given.length === 2 && action === "info" && other === "dump";
  if (isRawInfo) return done({ kind: "info", raw: true });
  // lvm2's lvmlockctl silently does one of them only; which one was meant is not for us to guess.
  if (other !== undefined) return usageError(`--${action} and --${other} can't be given together`);
  return readSingleAction(action, options);
}

function readSingleAction(
  action: (typeof action_names)[number],
  options: readonly GivenOption[],
): ActionReading {
  switch (action) {
    case "quit":
    case "dump":
      return done({ kind: action });
    case "info":
      return done({ kind: "info", raw: false });
    case "stop-lockspaces":
      return readStop(options);
    case "set-remote-lv-lock":
      return readRemoteLock(options);
    default: {
      const vg_name = lastValue(options, action) ?? "";
      const problem = vgNameProblem(vg_name);
      return problem === null ? done({ kind: action, vg_name }) : usageError(`--${action}: ${problem}`);
    }
  }
}

function readStop(options: readonly GivenOption[]): ActionReading {
  const wait = readZeroOrOne(options, "wait", true);
  const force = readZeroOrOne(options, "force", false);
  if (typeof wait !== "boolean") return wait;
  if (typeof force !== "boolean") return force;
  return done({ kind: "stop-lockspaces", wait, force });
}

function readZeroOrOne(
  options: readonly GivenOption[],
  name: string,
  fallback: boolean,
): boolean | UsageError {
  const value = lastValue(options, name);
  if (value === null) return fallback;
  if (value !== "0" && value !== "1") return usageError(`--${name} is 0 or 1, not "${value}"`);
  return value === "1";
}

function readRemoteLock(options: readonly GivenOption[]): ActionReading {
  const vg_name = lastValue(options, "set-remote-lv-lock") ?? "";
  const lv_uuid = lastValue(options, "lv-uuid") ?? "";
  const mode = lastValue(options, "lock-mode") ?? "";
  const problem = vgNameProblem(vg_name);
  if (problem !== null) return usageError(`--set-remote-lv-lock: ${problem}`);
  if (lv_uuid === "" || mode === "") {
    return usageError("--set-remote-lv-lock needs --lv-uuid and --lock-mode");
  }
  if (!["ex", "sh", "un"].includes(mode)) return usageError(`--lock-mode is ex, sh or un, not "${mode}"`);
  return done({ kind: "set-remote-lv-lock", vg_name, lv_uuid, mode });
}

function readOperands(options: readonly GivenOption[], operands: readonly string[]): ActionReading {
  const [word, ...rest] = operands;
  if (word === undefined) return usageError("say what to do, for instance --info");
  if (word === "who") return readWho(rest);
  if (word === "takeover") return readTakeOver(options, rest);
  if (word === "config") return readConfig(options, rest);
  const near = nearestName(word, ["who", "takeover", "config"]);
  return usageError(`there is no command "${word}"${near === undefined ? "" : `; the nearest is ${near}`}`);
}

/** "gl" is the global lock: LVM refuses no VG of that name, so such a VG is asked for as gl/ or by its LVs. */
function readWho(operands: readonly string[]): ActionReading {
  const [what, surplus] = operands;
  if (what === undefined) return usageError("who needs a VG, VG/LV or gl");
  if (surplus !== undefined) return usageError(`"${surplus}" is one word too many`);
  if (what === "gl") return done({ kind: "who", vg_name: "", lv: "" });
  // People paste device paths as well as VG/LV.
  const plain = what.startsWith("/dev/") ? what.slice("/dev/".length) : what;
  const slash = plain.indexOf("/");
  const vg_name = slash === -1 ? plain : plain.slice(0, slash);
  const lv = slash === -1 ? "" : plain.slice(slash + 1);
  const problem = vgNameProblem(vg_name);
  if (problem !== null) return usageError(`who: ${problem}`);
  if (lv.includes("/")) return usageError(`who needs a VG, VG/LV or gl; "${what}" has a / too many`);
  return done({ kind: "who", vg_name, lv });
}

function readTakeOver(options: readonly GivenOption[], operands: readonly string[]): ActionReading {
  const [vg_name, surplus] = operands;
  if (vg_name === undefined) return usageError("takeover needs a VG");
  if (surplus !== undefined) return usageError(`"${surplus}" is one word too many`);
  const problem = vgNameProblem(vg_name);
  if (problem !== null) return usageError(`takeover: ${problem}`);
  const text = lastValue(options, "removekey");
  if (text === null) return usageError("takeover needs --removekey KEY, the key of the host that has the VG");
  const read = parseReservationKey(text);
  if (read.kind === "refused") return usageError(`--removekey: ${read.detail}`);
  return done({ kind: "takeover", vg_name, remove_key: read.key, yes: isGiven(options, "yes") });
}

function readConfig(options: readonly GivenOption[], operands: readonly string[]): ActionReading {
  const [verb, key, value, surplus] = operands;
  if (verb === "list") {
    if (key !== undefined) return usageError(`"${key}" is one word too many`);
    return done({ kind: "config-list", all: isGiven(options, "all") });
  }
  if (verb === "get") {
    if (key === undefined) return usageError("config get needs a KEY, for instance global/use_lvmlockd");
    if (value !== undefined) return usageError(`"${value}" is one word too many`);
    return done({ kind: "config-get", key });
  }
  if (verb === "edit") {
    const equals = key?.indexOf("=") ?? -1;
    // KEY=VALUE in one word is how people write it after seeing it in a file.
    if (key !== undefined && equals > 0 && value === undefined) {
      return done({
        kind: "config-edit",
        key: key.slice(0, equals).trim(),
        value: key.slice(equals + 1).trim(),
      });
    }
    if (key === undefined || value === undefined) return usageError("config edit needs a KEY and a VALUE");
    if (surplus !== undefined)
      return usageError(`"${surplus}" is one word too many; quote a value with blanks`);
    return done({ kind: "config-edit", key, value });
  }
  return usageError("config needs get, list or edit");
}
