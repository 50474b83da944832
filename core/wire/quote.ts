/** Strings as they stand in a message. */

/**
 * `text` in double quotes. libdm knows the escapes \" and \\ and nothing else, so two things have no spelling: a NUL would
 * end the message and is left out, and a line that is just `##` would end the frame and gets a blank behind it. Only texts
 * for people (detail, logs) can contain either.
 */
export function quoteText(text: string): string {
  if (!needsCare(text)) return `"${text}"`;
  return `"${text
    .replaceAll("\0", "")
    .replace(/["\\]/g, "\\$&")
    .replace(/\n##(?=\n)/g, "\n## ")}"`;
}

function needsCare(text: string): boolean {
  return text.includes('"') || text.includes("\\") || text.includes("\0") || text.includes("\n##\n");
}
