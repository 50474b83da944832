import type { Span } from "./syntax.ts";

/** What is wrong at one place of one file, before it is known which file and line that is (see diagnose.ts). */
export interface Problem extends Span {
  readonly severity: "error" | "warning";
  /** What is wrong, as one clause without a full stop. */
  readonly message: string;
  /** What would have been right here. */
  readonly expected?: string;
  /** What the person probably meant, or what to do. */
  readonly hint?: string;
}
