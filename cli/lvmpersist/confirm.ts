import { readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import { isTerminal } from "../../plugins/native/terminal.ts";
import { STDERR_FD, STDIN_FD } from "../streams.ts";

const ENDING_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Asks a person whether to go on. Nobody is asked, and the answer is yes, when standard input or error is no terminal, and when
 * lvm is what called: it has asked already, holds locks meanwhile, and hands us its terminal.
 */
export async function confirm(question: string): Promise<boolean> {
  if (!isTerminal(STDIN_FD) || !isTerminal(STDERR_FD) || isCalledByLvm()) return true;
  const { createInterface } = await import("node:readline");
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const close = (): void => lines.close();
  try {
    const answer = await new Promise<string>((resolve) => {
      lines.question(`${question} [y/n]: `, resolve);
      // The end of the input, Ctrl-C and any other way of ending the program are no yes.
      lines.once("close", () => resolve(""));
      for (const signal of ENDING_SIGNALS) process.once(signal, close);
    });
    return /^\s*y(es)?\s*$/i.test(answer);
  } finally {
    for (const signal of ENDING_SIGNALS) process.off(signal, close);
    lines.close();
  }
}

/** lvm's commands are links to one program; lvmlockd calls us with no terminal at all. */
function isCalledByLvm(): boolean {
  try {
    const program = readlinkSync(`/proc/${process.ppid}/exe`).replace(/ \(deleted\)$/, "");
    return basename(program) === "lvm";
  } catch {
    // The link of another user's process can't be read; its name can.
    return readName().startsWith("lvm");
  }
}

function readName(): string {
  try {
    return readFileSync(`/proc/${process.ppid}/comm`, "utf8").trim();
  } catch {
    return "";
  }
}
