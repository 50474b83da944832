/**
 * The daemon's log: every entry goes into the ring; what is important enough goes to syslog and, in the foreground, to the
 * terminal. Consola sorts by level and folds repeated messages; the two outputs are a reporter of ours.
 */
import { type ConsolaInstance, type ConsolaReporter, createConsola } from "consola/core";
import type { Syslog } from "../../../plugins/native/syslog.ts";
import type { LogLevel } from "../../locking/api.ts";
import type { Request } from "../../wire/message.ts";
import { SYSLOG_PRIORITIES, type SyslogPriority } from "../options.ts";
import { createLogRing } from "./ring.ts";

/** Where lines for a person go: standard error, or standard output for debugging. Must not block. */
export type LineSink = (line: string) => void;

export interface LogOptions {
  /** What is printed in the foreground; null prints nothing (a daemon in the background, or under systemd's journal). */
  readonly print: { readonly level: LogLevel; readonly sink: LineSink } | null;
  readonly syslog: Syslog | null;
  readonly syslog_priority: SyslogPriority;
  /** Monotonic time in milliseconds, the clock of every entry. */
  readonly now_ms: () => number;
}

export interface Log {
  error(text: string): void;
  warning(text: string): void;
  notice(text: string): void;
  info(text: string): void;
  debug(text: string): void;
  write(level: LogLevel, text: string): void;
  /** A request came in. Kept as references; printed only when debugging is. */
  received(at_ms: number, client_id: number, pid: number, request: Request): void;
  /** A reply went out. */
  sent(at_ms: number, client_id: number, op: number, result: number): void;
  /** True when somebody sees debug lines right away, so that making them is worth it. */
  isDebugging(): boolean;
  setSyslogPriority(priority: SyslogPriority): void;
  /** The ring's lines, oldest first. */
  lines(): Iterable<string>;
}

/** Consola's numbers for our levels; "log" is its name for what is between a warning and an information. */
const CONSOLA_LEVEL: Readonly<Record<LogLevel, number>> = {
  error: 0,
  warning: 1,
  notice: 2,
  info: 3,
  debug: 4,
};
const LEVEL_OF_CONSOLA: readonly LogLevel[] = ["error", "warning", "notice", "info", "debug"];
const PRIORITY: Readonly<Record<LogLevel, SyslogPriority>> = {
  error: "err",
  warning: "warning",
  notice: "notice",
  info: "info",
  debug: "debug",
};

/** True when a message of this level is important enough for syslog. */
function passes(level: LogLevel, threshold: SyslogPriority): boolean {
  return SYSLOG_PRIORITIES.indexOf(PRIORITY[level]) <= SYSLOG_PRIORITIES.indexOf(threshold);
}

export function createLog(options: LogOptions): Log {
  const { print, syslog, now_ms } = options;
  const ring = createLogRing();
  let priority = options.syslog_priority;
  const reporter: ConsolaReporter = {
    log({ level, args }) {
      const name = LEVEL_OF_CONSOLA[level] ?? "debug";
      const text = args.join(" ");
      if (syslog !== null && passes(name, priority)) syslog.write(PRIORITY[name], text);
      if (print !== null && level <= CONSOLA_LEVEL[print.level]) print.sink(`${text}\n`);
    },
  };
  const consola: ConsolaInstance = createConsola({ reporters: [reporter] });

  /** Whatever no output wants is stopped at consola's door. */
  function setThreshold(): void {
    const wanted = LEVEL_OF_CONSOLA.filter((level) => syslog !== null && passes(level, priority));
    const printed = print === null ? -1 : CONSOLA_LEVEL[print.level];
    consola.level = Math.max(printed, wanted.length - 1);
  }

  function write(level: LogLevel, text: string): void {
    ring.text(now_ms(), level, text);
    CONSOLA_METHOD[level](consola, text);
  }

  const isDebugging = () => consola.level >= CONSOLA_LEVEL.debug;
  setThreshold();
  return {
    error: (text) => write("error", text),
    warning: (text) => write("warning", text),
    notice: (text) => write("notice", text),
    info: (text) => write("info", text),
    debug: (text) => write("debug", text),
    write,
    received(at_ms, client_id, pid, request) {
      ring.received(at_ms, client_id, pid, request);
      if (isDebugging()) consola.debug(ring.latest());
    },
    sent(at_ms, client_id, op, result) {
      ring.sent(at_ms, client_id, op, result);
      if (isDebugging()) consola.debug(ring.latest());
    },
    isDebugging,
    setSyslogPriority(wanted) {
      priority = wanted;
      setThreshold();
    },
    lines: () => ring.lines(Date.now() - now_ms()),
  };
}

const CONSOLA_METHOD: Readonly<Record<LogLevel, (consola: ConsolaInstance, text: string) => void>> = {
  error: (consola, text) => consola.error(text),
  warning: (consola, text) => consola.warn(text),
  notice: (consola, text) => consola.log(text),
  info: (consola, text) => consola.info(text),
  debug: (consola, text) => consola.debug(text),
};
