/** Telling systemd how we are (sd_notify): readiness, status in words, reloading, stopping, and the watchdog's heartbeat. */
import {
  closeDatagram,
  openDatagram,
  sendDatagram,
  type UnixAddress,
  unixAddress,
} from "../../plugins/native/datagram.ts";

export interface Notifier {
  ready(): void;
  status(text: string): void;
  reloading(): void;
  stopping(): void;
  close(): void;
}

const SILENT: Notifier = { ready() {}, status() {}, reloading() {}, stopping() {}, close() {} };

/**
 * Opens the way to the service manager that NOTIFY_SOCKET names; without one, every call does nothing. The watchdog is fed from
 * a timer of the event loop at half of WATCHDOG_USEC: a loop that does not turn any more feeds nobody and is restarted.
 */
export function openNotifier(env: Readonly<Record<string, string | undefined>>): Notifier {
  const address = env.NOTIFY_SOCKET === undefined ? null : unixAddress(env.NOTIFY_SOCKET);
  if (address === null) return SILENT;
  const socket = openDatagram();
  if (socket.kind === "failed") return SILENT;
  return notifierOn(socket.fd, address, watchdogInterval_ms(env));
}

function notifierOn(fd: number, address: UnixAddress, watchdog_ms: number): Notifier {
  const encoder = new TextEncoder();
  let told = "";
  const say = (lines: string) => void sendDatagram(fd, encoder.encode(lines), address);
  const watchdog = watchdog_ms > 0 ? setInterval(() => say("WATCHDOG=1\n"), watchdog_ms) : null;
  watchdog?.unref();
  return {
    ready: () => say("READY=1\n"),
    status(text) {
      if (text === told) return;
      told = text;
      say(`STATUS=${text.replace(/\n/g, " ")}\n`);
    },
    // Type=notify-reload wants the time of the reload in the monotonic clock, in microseconds.
    reloading: () => say(`RELOADING=1\nMONOTONIC_USEC=${Math.floor(monotonic_us())}\n`),
    stopping: () => say("STOPPING=1\n"),
    close() {
      if (watchdog !== null) clearInterval(watchdog);
      closeDatagram(fd);
    },
  };
}

/** Half of WATCHDOG_USEC in milliseconds; 0 when there is no watchdog or it is for another process. */
export function watchdogInterval_ms(env: Readonly<Record<string, string | undefined>>): number {
  const interval_us = Number(env.WATCHDOG_USEC ?? "0");
  if (!Number.isFinite(interval_us) || interval_us <= 0) return 0;
  if (env.WATCHDOG_PID !== undefined && env.WATCHDOG_PID !== String(process.pid)) return 0;
  return Math.max(1, Math.floor(interval_us / 2000));
}

/** CLOCK_MONOTONIC, on which Linux bases process.hrtime. */
function monotonic_us(): number {
  return Number(process.hrtime.bigint() / 1000n);
}
