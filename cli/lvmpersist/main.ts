import { EXIT } from "../../core/errors.ts";
import { nearestName } from "../../grammar/nearest.ts";
import { parseArguments } from "../getopt.ts";
import { helpText } from "../help.ts";
import { refuseUsage, say, sayError } from "../streams.ts";
import { versionText } from "../version.ts";
import { LVMPERSIST } from "./options.ts";

/** lvmpersist. It parses its command line in full, and then says that it can't do the work yet. */
export async function main(words: readonly string[]): Promise<number> {
  const parsed = parseArguments(LVMPERSIST, words);
  if (parsed.kind === "usage-error") return refuseUsage(LVMPERSIST.name, parsed);
  const given = (name: string): boolean => parsed.options.some((option) => option.name === name);
  const [command, ...surplus] = parsed.operands;
  // lvmpersist of lvm2 shows its help for no arguments as well.
  if (words.length === 0 || given("help") || command === "help") return say(helpText(LVMPERSIST), EXIT.ok);
  if (given("version")) return say(versionText(LVMPERSIST.name), EXIT.ok);
  const names = LVMPERSIST.commands.map((entry) => entry.words.join(" "));
  if (command === undefined) {
    return refuseUsage(LVMPERSIST.name, {
      kind: "usage-error",
      message: `a command is missing: ${names.join(", ")}`,
    });
  }
  if (!names.includes(command)) {
    const near = nearestName(command, names);
    const hint = near === undefined ? "" : `; the nearest is ${near}`;
    return refuseUsage(LVMPERSIST.name, {
      kind: "usage-error",
      message: `there is no command "${command}"${hint}`,
    });
  }
  if (surplus.length > 0) {
    return refuseUsage(LVMPERSIST.name, {
      kind: "usage-error",
      message: `"${surplus[0]}" is one word too many`,
    });
  }
  return sayError(
    `lvmpersist ${command}: not supported by this version. The commands of lvmpersist come with the SCSI persistent ` +
      "reservation plugin of a later version. Nothing was changed. Use lvmpersist of lvm2 2.03.34 or later.",
    EXIT.unsupported,
  );
}
