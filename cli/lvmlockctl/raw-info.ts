/**
 * The info and dump texts as stock lvmlockctl gets them: asked for on the stream, delivered as datagrams to an abstract
 * address that the asker has bound before.
 */
import { DEADLINES } from "../../core/deadlines.ts";
import { EXIT, explain } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { DUMP_DATAGRAM_ADDRESS } from "../../core/wire/client-codec.ts";
import {
  bindDatagram,
  closeDatagram,
  openDatagram,
  receiveDatagram,
  unixAddress,
  waitReadable,
} from "../../plugins/native/datagram.ts";
import { errnoName, failureText } from "../../plugins/native/errno.ts";
import { type DaemonConnection, failure, type TalkFailure } from "./connection.ts";

export type RawAnswer =
  /** `warning` says that the text is cut; "" when it is complete. */
  { readonly kind: "text"; readonly text: string; readonly warning: string } | TalkFailure;

/** Asks for "info" or "dump" and collects the datagrams. */
export async function fetchRawText(
  connection: DaemonConnection,
  request: "info" | "dump",
): Promise<RawAnswer> {
  const bound = await bindDumpAddress();
  if (bound.kind === "failed") return bound;
  try {
    const answer = await connection.ask(request, {}, DEADLINES.ctl_reply_ms);
    if (answer.kind === "failed") return answer;
    const result = answer.reply.number("result") ?? 0;
    const announced_bytes = answer.reply.number("dump_len") ?? 0;
    const collected = collect(bound.fd, Math.min(announced_bytes, LIMITS.ctl_dump_size_bytes));
    if (collected.kind === "failed") return collected;
    // A C daemon whose buffer was too small sends what fitted, with this result.
    const warning = result < 0 ? `the text is incomplete: ${explain(result)}` : "";
    return { kind: "text", text: collected.text, warning };
  } finally {
    closeDatagram(bound.fd);
  }
}

/** There is one such address for all, so another lvmlockctl may have it for a moment. */
async function bindDumpAddress(): Promise<{ readonly kind: "bound"; readonly fd: number } | TalkFailure> {
  const address = unixAddress(DUMP_DATAGRAM_ADDRESS);
  const opened = openDatagram();
  if (opened.kind === "failed" || address === null) {
    return failure(
      `can't open a datagram socket: ${opened.kind === "failed" ? failureText(opened) : ""}`,
      EXIT.failure,
    );
  }
  const give_up_at_ms = performance.now() + DEADLINES.ctl_datagram_address_ms;
  for (;;) {
    const bound = bindDatagram(opened.fd, address);
    if (bound.kind === "bound") return { kind: "bound", fd: opened.fd };
    if (errnoName(bound.errno) !== "EADDRINUSE" || performance.now() > give_up_at_ms) {
      closeDatagram(opened.fd);
      return failure(
        `the address for the daemon's text can't be taken: ${failureText(bound)}. Another program holds the abstract ` +
          "socket lvmlockd-dump.sock (see ss -xa). With --reportformat json no such address is needed.",
        EXIT.busy,
      );
    }
    await Bun.sleep(50);
  }
}

function collect(
  fd: number,
  size_bytes: number,
): { readonly kind: "collected"; readonly text: string } | TalkFailure {
  const text = Buffer.alloc(size_bytes);
  const datagram = new Uint8Array(new ArrayBuffer(LIMITS.dump_datagram_size_bytes));
  let length = 0;
  while (length < size_bytes) {
    const answer = receiveDatagram(fd, datagram);
    if (answer.kind === "failed") return failure(`receiving failed: ${failureText(answer)}`, EXIT.failure);
    if (answer.kind === "received") {
      text.set(datagram.subarray(0, Math.min(answer.size_bytes, size_bytes - length)), length);
      length += answer.size_bytes;
    } else if (!waitReadable(fd, DEADLINES.ctl_datagram_ms)) {
      return failure(`lvmlockd sent ${length} of ${size_bytes} bytes and then nothing more`, EXIT.failure);
    }
  }
  return { kind: "collected", text: text.toString("utf8").replaceAll("\0", "") };
}
