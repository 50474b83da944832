/** Sending info and dump texts to the datagram socket that lvmlockctl binds, in pieces and without ever waiting. */
import { openDatagram, sendDatagram, unixAddress } from "../../../plugins/native/datagram.ts";
import { failureText } from "../../../plugins/native/errno.ts";
import { assert } from "../../assert.ts";
import { DEADLINES } from "../../deadlines.ts";
import { LIMITS } from "../../limits.ts";
import { DUMP_DATAGRAM_ADDRESS } from "../../wire/client-codec.ts";

/** Sends one text after the other: the receiver counts bytes and could not tell two texts apart. */
export interface DumpSocket {
  /** `failed` hears why a text did not get through; the asker has had its reply by then. */
  send(chunks: readonly Buffer[], failed: (reason: string) => void): void;
}

interface Sending {
  /** Datagrams that are still to be sent, first one first. */
  readonly datagrams: Buffer[];
  readonly failed: (reason: string) => void;
}

export function createDumpSocket(): DumpSocket {
  const address = unixAddress(DUMP_DATAGRAM_ADDRESS);
  assert(address !== null, "the dump socket's name fits a socket address");
  const receiver = address;
  const waiting: Sending[] = [];
  /** Opened for the first text and kept. */
  let fd = -1;
  let stuck_since_ms = 0;

  function send(chunks: readonly Buffer[], failed: (reason: string) => void): void {
    waiting.push({ datagrams: chunks.flatMap(asDatagrams), failed });
    if (waiting.length === 1) begin();
  }

  function begin(): void {
    if (fd < 0) {
      const socket = openDatagram();
      if (socket.kind === "failed") {
        end(failureText(socket));
        return;
      }
      fd = socket.fd;
    }
    stuck_since_ms = performance.now();
    // The reply with the length has to be on its way first; it is written in this turn of the event loop.
    setImmediate(sendOne);
  }

  /** One datagram a turn, so that requests are served in between. */
  function sendOne(): void {
    const sending = waiting[0];
    const datagram = sending?.datagrams[0];
    if (sending === undefined || datagram === undefined) {
      end("");
      return;
    }
    const sent = sendDatagram(fd, datagram, receiver);
    if (sent.kind === "failed") {
      end(failureText(sent));
    } else if (sent.kind === "sent") {
      sending.datagrams.shift();
      stuck_since_ms = performance.now();
      setImmediate(sendOne);
    } else if (performance.now() - stuck_since_ms > DEADLINES.datagram_patience_ms) {
      end("the receiver takes nothing");
    } else {
      setTimeout(sendOne, DEADLINES.datagram_retry_ms);
    }
  }

  function end(reason: string): void {
    const ended = waiting.shift();
    if (reason !== "") ended?.failed(reason);
    if (waiting.length > 0) setImmediate(begin);
  }

  return { send };
}

function asDatagrams(chunk: Buffer): Buffer[] {
  const datagrams: Buffer[] = [];
  for (let at = 0; at < chunk.length; at += LIMITS.dump_datagram_size_bytes)
    datagrams.push(chunk.subarray(at, at + LIMITS.dump_datagram_size_bytes));
  return datagrams;
}
