/** One reply, its keys in the order in which they came. Numbers stay numbers, strings lose their quotes. */
export type ReplyFields = ReadonlyMap<string, string | number>;

/** Takes a reply apart. Lines that are not `key = value` are kept under their own text, so that no byte is overlooked. */
export function parseReply(body: string): ReplyFields {
  const fields = new Map<string, string | number>();
  for (const line of body.split("\n").filter((text) => text !== "")) {
    const found = /^(\S+) = (?:"(.*)"|(-?\d+))$/.exec(line);
    if (found === null) fields.set(line, "");
    else fields.set(found[1] as string, found[3] === undefined ? (found[2] as string) : Number(found[3]));
  }
  return fields;
}

/** op_result, or `result` of the replies that have no op_result (hello, quit, info, dump); NaN when there is neither. */
export function resultOf(fields: ReplyFields): number {
  const value = fields.get("op_result") ?? fields.get("result");
  return typeof value === "number" ? value : Number.NaN;
}

/** A reply on one line, for people. */
export function showReply(fields: ReplyFields): string {
  return [...fields].map(([key, value]) => `${key}=${value}`).join(" ");
}
