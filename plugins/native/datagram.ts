import { closeSync } from "node:fs";
import { checkBytes, checkFd, checkInt32, checkText } from "./arguments.ts";
import { errnoName, failure, type NativeFailure } from "./errno.ts";
import { POLLFD, SOCKADDR_UN, SUN_PATH_SIZE_BYTES } from "./layouts.ts";
import { libc } from "./libc.ts";

/*
 * Unix datagram sockets, which Bun has no API for: systemd's notify socket, syslog's /dev/log, and the abstract socket on
 * which lvmlockctl takes the info and dump texts.
 */

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const POLLIN = 1;
/** Bytes in front of sun_path. */
const ADDRESS_HEAD_SIZE_BYTES = 2;

/** The address of a unix socket as the kernel takes it; `size_bytes` decides how much of an abstract name counts. */
export interface UnixAddress {
  readonly bytes: Uint8Array;
  readonly size_bytes: number;
}

/**
 * Makes an address: a path, or an abstract name when it begins with "@" or NUL (as NOTIFY_SOCKET and Bun.listen write
 * it). An abstract name has no NUL at its end; its length counts. Null when it is longer than a unix address can be.
 */
export function unixAddress(name: string): UnixAddress | null {
  const abstract = name.startsWith("@") || name.startsWith("\0");
  const text = new TextEncoder().encode(checkText(abstract ? name.slice(1) : name, "socket address"));
  if (text.length === 0 || text.length + 1 > SUN_PATH_SIZE_BYTES) return null;
  const address = SOCKADDR_UN.allocate();
  address.set("sun_family", AF_UNIX);
  address.get("sun_path").set(text, abstract ? 1 : 0);
  // Both take one byte more than the text: the leading NUL of an abstract name, the closing one of a path.
  return { bytes: address.bytes, size_bytes: ADDRESS_HEAD_SIZE_BYTES + text.length + 1 };
}

/** Opens an unbound datagram socket that never blocks and does not leak into child processes. */
export function openDatagram(): { readonly kind: "opened"; readonly fd: number } | NativeFailure {
  const fd = libc().socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  return fd < 0 ? failure("socket") : { kind: "opened", fd };
}

/** Gives the socket an address, so that others can send to it. */
export function bindDatagram(fd: number, address: UnixAddress): { readonly kind: "bound" } | NativeFailure {
  return libc().bind(checkFd(fd), address.bytes, address.size_bytes) === 0
    ? { kind: "bound" }
    : failure("bind");
}

/** `full`: the receiver has no room right now, try again later. */
export type SendAnswer =
  | { readonly kind: "sent"; readonly size_bytes: number }
  | { readonly kind: "full" }
  | NativeFailure;

const FULL: SendAnswer = { kind: "full" };

/** Sends one datagram without waiting and without SIGPIPE. */
export function sendDatagram(fd: number, data: Uint8Array, address: UnixAddress): SendAnswer {
  checkBytes(data, "data");
  const sent = libc().sendto(
    checkFd(fd),
    // An empty TypedArray has no address.
    data.length === 0 ? null : data,
    data.length,
    MSG_DONTWAIT | MSG_NOSIGNAL,
    address.bytes,
    address.size_bytes,
  );
  if (sent >= 0n) return { kind: "sent", size_bytes: Number(sent) };
  const failed = failure("sendto");
  return errnoName(failed.errno) === "EAGAIN" ? FULL : failed;
}

/** `empty`: nothing has arrived. */
export type ReceiveAnswer =
  | { readonly kind: "received"; readonly size_bytes: number }
  | { readonly kind: "empty" }
  | NativeFailure;

/** Takes one datagram into `into` without waiting; what does not fit is lost, as the kernel has it. */
export function receiveDatagram(fd: number, into: Uint8Array): ReceiveAnswer {
  if (checkBytes(into, "into").length === 0) throw new TypeError("no room to receive into");
  const received = libc().recv(checkFd(fd), into, into.length, MSG_DONTWAIT);
  if (received >= 0n) return { kind: "received", size_bytes: Number(received) };
  const failed = failure("recv");
  return errnoName(failed.errno) === "EAGAIN" ? { kind: "empty" } : failed;
}

/** Blocks the thread until something can be received or the time is over: for command line tools, never for the daemon. */
export function waitReadable(fd: number, timeout_ms: number): boolean {
  const entry = POLLFD.allocate();
  entry.set("fd", checkFd(fd));
  entry.set("events", POLLIN);
  return libc().poll(entry.bytes, 1, checkInt32(timeout_ms, "timeout_ms")) > 0;
}

/** Closes the socket. */
export function closeDatagram(fd: number): void {
  closeSync(checkFd(fd));
}
