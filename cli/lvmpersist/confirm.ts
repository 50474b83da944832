import { readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import { createInterface } from "node:readline";

/**
 * Asks a person whether to go on. Nobody is asked, and the answer is yes, when standard input or error is no terminal, and when
 * lvm is what called: it has asked already, holds locks meanwhile, and hands us its terminal.
 */
export async function confirm(question: string): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY || isCalledByLvm()) return true;
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await new Promise<string>((resolve) => {
      lines.question(`${question} [y/n]: `, resolve);
      // The end of the input, or Ctrl-C, is no yes.
      lines.once("close", () => resolve(""));
    });
    return /^\s*y(es)?\s*$/i.test(answer);
  } finally {
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
