/** lvmlockctl_kill_command, cut into words and run as lvm2's lvmlockctl does it: no shell, the VG's name as last word. */
import { LIMITS } from "../../core/limits.ts";

export type KillCommand =
  | { readonly kind: "command"; readonly words: readonly string[] }
  /** Why it can't be run, as a clause. */
  | { readonly kind: "unusable"; readonly reason: string };

/**
 * Blanks separate the words; a backslash takes the next blank or backslash literally; quotes are ordinary characters. Where
 * lvm2's lvmlockctl silently stops reading (another escape, a control character) or cuts, the command is refused: half of a
 * command that takes LVs offline is none.
 */
export function killCommand(setting: string, vg_name: string): KillCommand {
  if (setting.trim() === "") return { kind: "unusable", reason: "lvmlockctl_kill_command is not set" };
  const words: string[] = [];
  let word = "";
  for (let index = 0; index < setting.length; index++) {
    const letter = setting[index] ?? "";
    if (letter === "\\") {
      index++;
      const next = setting[index] ?? "";
      if (next !== "\\" && !isBlank(next)) {
        return { kind: "unusable", reason: "a backslash in it is not followed by a blank or a backslash" };
      }
      word += next;
    } else if (isBlank(letter)) {
      if (word !== "") words.push(word);
      word = "";
    } else if (letter < "!" || letter > "~") {
      return { kind: "unusable", reason: "it has a character that is not printable ASCII" };
    } else {
      word += letter;
    }
  }
  if (word !== "") words.push(word);
  words.push(vg_name);
  return checkWords(words);
}

/** What C's isspace takes for a blank. */
function isBlank(letter: string): boolean {
  return letter !== "" && " \t\n\v\f\r".includes(letter);
}

function checkWords(words: readonly string[]): KillCommand {
  const program = words[0] ?? "";
  if (!program.startsWith("/")) return { kind: "unusable", reason: "it is not an absolute path" };
  if (words.length > LIMITS.kill_command_words) {
    return { kind: "unusable", reason: `it has more than ${LIMITS.kill_command_words - 1} words` };
  }
  if (words.some((word) => word.length > LIMITS.kill_command_word_length)) {
    return {
      kind: "unusable",
      reason: `one of its words has more than ${LIMITS.kill_command_word_length} characters`,
    };
  }
  return { kind: "command", words };
}

/**
 * Runs it and waits for its end, without a deadline of ours: sanlock and the watchdog have theirs, and ending the command
 * halfway would leave LVs half offline. null is success, else a clause says what happened.
 */
export async function runKillCommand(words: readonly string[]): Promise<string | null> {
  const { childEnvironment } = await import("../environment.ts");
  try {
    const child = Bun.spawn([...words], {
      stdin: "ignore",
      // Its output goes where ours goes for messages; standard output stays ours alone.
      stdout: 2,
      stderr: 2,
      env: childEnvironment(process.env),
    });
    await child.exited;
    if (child.signalCode !== null) return `it was ended by signal ${child.signalCode}`;
    return child.exitCode === 0 ? null : `it exited with status ${child.exitCode}`;
  } catch (error) {
    return `it could not be started: ${error instanceof Error ? error.message : String(error)}`;
  }
}
