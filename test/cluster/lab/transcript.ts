/** What happened in a cluster, in order: every command with its output, and what the lab did to the hosts. */
import type { Result } from "./agent.ts";

export interface Transcript {
  note(who: string, what: string): void;
  /** Something was done that had to be refused; it counts also where another failure is told first. */
  wrong(who: string, what: string): void;
  isWrong(): boolean;
  command(who: string, script: string, result: Result): void;
  text(): string;
  /** Hands out every entry from now on. */
  follow(take: (entry: string) => void): void;
}

const text_chars_max = 4_000_000;

function quoted(text: string, mark: string): string {
  const trimmed = text.trimEnd();
  return trimmed === "" ? "" : `${trimmed.replace(/^/gm, `  ${mark} `)}\n`;
}

/** A command and what it said, as a person would want to read it. */
export function describeResult(who: string, script: string, result: Result): string {
  const head = `${who}# ${script.trim()}\n  = ${result.rc} after ${(result.elapsed_ms / 1000).toFixed(2)} s\n`;
  return head + quoted(result.stdout, "|") + quoted(result.stderr, "!");
}

export function openTranscript(): Transcript {
  const start_ms = performance.now();
  const entries: string[] = [];
  let chars = 0;
  let isWrong = false;
  let follower: (entry: string) => void = () => undefined;
  const add = (text: string): void => {
    const entry = `[${((performance.now() - start_ms) / 1000).toFixed(1)} s] ${text}`;
    entries.push(entry);
    follower(entry);
    chars += entry.length;
    // A run of hours keeps its end, which is where it failed.
    while (chars > text_chars_max) chars -= entries.shift()?.length ?? chars;
  };
  return {
    note: (who, what) => add(`${who}: ${what}\n`),
    wrong: (who, what) => {
      isWrong = true;
      add(`${who}: ${what}\n`);
    },
    isWrong: () => isWrong,
    command: (who, script, result) => add(describeResult(who, script, result)),
    text: () => entries.join(""),
    follow: (take) => {
      follower = take;
    },
  };
}
