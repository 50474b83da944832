/** How this program is started again, as itself or as one of its siblings: all three are one executable. */

export interface ProgramCall {
  readonly program: string;
  /** Words that come before those for the program. */
  readonly words: readonly string[];
  /** The name decides which program the compiled executable is. */
  readonly argv0: string;
}

/** An executable that was compiled has no script of its own; a script has no name to be called by. */
function isCompiled(): boolean {
  return Bun.main.startsWith("/$bunfs/");
}

/** The other process starts in a directory of its own choice or the caller's: its bunfig.toml and .env must not be loaded. */
const SCRIPT_WORDS = ["--config=/dev/null", "--no-env-file", "run"];

/** This program, with the words that it was started with. */
export function ownCall(): ProgramCall {
  const words = process.argv.slice(2);
  return {
    program: process.execPath,
    words: isCompiled() ? words : [...SCRIPT_WORDS, Bun.main, ...words],
    argv0: process.argv0,
  };
}

/** A sibling of this program by its name, without words of its own yet. */
export function siblingCall(name: "lvmpersist"): ProgramCall {
  return {
    program: process.execPath,
    words: isCompiled() ? [] : [...SCRIPT_WORDS, Bun.main, name],
    argv0: isCompiled() ? name : process.argv0,
  };
}
