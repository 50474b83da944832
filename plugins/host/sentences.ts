import { LIMITS } from "../../core/limits.ts";

/** An error in one line for a person, with the place where one is known (a plugin's syntax error). */
export function errorSentence(error: unknown): string {
  // Bun wraps several build errors of one module into an AggregateError; the first says what to mend first.
  if (error instanceof AggregateError && error.errors.length > 0) return errorSentence(error.errors[0]);
  if (typeof error !== "object" || error === null) return cut(String(error));
  const { name, message, position } = error as { name?: unknown; message?: unknown; position?: unknown };
  const text = typeof message === "string" && message !== "" ? message : String(name ?? error);
  return cut(`${text}${placeOf(position)}`);
}

function placeOf(position: unknown): string {
  if (typeof position !== "object" || position === null) return "";
  const { file, line, column } = position as { file?: unknown; line?: unknown; column?: unknown };
  return typeof line === "number" ? ` (${String(file ?? "")}:${line}:${String(column ?? 0)})` : "";
}

/** The message of a worker's error event, which has the source around the error in front of it. */
export function workerErrorSentence(message: string): string {
  return cut(/^error: (.*)$/m.exec(message)?.[1] ?? message.split("\n", 1)[0] ?? "");
}

/** Text of a plugin, cut to its bound. */
export function cut(text: string): string {
  return text.length <= LIMITS.plugin_text_length ? text : `${text.slice(0, LIMITS.plugin_text_length)}...`;
}
