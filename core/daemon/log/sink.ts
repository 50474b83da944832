/** Lines to a terminal, file or pipe without ever waiting for its reader. */
import type { Writable } from "node:stream";
import { LIMITS } from "../../limits.ts";
import type { LineSink } from "./log.ts";

/** A sink that drops lines while the reader (a stopped terminal, a full pipe) is too far behind, and says how many. */
export function lineSink(stream: Pick<Writable, "write" | "writableLength">): LineSink {
  let dropped = 0;
  return (line) => {
    if (stream.writableLength > LIMITS.unwritten_log_size_bytes) {
      dropped++;
      return;
    }
    if (dropped > 0) stream.write(`${dropped} lines were dropped, because nobody read them\n`);
    dropped = 0;
    stream.write(line);
  };
}
