import { checkText } from "./arguments.ts";
import { closeDatagram, openDatagram, sendDatagram, unixAddress } from "./datagram.ts";
import type { NativeFailure } from "./errno.ts";

/** syslog's severities by the names that our options take (-S). */
export const SYSLOG_SEVERITIES = {
  emerg: 0,
  alert: 1,
  crit: 2,
  err: 3,
  warning: 4,
  notice: 5,
  info: 6,
  debug: 7,
} as const;

export type SyslogSeverity = keyof typeof SYSLOG_SEVERITIES;

/** The facility that system daemons log under. */
const LOG_DAEMON = 3;
/** Longest message, in bytes: journald and rsyslog both take 8 KiB lines and more; a longer one is cut. */
const MESSAGE_SIZE_BYTES_MAX = 8192;

/** Where libc's syslog(3) sends to as well. */
export const SYSLOG_PATH = "/dev/log";

/** An open way to syslog. `write` never waits; messages that found no room are counted in `dropped`. */
export interface Syslog {
  write(severity: SyslogSeverity, text: string): void;
  dropped(): number;
  close(): void;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"] as const;

/**
 * Opens syslog under `ident`. This speaks to /dev/log itself instead of calling syslog(3), because libc's socket blocks:
 * a stuck journald would stop the event loop and with it every VG. The line is the one that libc sends (RFC 3164 with a
 * local time stamp, no host name, "ident[pid]: text").
 */
export function openSyslog(ident: string, path = SYSLOG_PATH): Syslog | NativeFailure {
  const address = unixAddress(path);
  if (address === null) throw new TypeError(`not a socket address: ${path}`);
  const socket = openDatagram();
  if (socket.kind === "failed") return socket;
  const prefix = ` ${checkText(ident, "ident")}[${process.pid}]: `;
  const encoder = new TextEncoder();
  let dropped = 0;
  let open = true;
  return {
    write(severity, text) {
      if (!open) return;
      const priority = LOG_DAEMON * 8 + SYSLOG_SEVERITIES[severity];
      // Line ends and NUL inside a message would make two of it, or end it, at the receiver.
      const line = `<${priority}>${timestamp(new Date())}${prefix}${text.replace(/[\0\r\n]+/g, " ")}`;
      const bytes = encoder.encode(line);
      const sent = sendDatagram(socket.fd, bytes.slice(0, MESSAGE_SIZE_BYTES_MAX), address);
      if (sent.kind !== "sent") dropped += 1;
    },
    dropped: () => dropped,
    close() {
      if (open) closeDatagram(socket.fd);
      open = false;
    },
  };
}

/** "Nov  5 07:08:09", as RFC 3164 has it: local time, the day padded with a space. */
function timestamp(now: Date): string {
  const two = (number: number): string => String(number).padStart(2, "0");
  const day = String(now.getDate()).padStart(2, " ");
  const time = `${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}`;
  return `${MONTHS[now.getMonth()] ?? "Jan"} ${day} ${time}`;
}
