import { file_diagnostics_max } from "./bounds.ts";
import { type Diagnostic, diagnoseProblem } from "./diagnose.ts";
import { editDistance } from "./nearest.ts";
import { isSettingName, type SettingName, settingNames, settingRow } from "./settings.ts";
import { displayText } from "./text.ts";
import { type ConfigNode, type Origin, valuesOf } from "./tree.ts";

// lvm's files hold hundreds of names that only lvm knows, and other releases know other ones. So a name there is told
// only when it is nearly one of ours, and then as a warning.

interface KnownName {
  readonly name: SettingName;
  readonly section: string;
  readonly key: string;
}

const lvmNames: readonly KnownName[] = settingNames
  .filter((name) => settingRow(name).file !== "lvmlockd.conf")
  .map((name) => ({ name, ...splitName(name) }));

/** The names of one of lvm's files that look like a misspelled or misplaced setting of ours, as warnings. */
export function findMisspelledNames(root: ConfigNode): Diagnostic[] {
  const diagnostics: Diagnostic[] = [];
  for (const { path, node } of valuesOf(root)) {
    // Below "tags" the names are those that the administrator gives to tags.
    if (path[0] === "tags" || node.origin === undefined) continue;
    const name = path.join("/");
    const hint = hintFor(name);
    if (hint === undefined) continue;
    diagnostics.push(warningAt(node.origin, `unknown setting "${displayText(name)}"`, hint));
    if (diagnostics.length >= file_diagnostics_max) break;
  }
  return diagnostics;
}

function hintFor(name: string): string | undefined {
  if (!isSettingName(name)) {
    const near = nearestSetting(name);
    return near === undefined ? undefined : `did you mean "${near}"?`;
  }
  const { file } = settingRow(name);
  return file === "lvmlockd.conf" ? `"${name}" is a setting of lvmlockd and belongs into ${file}` : undefined;
}

/** The setting of lvm's files that `name` was probably meant to be: its last part in any section, or nearly all of it. */
function nearestSetting(name: string): SettingName | undefined {
  const written = splitName(name.toLowerCase());
  let best: SettingName | undefined;
  let best_distance = Number.POSITIVE_INFINITY;
  for (const known of lvmNames) {
    const distance = distanceTo(known, written);
    if (distance === undefined || distance >= best_distance) continue;
    best = known.name;
    best_distance = distance;
  }
  return best;
}

/** How far apart two names are, or undefined when that is too far for a slip of the hand. */
function distanceTo(
  known: KnownName,
  written: { readonly section: string; readonly key: string },
): number | undefined {
  // Two letters, because the nearest pair that lvm itself has, use_lvmlockd and use_lvmpolld, differs in three.
  const limit = 2;
  if (written.key === known.key) return 0;
  // At the root of a file lvm has no settings, so only the last part is compared; or all, where the slash is no slash.
  if (written.section === "") {
    return nearby(written.key, known.key, limit) ?? nearby(written.key, known.name, limit);
  }
  const inKey = nearby(written.key, known.key, limit);
  if (inKey === undefined) return undefined;
  const inSection = nearby(written.section, known.section, limit - inKey);
  return inSection === undefined ? undefined : inKey + inSection;
}

function nearby(left: string, right: string, limit: number): number | undefined {
  // The lengths alone tell most names apart, and a hostile file has a hundred thousand of them.
  if (Math.abs(left.length - right.length) > limit) return undefined;
  const distance = editDistance(left, right);
  return distance <= limit ? distance : undefined;
}

function splitName(name: string): { readonly section: string; readonly key: string } {
  const slash = name.lastIndexOf("/");
  return { section: name.slice(0, Math.max(0, slash)), key: name.slice(slash + 1) };
}

function warningAt({ file, start, end }: Origin, message: string, hint: string): Diagnostic {
  return diagnoseProblem({ severity: "warning", start, end, message, hint }, file);
}
