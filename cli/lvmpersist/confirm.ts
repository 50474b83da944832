import { closeSync, openSync, readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import { isTerminal } from "../../plugins/native/terminal.ts";
import { STDERR_FD, STDIN_FD, writeAll } from "../streams.ts";

const ENDING_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Asks a person whether to go on. Nobody is asked, and the answer is yes, when standard input is no terminal, and when lvm is what
 * called: it has asked already, holds locks meanwhile, and hands us its terminal. Where standard error goes elsewhere (`2>log`, or
 * `2>&1 | tee log`), the person is asked on the terminal itself, with these lines of warning; where that can't be reached, it is a no.
 */
export async function confirm(question: string, warnings: readonly string[]): Promise<boolean> {
  if (!isTerminal(STDIN_FD) || isCalledByLvm()) return true;
  const prompt = `${question} [y/n]: `;
  if (isTerminal(STDERR_FD)) return await answerTo(prompt, true);
  const fd = openTerminal();
  if (fd === null) return false;
  try {
    writeAll(fd, [...warnings, prompt].join("\n"));
    return await answerTo(prompt, false);
  } finally {
    closeSync(fd);
  }
}

/** The terminal at which standard input is read, for writing; null when it can't be opened. */
function openTerminal(): number | null {
  for (const path of ["/dev/tty", "/proc/self/fd/0"]) {
    try {
      return openSync(path, "w");
    } catch {
      // There is no controlling terminal, or the terminal is another user's; the next one may do.
    }
  }
  return null;
}

/** Reads one line. The prompt is shown on standard error unless it is on the screen already. */
async function answerTo(prompt: string, is_shown_here: boolean): Promise<boolean> {
  const { createInterface } = await import("node:readline");
  const lines = createInterface(
    is_shown_here
      ? { input: process.stdin, output: process.stderr }
      : { input: process.stdin, terminal: false },
  );
  const close = (): void => lines.close();
  try {
    const answer = await new Promise<string>((resolve) => {
      if (is_shown_here) lines.question(prompt, resolve);
      else lines.once("line", resolve);
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
