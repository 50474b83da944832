import { checkFd } from "./arguments.ts";
import { libc } from "./libc.ts";

/**
 * Whether a person sits at this descriptor. Not by `process.stdout.isTTY` and its like, nor by node:tty: those load Bun's streams,
 * which takes as long as the whole start of a short-lived program takes without them (10 ms of processor time on a quick machine).
 */
export function isTerminal(fd: number): boolean {
  return libc().isatty(checkFd(fd)) === 1;
}
