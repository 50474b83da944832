import { closeSync } from "node:fs";
import { DEADLINES } from "../../core/deadlines.ts";
import { LIMITS } from "../../core/limits.ts";
import { unixAddress, waitReadable } from "../native/datagram.ts";
import { errnoName, failure, failureText, lastErrno } from "../native/errno.ts";
import { libc } from "../native/libc.ts";
import { peerCredentials } from "../native/peer-credentials.ts";
import { stableMemory } from "../native/structs.ts";
import type { MultipathdOutcome } from "./exchange.ts";
import { parseReservationKey } from "./keys.ts";
import type { ReservationKey } from "./reservable.ts";

/*
 * multipathd registers paths that return or are added, with the key that it was told for the map (`setprkey`), which it keeps in
 * /etc/multipath/prkeys when multipath.conf says `reservation_key file`. mpathpersist tells it so too. A message on its socket
 * is a length of 8 bytes and the text with its NUL, in both directions (libmpathcmd).
 */

/** multipathd listens on both since 0.12, on the abstract one alone before. */
const SOCKETS = ["/run/multipathd.socket", "@/org/kernel/linux/storage/multipathd"] as const;
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const MSG_NOSIGNAL = 0x4000;
const LENGTH_SIZE_BYTES = 8;

/** One command as the socket takes it. */
export function encodeCommand(command: string): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(`${command}\0`);
  const message = stableMemory(LENGTH_SIZE_BYTES + text.length);
  new DataView(message.buffer).setBigUint64(0, BigInt(text.length), true);
  message.set(text, LENGTH_SIZE_BYTES);
  return message;
}

/** What has arrived of a reply: not all yet, all of it, or something that is no reply of a bounded length. */
export function decodeReply(
  received: Uint8Array,
): { readonly kind: "part" | "malformed" } | { readonly kind: "reply"; readonly text: string } {
  if (received.length < LENGTH_SIZE_BYTES) return { kind: "part" };
  const view = new DataView(received.buffer, received.byteOffset, received.length);
  const size_bytes = view.getBigUint64(0, true);
  if (size_bytes > BigInt(LIMITS.multipathd_reply_size_bytes - LENGTH_SIZE_BYTES))
    return { kind: "malformed" };
  const end = LENGTH_SIZE_BYTES + Number(size_bytes);
  if (received.length < end) return { kind: "part" };
  const text = new TextDecoder().decode(received.subarray(LENGTH_SIZE_BYTES, end));
  return { kind: "reply", text: text.replace(/\0[\s\S]*$/, "").trim() };
}

/** The key that multipathd has for a map, from its reply to `getprkey`; null when it has none. */
export function parseKeyReply(reply: string): { key: ReservationKey; aptpl: boolean } | null {
  const [, text, flag] = /^(0x[0-9a-fA-F]+)(:aptpl)?$/.exec(reply) ?? [];
  if (text === undefined) return null;
  const parsed = parseReservationKey(text);
  return parsed.kind === "key" ? { key: parsed.key, aptpl: flag !== undefined } : null;
}

/** It is there, and all connections that may wait for it are taken. */
const FULL: MultipathdOutcome = { kind: "absent", detail: "multipathd does not take connections" };

/** Sends one command to multipathd and waits for its reply, blocking the thread, within DEADLINES.multipathd_ms. */
export function askMultipathd(command: string, sockets: readonly string[] = SOCKETS): MultipathdOutcome {
  let absent: MultipathdOutcome = { kind: "absent", detail: "multipathd is not running" };
  for (const name of sockets) {
    // A connect that blocks waits without an end for a multipathd that hangs and takes no more connections.
    const fd = libc().socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return { kind: "absent", detail: failureText(failure("socket")) };
    try {
      const address = unixAddress(name);
      if (address === null) continue;
      if (libc().connect(fd, address.bytes, address.size_bytes) !== 0) {
        if (errnoName(lastErrno()) === "EAGAIN") absent = FULL;
        continue;
      }
      const peer = peerCredentials(fd);
      // Any user may listen on an abstract name that nobody has; only root's multipathd registers paths.
      if (peer.kind !== "peer" || peer.uid !== 0) {
        absent = { kind: "absent", detail: "multipathd's socket belongs to another user than root" };
        continue;
      }
      return converse(fd, command);
    } finally {
      closeSync(fd);
    }
  }
  return absent;
}

function converse(fd: number, command: string): MultipathdOutcome {
  const message = encodeCommand(command);
  // A command takes less room than any socket buffer has, so that this never waits and is never partial.
  if (libc().sendto(fd, message, message.length, MSG_NOSIGNAL, null, 0) !== BigInt(message.length))
    return { kind: "absent", detail: failureText(failure("send to multipathd")) };
  const received = stableMemory(LIMITS.multipathd_reply_size_bytes);
  const end_ms = performance.now() + DEADLINES.multipathd_ms;
  let size_bytes = 0;
  for (;;) {
    const reply = decodeReply(received.subarray(0, size_bytes));
    if (reply.kind === "reply") return { kind: "multipathd", reply: reply.text };
    if (reply.kind === "malformed") return { kind: "absent", detail: "multipathd's reply makes no sense" };
    const left_ms = Math.ceil(end_ms - performance.now());
    if (left_ms <= 0 || !waitReadable(fd, left_ms))
      return { kind: "absent", detail: `multipathd did not answer within ${DEADLINES.multipathd_ms} ms` };
    const room = received.subarray(size_bytes);
    const count = Number(libc().recv(fd, room, room.length, 0));
    if (count <= 0) return { kind: "absent", detail: "multipathd closed the connection without an answer" };
    size_bytes += count;
  }
}
