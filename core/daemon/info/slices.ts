/** Making long texts between requests: a slice of a fifth of a millisecond, then whoever waits has their turn. */
import { DEADLINES } from "../../deadlines.ts";

/** Characters that make one chunk: in one-byte characters, which names are made of, it fits a datagram. */
const CHUNK_LENGTH = 60_000;
/** How many pieces are made between two looks at the clock, which costs as much as a piece. */
const PIECES_PER_LOOK = 8;

export interface SliceOptions {
  /** A number that grows with every request that is served: while it does, the pauses are longer. */
  readonly served: () => number;
  readonly now_ms: () => number;
}

/** Runs `pieces` to its end and gives the text to `done` as bytes in chunks. Nothing can go wrong but what `pieces` throws. */
export function makeInSlices(
  pieces: Iterator<string, void>,
  options: SliceOptions,
  done: (chunks: Buffer[]) => void,
): void {
  const { served, now_ms } = options;
  const chunks: Buffer[] = [];
  let text = "";
  let served_before = served();
  let busy_until_ms = Number.NEGATIVE_INFINITY;

  /** False when there are no more pieces. */
  function makeSome(): boolean {
    for (let i = 0; i < PIECES_PER_LOOK; i++) {
      const piece = pieces.next();
      if (piece.done) return false;
      text += piece.value;
      if (text.length < CHUNK_LENGTH) continue;
      chunks.push(Buffer.from(text));
      text = "";
    }
    return true;
  }

  /** A client that waits for each answer has nothing under way at most moments, so what was a moment ago counts as well. */
  function isBusy(): boolean {
    const served_now = served();
    if (served_now !== served_before) busy_until_ms = now_ms() + DEADLINES.text_busy_ms;
    served_before = served_now;
    return now_ms() < busy_until_ms;
  }

  function slice(): void {
    const end_ms = now_ms() + DEADLINES.text_slice_ms;
    let more = makeSome();
    while (more && now_ms() < end_ms) more = makeSome();
    if (!more) {
      if (text !== "") chunks.push(Buffer.from(text));
      done(chunks);
      return;
    }
    if (isBusy()) setTimeout(slice, DEADLINES.text_pause_ms);
    else setImmediate(slice);
  }

  slice();
}
