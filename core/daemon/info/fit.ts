/** Fitting a text of whole-line chunks into the room that its reader has. */

/** The first chunks that fit; every chunk ends at a line's end. */
export function keepFirst(chunks: readonly Buffer[], room_bytes: number): Buffer[] {
  let left_bytes = room_bytes;
  const first_out = chunks.findIndex((chunk) => {
    left_bytes -= chunk.length;
    return left_bytes < 0;
  });
  return first_out < 0 ? [...chunks] : chunks.slice(0, first_out);
}

/** The last chunks that fit. */
export function keepLast(chunks: readonly Buffer[], room_bytes: number): Buffer[] {
  return keepFirst(chunks.toReversed(), room_bytes).reverse();
}
