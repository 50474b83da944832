/** What a command line of lvmlockd asks for: the daemon with its options, or one of the short answers. */
import { isAbsolute, resolve } from "node:path";
import {
  type DaemonOptions,
  DEFAULT_OPTIONS,
  SYSLOG_PRIORITIES,
  WIRE_DIALECTS,
} from "../../core/daemon/options.ts";
import { type GivenOption, lastValue, parseArguments, type UsageError, usageError } from "../getopt.ts";
import { REPORT_FORMATS, type ReportFormat } from "../shared-options.ts";
import { GL_TYPES, LVMLOCKD } from "./options.ts";

export type DaemonRequest =
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  | { readonly kind: "check-config"; readonly config_dir: string | null; readonly format: ReportFormat }
  | { readonly kind: "run"; readonly options: DaemonOptions };

/** sanlock has leases for this many hosts. */
const host_id_max = 2000;
/** sanlock writes one byte of it into a host's lease (delta_lease.c), by which the other hosts tell when the host is dead. */
const sanlock_timeout_max_s = 255;

/** Reads the words behind `lvmlockd`; relative paths are taken from `cwd`, which the daemon will leave. */
export function readDaemonRequest(words: readonly string[], cwd: string): DaemonRequest | UsageError {
  const parsed = parseArguments(LVMLOCKD, words);
  if (parsed.kind === "usage-error") return parsed;
  const { options, operands } = parsed;
  const isGiven = (name: string): boolean => options.some((option) => option.name === name);
  if (isGiven("help")) return { kind: "help" };
  if (isGiven("version")) return { kind: "version" };
  if (operands.length > 0)
    return usageError(`"${operands[0]}" is no option, and lvmlockd takes nothing else`);
  const reader = createReader(options, cwd);
  const config_dir = reader.path("config-dir");
  const format = reader.word("reportformat", REPORT_FORMATS) ?? "basic";
  const daemonOptions = readDaemonOptions(reader, isGiven, config_dir);
  const problem = reader.problem();
  if (problem !== null) return usageError(problem);
  if (isGiven("check-config")) return { kind: "check-config", config_dir, format };
  return { kind: "run", options: daemonOptions };
}

function readDaemonOptions(
  reader: OptionReader,
  isGiven: (name: string) => boolean,
  config_dir: string | null,
): DaemonOptions {
  const host_id = reader.integer("host-id", { min: 1, max: host_id_max });
  const host_id_file = reader.path("host-id-file");
  if (host_id !== null && host_id_file !== null)
    reader.refuse("--host-id and --host-id-file can't be given together");
  const adopt = reader.integer("adopt", { min: 0, max: 1 });
  return {
    test_mode: isGiven("test"),
    foreground: isGiven("foreground"),
    daemon_debug: isGiven("daemon-debug"),
    pid_file: reader.path("pid-file"),
    socket_path: reader.path("socket-path"),
    adopt_file: reader.path("adopt-file"),
    syslog_priority: reader.word("syslog-priority", SYSLOG_PRIORITIES),
    gl_type: reader.word("gl-type", GL_TYPES),
    host_id,
    host_id_file,
    sanlock_timeout_s: reader.integer("sanlock-timeout", { min: 0, max: sanlock_timeout_max_s }),
    adopt: adopt === null ? DEFAULT_OPTIONS.adopt : adopt === 1,
    lock_manager: readLockManager(reader),
    config_dir,
    welcome: isGiven("welcome"),
    wire_dialect: reader.word("wire-dialect", WIRE_DIALECTS) ?? DEFAULT_OPTIONS.wire_dialect,
  };
}

/** A name, a package, or an absolute path. A plugin is code for a root daemon: it never comes from the current directory. */
function readLockManager(reader: OptionReader): string | null {
  const value = reader.text("lock-manager");
  if (value === null || isAbsolute(value) || /^(@[a-z0-9._-]+\/)?[a-z0-9][a-z0-9._-]*$/i.test(value))
    return value;
  return reader.refuse(`--lock-manager takes a name or an absolute path, not "${value}"`);
}

/** Reads values and keeps the first thing that is wrong with them; null is "not given". */
interface OptionReader {
  text(name: string): string | null;
  path(name: string): string | null;
  word<const Word extends string>(name: string, words: readonly Word[]): Word | null;
  integer(name: string, bounds: { readonly min: number; readonly max: number }): number | null;
  refuse(problem: string): null;
  problem(): string | null;
}

function createReader(options: readonly GivenOption[], cwd: string): OptionReader {
  let firstProblem: string | null = null;
  const refuse = (problem: string): null => {
    firstProblem ??= problem;
    return null;
  };
  const text = (name: string): string | null => {
    const value = lastValue(options, name);
    return value === "" || value?.includes("\0") ? refuse(`--${name} is empty`) : value;
  };
  return {
    text,
    path: (name) => {
      const value = text(name);
      return value === null ? null : resolve(cwd, value);
    },
    word: (name, words) => {
      const value = text(name);
      const found = words.find((word) => word === value) ?? null;
      if (value === null || found !== null) return found;
      return refuse(`--${name} is one of ${words.join(", ")}, not "${value}"`);
    },
    integer: (name, { min, max }) => {
      const value = text(name);
      if (value === null) return null;
      const number = /^[0-9]{1,9}$/.test(value) ? Number(value) : -1;
      return number >= min && number <= max
        ? number
        : refuse(`--${name} is a number from ${min} to ${max}, not "${value}"`);
    },
    refuse,
    problem: () => firstProblem,
  };
}
