/** The command line of `bun run test:cluster`. */

export interface RunnerOptions {
  readonly names: readonly string[];
  readonly list: boolean;
  /** Leaves the hosts of a failed scenario running, until Ctrl-C. */
  readonly keep_on_failure: boolean;
  /** Goes on after a failed step: for writing a scenario, where one run should show all that is wrong. */
  readonly go_on: boolean;
  /** Prints every command with its output as it happens. */
  readonly verbose: boolean;
  /** Runs what failed once more, alone, and says so. */
  readonly second_try: boolean;
  /** The C daemon in the place of ours, where the scenario does not say which: a control run. */
  readonly control: boolean;
  /** Guests at the same time, over all scenarios. */
  readonly guests: number;
  /** A patch with a deliberate defect. */
  readonly broken_by: string | null;
}

export const USAGE = `Usage: bun run test:cluster [NAME ...] [--list] [--keep-on-failure] [--verbose] [--guests N] [--broken PATCH] [--control]

Boots real hosts in QEMU and runs the scenarios whose name contains a NAME (all that are not only_by_name, when none is given).
  --list             Print the scenarios and exit.
  --keep-on-failure  Leave the hosts of the first failure running until Ctrl-C, and say how to reach them.
  --go-on            Go on with the next step after one that failed.
  --verbose          Print every command with its output.
  --second-try       Run what failed once more, alone, and call it unstable when it passes then; nothing is forgiven that was granted wrongly or found wrong.
  --control          Leave Debian's own lvmlockd in its place: with --go-on, what C does in each step. Ours are not in the guests then.
  --guests N         Run at most N guests at the same time.
  --broken PATCH     Build our lvmlockd with this patch (patch -p1): scenarios must fail.`;

/**
 * Guests wait for most of the time: with four per core a machine of two cores was idle for a seventh of it. Five take as long in all, because
 * the same work takes them more of the processors.
 */
const guests_per_core = 4;
/** A guest of 512 MB has some 300 MB of its own and what QEMU has translated, and disks are in memory too. */
const guest_memory_mb = 900;

function defaultGuests(cores: number, free_mb: number): number {
  return Math.max(3, Math.min(cores * guests_per_core, Math.floor(free_mb / guest_memory_mb)));
}

const FLAGS = ["--list", "--keep-on-failure", "--go-on", "--verbose", "--second-try", "--control"];

/** Returns a message for a command line that makes no sense. */
export function parseArguments(
  words: readonly string[],
  cores: number,
  free_mb: number,
): RunnerOptions | string {
  const names: string[] = [];
  const flags = new Set<string>();
  let guests = defaultGuests(cores, free_mb);
  let broken_by: string | null = null;
  const rest = [...words];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === "--guests") guests = Number(rest.shift());
    else if (word === "--broken") broken_by = rest.shift() ?? "";
    else if (FLAGS.includes(word)) flags.add(word);
    else if (word.startsWith("-")) return USAGE;
    else names.push(word);
  }
  if (!Number.isInteger(guests) || guests < 1) return "--guests takes a number from 1.";
  if (broken_by === "") return "--broken takes the path of a patch.";
  return {
    names,
    list: flags.has("--list"),
    keep_on_failure: flags.has("--keep-on-failure"),
    go_on: flags.has("--go-on"),
    second_try: flags.has("--second-try"),
    verbose: flags.has("--verbose"),
    control: flags.has("--control"),
    guests,
    broken_by,
  };
}
