/** What crosses between a run and its workers. Bigints and plain data survive the way; devices never take it. */
import type { Job, JobAnswer } from "./job.ts";

export type ToDeviceWorker =
  | { readonly kind: "job"; readonly path: string; readonly job: Job; readonly trace: boolean }
  | { readonly kind: "close" };

export type FromDeviceWorker =
  | { readonly kind: "answer"; readonly answer: JobAnswer }
  /** One line for --debug: what was sent to which device, and what it said. */
  | { readonly kind: "trace"; readonly text: string }
  | { readonly kind: "closed" };
