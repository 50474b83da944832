/** Bytes written as in a standard's tables: "5e 00 …", spaces and line ends don't matter. */
export function bytes(hex: string): Uint8Array {
  return Uint8Array.fromHex(hex.replaceAll(/\s+/g, ""));
}

/** The other way, for expectations that a person can compare with a table. */
export function hex(data: Uint8Array): string {
  return [...data].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
}
