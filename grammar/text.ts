/**
 * Configuration files are bytes, not text: libdm never decodes them. Inside this room a file is a string with one
 * character per byte (latin1), so that offsets are byte offsets and every byte survives; people see UTF-8.
 */
export function decodeBytes(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/** The bytes of a string that holds one byte per character; the inverse of decodeBytes. */
export function encodeBytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "latin1"));
}

/** Ordinary text as the bytes-in-a-string form of this room, encoded as UTF-8. */
export function rawFromText(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text that the bytes in `raw` spell in UTF-8, or undefined when they are not UTF-8. */
export function textFromRaw(raw: string): string | undefined {
  // Nearly every value is ASCII, where both forms are the same string.
  if (!/[\x80-\xff]/.test(raw)) return raw;
  try {
    return strictUtf8.decode(encodeBytes(raw));
  } catch {
    return undefined;
  }
}

/**
 * `raw` as it may be shown on a terminal: UTF-8 decoded, bytes that are not UTF-8 and control characters written as
 * \xNN. A configuration file must not be able to send escape sequences to the terminal of the person who checks it.
 */
export function displayText(raw: string): string {
  const text = textFromRaw(raw);
  const shown = text ?? raw.replace(/[\x80-\xff]/g, hexEscape);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is being made visible.
  return shown.replace(/[\x00-\x08\x0a-\x1f\x7f-\x9f]/g, hexEscape);
}

function hexEscape(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
}
