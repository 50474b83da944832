/**
 * The content of a double-quoted token without its quotes: only \" and \\ are escapes, any other backslash stays
 * (dm_unescape_double_quotes).
 */
export function unescapeDoubleQuoted(body: string): string {
  return body.includes("\\") ? body.replace(/\\(["\\])/g, "$1") : body;
}

/** `raw` as a double-quoted token that reads back as the same bytes. NUL can't be written: it ends a file for libdm. */
export function quoteString(raw: string): string {
  return `"${raw.replace(/["\\]/g, "\\$&")}"`;
}

/** `key` as it must be written to be one key token; quoted only where a bare identifier would be read otherwise. */
export function writeKey(key: string): string {
  // Quotes, brackets and commas are tokens of their own only where a key begins; the rest ends a key anywhere.
  return /^[^\s\v#={}"'[\],][^\t-\r #={}]*$/.test(key) && !/[\x80-\xff]/.test(key) ? key : quoteString(key);
}

/**
 * The node names that a key stands for: `a/b` is b inside a. Leading and repeated slashes count as one, and a slash at
 * the end names an inner node with an empty name, as libdm has it.
 */
export function splitKeyPath(key: string): string[] {
  return key.replace(/^\/+/, "").split(/\/+/);
}
