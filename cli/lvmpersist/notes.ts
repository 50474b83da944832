import { openSyslog, type Syslog, type SyslogSeverity } from "../../plugins/native/syslog.ts";
import { say, sayError } from "../streams.ts";
import { printable } from "../table.ts";

/** The program's name, on the terminal and in syslog. */
export const SYSLOG_IDENT = "lvmpersist";

/** Where a run's sentences go: to whoever called it, and when it changes something to syslog as well. */
export interface Notes {
  /** It went well. `to_log_only` where standard output carries JSON. */
  success(text: string, to_log_only: boolean): void;
  warn(text: string): void;
  /** Hands back the exit status. */
  error(text: string, exit_status: number): number;
  /** Only for whoever called. */
  hint(text: string): void;
  log(severity: SyslogSeverity, text: string): void;
}

/** A line in the indented form that lvm's own messages have. */
export function noteLine(text: string): string {
  return `  ${SYSLOG_IDENT}: ${printable(text)}`;
}

/** The lines appear among lvm's own when lvm calls. `syslog_path` null: not to syslog. */
export function openNotes(syslog_path: string | null): Notes {
  const opened = syslog_path === null ? null : openSyslog(SYSLOG_IDENT, syslog_path);
  // A host without syslog is no reason not to fence.
  const syslog: Syslog | null = opened === null || "kind" in opened ? null : opened;
  const log = (severity: SyslogSeverity, text: string): void => syslog?.write(severity, text);
  return {
    success(text, to_log_only) {
      log("notice", text);
      if (!to_log_only) say(noteLine(text), 0);
    },
    warn(text) {
      log("warning", text);
      sayError(noteLine(`warning: ${text}`), 0);
    },
    error(text, exit_status) {
      log("err", text);
      return sayError(noteLine(text), exit_status);
    },
    hint(text) {
      sayError(noteLine(text), 0);
    },
    log,
  };
}
