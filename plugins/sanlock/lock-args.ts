/**
 * The lock args that LVM keeps in the metadata: of a VG "1.0.0:lvmlock" or, with options, "2.0.0:lvmlock:notimeout:persist"; of
 * an LV "1.0.0:70254592", the byte offset of its lease.
 */

const VG_ARGS_MAJOR_MAX = 2;
const LV_ARGS_MAJOR_MAX = 1;
/** LVM's metadata keeps lock args in 64 characters. */
const LOCK_ARGS_LENGTH_MAX = 64;

/** What a VG's lock args say. */
export interface VgLockArgs {
  readonly lock_lv_name: string;
  readonly no_timeout: boolean;
  readonly persist: boolean;
}

/** What a user may ask for with --setlockargs. `caw` is kept in the leases, not in the args. */
export interface UserLockArgs {
  readonly no_timeout: boolean;
  readonly persist: boolean;
  readonly caw: "yes" | "no" | "default";
}

/** Parsed args, or why they can't be used, as a sentence. */
export type Parsed<Args> =
  | { readonly kind: "parsed"; readonly args: Args }
  | { readonly kind: "wrong"; readonly problem: string };

const wrong = (problem: string): { readonly kind: "wrong"; readonly problem: string } => ({
  kind: "wrong",
  problem,
});

/** The major version and the fields behind it; null when there is no version. */
function split(args: string): { readonly major: number; readonly fields: readonly string[] } | null {
  const [version = "", ...fields] = args.split(":");
  const major = /^(\d+)\.\d+\.\d+$/.exec(version)?.[1];
  return major === undefined ? null : { major: Number(major), fields };
}

/** Reads a VG's lock args. Unknown words behind the name are left to the lvmlockd that knows them, as the C daemon does. */
export function parseVgLockArgs(text: string): Parsed<VgLockArgs> {
  if (text === "" || text === "none") return wrong("the VG has no lock args");
  const parts = split(text);
  const [lock_lv_name = "", ...words] = parts?.fields ?? [];
  if (parts === null || lock_lv_name === "") return wrong(`the VG's lock args "${text}" can't be read`);
  if (parts.major > VG_ARGS_MAJOR_MAX)
    return wrong(`the VG's lock args "${text}" were made by a newer lvmlockd (version ${parts.major})`);
  if (isForeign(lock_lv_name))
    return wrong(`the VG belongs to another lock manager (${lock_lv_name}), not to sanlock`);
  return {
    kind: "parsed",
    args: { lock_lv_name, no_timeout: words.includes("notimeout"), persist: words.includes("persist") },
  };
}

/** Other lock managers that serve VGs under sanlock's name leave an identity with a dot here, which no lock LV has. */
function isForeign(lock_lv_name: string): boolean {
  return lock_lv_name.startsWith("local.");
}

/** A VG's lock args in the oldest version that can say them; null when they are too long for the metadata. */
export function formatVgLockArgs({ lock_lv_name, no_timeout, persist }: VgLockArgs): string | null {
  const words = [...(no_timeout ? ["notimeout"] : []), ...(persist ? ["persist"] : [])];
  const version = words.length === 0 ? "1.0.0" : "2.0.0";
  const text = [version, lock_lv_name, ...words].join(":");
  return text.length >= LOCK_ARGS_LENGTH_MAX ? null : text;
}

/** The words of --setlockargs, each with the one that contradicts it. */
const USER_WORDS: Readonly<Record<string, string>> = {
  persist: "nopersist",
  nopersist: "persist",
  notimeout: "timeout",
  timeout: "notimeout",
  caw: "nocaw",
  nocaw: "caw",
};

/** Reads --setlockargs: "persist,notimeout,caw" and their opposites; "" asks for nothing. */
export function parseUserLockArgs(text: string): Parsed<UserLockArgs> {
  const words = new Set(text === "" ? [] : text.split(","));
  for (const word of words) {
    const opposite = USER_WORDS[word];
    if (opposite === undefined) return wrong(`the lock args "${text}" have an unknown word "${word}"`);
    if (words.has(opposite)) return wrong(`the lock args "${text}" say both ${word} and ${opposite}`);
  }
  const caw = words.has("caw") ? "yes" : words.has("nocaw") ? "no" : "default";
  return { kind: "parsed", args: { no_timeout: words.has("notimeout"), persist: words.has("persist"), caw } };
}

/** Reads the byte offset of a lease from an LV's lock args. */
export function parseLvLockArgs(text: string): Parsed<number> {
  const parts = split(text);
  const offset = parts?.fields.at(-1) ?? "";
  if (parts === null || !/^\d+$/.test(offset)) return wrong(`the LV's lock args "${text}" can't be read`);
  if (parts.major > LV_ARGS_MAJOR_MAX)
    return wrong(`the LV's lock args "${text}" were made by a newer lvmlockd (version ${parts.major})`);
  const offset_bytes = Number(offset);
  if (!Number.isSafeInteger(offset_bytes))
    return wrong(`the LV's lock args "${text}" name no place on a disk`);
  return { kind: "parsed", args: offset_bytes };
}

export function formatLvLockArgs(offset_bytes: number): string {
  return `1.0.0:${offset_bytes}`;
}
