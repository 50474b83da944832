/**
 * Settings of lock managers that are not ours. We can't know their names, so they have a section of their own, with one section
 * for each lock type; the manager that serves the type gets them and checks them.
 *
 *     lock_manager_settings { dlm { server = "10.0.0.1"  port = 7000 } }
 */
import { displayText, textFromRaw } from "./text.ts";
import type { ConfigNode, ConfigValue, Origin } from "./tree.ts";

export const MANAGER_SETTINGS_SECTION = "lock_manager_settings";
const LOCK_TYPES = ["sanlock", "dlm", "idm"] as const;

type LockTypeName = (typeof LOCK_TYPES)[number];
type Scalar = string | number;

/** Values by name, for each lock type that has a section. */
export type ManagerSettings = Readonly<
  Partial<Record<LockTypeName, Readonly<Record<string, Scalar | readonly Scalar[]>>>>
>;

/** Something in the section that can't be passed on. */
export interface ManagerSettingsProblem {
  readonly origin: Origin | undefined;
  readonly message: string;
  readonly expected: string | undefined;
}

/** Reads the section out of our own file's tree. Problems are errors: what they are about is left out. */
export function readManagerSettings(own: ConfigNode): {
  readonly settings: ManagerSettings;
  readonly problems: readonly ManagerSettingsProblem[];
} {
  const settings: Partial<Record<LockTypeName, Record<string, Scalar | readonly Scalar[]>>> = {};
  const problems: ManagerSettingsProblem[] = [];
  const section = own.children.get(MANAGER_SETTINGS_SECTION);
  if (section?.value !== undefined) problems.push(notASection(section));
  for (const node of section?.children.values() ?? []) {
    const lock_type = LOCK_TYPES.find((name) => name === node.key);
    if (lock_type === undefined) {
      const message = `${MANAGER_SETTINGS_SECTION} has no "${displayText(node.key)}": its sections are lock types`;
      problems.push({ origin: node.origin, message, expected: `one of ${LOCK_TYPES.join(", ")}` });
      continue;
    }
    if (node.value !== undefined) problems.push(notASection(node));
    settings[lock_type] = readValues(node, problems);
  }
  return { settings, problems };
}

function notASection({ key, origin }: ConfigNode): ManagerSettingsProblem {
  return { origin, message: `"${displayText(key)}" is a section`, expected: `${displayText(key)} { ... }` };
}

function readValues(
  section: ConfigNode,
  problems: ManagerSettingsProblem[],
): Record<string, Scalar | readonly Scalar[]> {
  const values: [string, Scalar | readonly Scalar[]][] = [];
  for (const { key, value, origin, children } of section.children.values()) {
    const read = value === undefined || children.size > 0 ? undefined : plainValue(value);
    if (read !== undefined) values.push([key, read]);
    else {
      const message = `"${displayText(key)}" can't be passed to a lock manager`;
      problems.push({ origin, message, expected: "a number, a text, or a list of them" });
    }
  }
  return Object.fromEntries(values);
}

/** Undefined for bytes that are no text and for numbers that JavaScript would round. */
function plainValue({ scalars }: ConfigValue): Scalar | readonly Scalar[] | undefined {
  const plain: Scalar[] = [];
  for (const scalar of scalars) {
    const value = scalar.kind === "string" ? textFromRaw(scalar.value) : Number(scalar.value);
    if (value === undefined) return undefined;
    if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value))
      return undefined;
    plain.push(value);
  }
  const [only] = plain;
  return only !== undefined && plain.length === 1 ? only : plain;
}
