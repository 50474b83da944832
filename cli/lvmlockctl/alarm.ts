/** Messages of --kill and --drop: to syslog, where somebody may still see them, or to standard error. */
import { EXIT } from "../../core/errors.ts";
import { openSyslog, type SyslogSeverity } from "../../plugins/native/syslog.ts";
import { sayError } from "../streams.ts";

export interface Alarm {
  /** Tells everybody on the host; when syslog can't take it, at least whoever started us. */
  emergency(text: string): void;
  warning(text: string): void;
  /** For the host's log only. Whoever typed the command knows already. */
  record(severity: SyslogSeverity, text: string): void;
}

/** With `use_stderr`, or when syslog can't be reached, emergencies and warnings go to standard error. */
export function openAlarm(use_stderr: boolean): Alarm {
  const toStderr = (text: string): void => {
    sayError(text, EXIT.ok);
  };
  const opened = use_stderr ? null : openSyslog("lvmlockctl");
  if (opened === null || "errno" in opened) {
    const record = (_severity: SyslogSeverity, text: string): void => {
      if (use_stderr) toStderr(text);
    };
    return { emergency: toStderr, warning: toStderr, record };
  }
  const writeOrTell = (severity: SyslogSeverity, text: string): void => {
    const dropped = opened.dropped();
    opened.write(severity, text);
    if (opened.dropped() > dropped) toStderr(text);
  };
  return {
    emergency: (text) => writeOrTell("emerg", text),
    warning: (text) => writeOrTell("warning", text),
    record: (severity, text) => opened.write(severity, text),
  };
}
