/** How the programs speak: results on standard output, everything else on standard error, exit statuses as values. */
import { writeSync } from "node:fs";
import { EXIT } from "../core/errors.ts";
import type { UsageError } from "./getopt.ts";

export const STDIN_FD = 0;
export const STDOUT_FD = 1;
export const STDERR_FD = 2;

/**
 * Writes a result and hands back the exit status, so that a caller can return both in one line. A result that can't be written
 * (a full disk) is a failure, whatever the status was to be.
 */
export function say(text: string, exit_status: number): number {
  const problem = writeAll(STDOUT_FD, text.endsWith("\n") || text === "" ? text : `${text}\n`);
  return problem === null ? exit_status : sayError(`The output can't be written: ${problem}`, EXIT.failure);
}

/** Writes a line for a person to standard error, and hands back the exit status. When it can't be written, nobody can be told. */
export function sayError(text: string, exit_status: number): number {
  writeAll(STDERR_FD, text.endsWith("\n") ? text : `${text}\n`);
  return exit_status;
}

/** Refuses a command line: what is wrong with it, and where the help is. */
export function refuseUsage(program: string, error: UsageError): number {
  return sayError(`${program}: ${error.message}\nTry: ${program} --help`, EXIT.usage);
}

/**
 * Writes everything before it returns, because process.exit follows and would cut what a stream still holds. A reader that
 * has gone (`lvmlockctl -i | head`) ends the output in silence. The answer is what went wrong otherwise, or null.
 */
export function writeAll(fd: number, text: string): string | null {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at, bytes.length - at);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : "";
      if (code === "EPIPE") return null;
      // A pipe that somebody else made non-blocking and that is full right now.
      if (code !== "EAGAIN") return error instanceof Error ? error.message : String(error);
      Bun.sleepSync(1);
    }
  }
  return null;
}
