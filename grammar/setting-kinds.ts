import * as v from "valibot";

/** A value as it comes out of the tree: scalars as they are, lists only where more or less than one value stands. */
export type RawSetting = bigint | number | string | readonly (bigint | number | string)[];

/** What values a setting takes: the check, and how the documentation and error messages call it. */
export interface SettingKind<Value> {
  readonly schema: v.GenericSchema<unknown, Value>;
  /** What a value must also be like to have an effect: else a file's value is warned about and an edit is refused. */
  readonly sensible?: v.GenericSchema<unknown, unknown>;
  /** Short, for a table: "integer from 0 to 2000". */
  readonly type: string;
  /** For an error message: "an integer from 0 to 2000". */
  readonly expected: string;
}

function kind<Value>(
  type: string,
  expected: string,
  schema: v.GenericSchema<unknown, Value>,
): SettingKind<Value> {
  return { type, expected, schema };
}

// libdm takes every integer and these words, in any case; it reads them in _str_to_bool.
const trueWords = new Set(["y", "yes", "on", "true"]);
const falseWords = new Set(["n", "no", "off", "false"]);

const boolInteger = v.pipe(
  v.bigint(),
  v.transform((value) => value !== 0n),
);
const boolWord = v.pipe(
  v.string(),
  v.transform((word) => word.toLowerCase()),
  v.check((word) => trueWords.has(word) || falseWords.has(word)),
  v.transform((word) => trueWords.has(word)),
);

/** A boolean as libdm reads it. */
export function boolean(): SettingKind<boolean> {
  return kind(
    "boolean",
    '0 or 1 (or "no"/"yes", "off"/"on", "false"/"true")',
    v.union([boolInteger, boolWord]),
  );
}

/** An integer within bounds that a JavaScript number holds exactly. */
export function integer(options: {
  readonly min: number;
  readonly max: number;
  readonly unit?: string;
}): SettingKind<number> {
  const unit = options.unit === undefined ? "" : ` (${options.unit})`;
  const range = `from ${options.min} to ${options.max}${unit}`;
  const schema = v.pipe(
    v.bigint(),
    v.minValue(BigInt(options.min)),
    v.maxValue(BigInt(options.max)),
    v.transform(Number),
  );
  return kind(`integer ${range}`, `an integer ${range}`, schema);
}

/** One of a few integers. */
export function oneInteger<const Value extends number>(
  values: readonly Value[],
  unit: string,
): SettingKind<Value> {
  const schema = v.pipe(v.bigint(), v.transform(Number), v.picklist(values));
  const list = values.join(", ");
  return kind(`one of ${list} (${unit})`, `one of ${list} (${unit})`, schema);
}

/** One of a few words. lvm compares such words without regard to case; the result is the word as it is listed. */
export function oneWord<const Word extends string>(words: readonly Word[]): SettingKind<Word> {
  const schema = v.pipe(
    v.string(),
    v.transform((word) => word.toLowerCase()),
    v.picklist(words),
  );
  const list = words.map((word) => `"${word}"`).join(", ");
  return kind(`one of ${list}`, `one of ${list}`, schema);
}

/** A string that may be empty. */
export function text(): SettingKind<string> {
  return kind("string", "a string in quotes", v.string());
}

/** A file name from the root. */
export function absolutePath(): SettingKind<string> {
  const schema = v.pipe(v.string(), v.startsWith("/"), v.maxLength(4095));
  return kind("absolute path", 'an absolute path in quotes, like "/run/file"', schema);
}

/** Nothing, or a command with its arguments whose program is given by its full path, as lvmlockctl demands it. */
export function commandLine(): SettingKind<string> {
  const schema = v.pipe(
    v.string(),
    v.check((command) => command === "" || command.startsWith("/")),
  );
  return kind("command", '"" or a command that begins with the full path of its program', schema);
}

/** A persistent reservation key: up to 16 hexadecimal digits, 0x in front or not. */
export function reservationKey(): SettingKind<string> {
  const schema = v.pipe(v.string(), v.regex(/^(?:0[xX])?[0-9a-fA-F]{1,16}$/));
  return kind("hexadecimal key", 'a key of 1 to 16 hexadecimal digits in quotes, like "0x1a2b"', schema);
}

/** A reservation key of our own settings: as lvm and sg_persist print it, or a decimal number. */
export function printedKey(): SettingKind<string> {
  const schema = v.pipe(v.string(), v.regex(/^(?:0x[1-9a-fA-F][0-9a-fA-F]{0,15}|[1-9][0-9]{0,19})$/));
  const expected =
    'a key in quotes: 0x and 1 to 16 hexadecimal digits without a leading zero, like "0x1a2b", or a decimal number';
  return kind("reservation key", expected, schema);
}

/** Devices with the VG that they belong to. */
export function devicesOfVgs(): SettingKind<readonly string[]> {
  const entry = v.pipe(v.string(), v.regex(/^[a-zA-Z0-9+_.][a-zA-Z0-9+_.-]*:\/./));
  const one = v.pipe(
    entry,
    v.transform((single): readonly string[] => [single]),
  );
  const schema = v.union([one, v.pipe(v.array(entry), v.readonly())]);
  return kind(
    "list of VG:device",
    'a list of VGs with the absolute path of a device, like [ "vg1:/dev/disk/by-id/wwn-0x5000c500" ]',
    schema,
  );
}

/**
 * Names; a single one may stand without brackets, as everywhere in libdm. lvm itself takes any strings and passes over
 * those that can't be names, so a file with one is no error.
 */
function nameList(options: {
  readonly type: string;
  readonly expected: string;
  readonly entry: RegExp;
}): SettingKind<readonly string[]> {
  const one = v.pipe(
    v.string(),
    v.transform((single): readonly string[] => [single]),
  );
  const many = v.pipe(v.array(v.string()), v.readonly());
  const sensible = v.array(v.pipe(v.string(), v.regex(options.entry)));
  return { ...kind(options.type, options.expected, v.union([one, many])), sensible };
}

/** VGs as lvm's lists in lvm.conf have them. The characters are those that lvm takes for names and tags. */
export function vgList(): SettingKind<readonly string[]> {
  return nameList({
    type: "list of VG, VG/LV or @tag",
    expected: 'a list of VGs, VG/LVs or @tags, like [ "vg1", "vg2/lv1", "@tag" ]',
    entry:
      /^(?:[a-zA-Z0-9+_.][a-zA-Z0-9+_.-]*(?:\/[a-zA-Z0-9+_.][a-zA-Z0-9+_.-]*)?|@(?:\*|[\w+.\-/=!:#&]+))$/,
  });
}

/** System IDs. lvm leaves all other characters out, so that such an ID is never the one that was meant. */
export function systemIdList(): SettingKind<readonly string[]> {
  return nameList({
    type: "list of system IDs",
    expected: 'a list of system IDs (letters, digits and + _ . -), like [ "host1", "host2" ]',
    entry: /^[a-zA-Z0-9][a-zA-Z0-9+_.-]*$/,
  });
}

/**
 * A lock manager plugin: the name of one of ours, an absolute path, or a package. Relative paths are refused, because
 * nothing is ever loaded from the directory in which the daemon happens to be started.
 */
export function pluginReference(): SettingKind<string> {
  const name = /^(?:@[a-z0-9][a-z0-9._-]*\/)?[a-z0-9][a-z0-9._-]*$/;
  const schema = v.pipe(
    v.string(),
    v.maxLength(4095),
    v.check((reference) => reference.startsWith("/") || name.test(reference)),
  );
  return kind("plugin", 'the name of a plugin, a package name, or an absolute path, like "local"', schema);
}
