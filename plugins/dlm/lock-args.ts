/** The lock args that LVM keeps in a VG's metadata: "1.0.0:<cluster name>". LVs have none. */

const VG_ARGS_MAJOR_MAX = 1;
/** LVM's metadata keeps lock args in 64 characters, and the C daemon takes one less. */
const LOCK_ARGS_LENGTH_MAX = 63;

/** Parsed args, or why they can't be used, as a sentence. */
export type ParsedArgs =
  | { readonly kind: "parsed"; readonly cluster_name: string }
  | { readonly kind: "wrong"; readonly problem: string };

const wrong = (problem: string): ParsedArgs => ({ kind: "wrong", problem });

/** Reads the name of the cluster that a VG belongs to: what is behind the last colon, as in the C daemon. */
export function parseVgLockArgs(text: string): ParsedArgs {
  if (text === "" || text === "none") return wrong("the VG has no lock args");
  const version = /^(\d+)\.\d+\.\d+:/.exec(text);
  const cluster_name = text.slice(text.lastIndexOf(":") + 1);
  if (version === null || cluster_name === "") return wrong(`the VG's lock args "${text}" can't be read`);
  if (Number(version[1]) > VG_ARGS_MAJOR_MAX)
    return wrong(`the VG's lock args "${text}" were made by a newer lvmlockd (version ${version[1]})`);
  return { kind: "parsed", cluster_name };
}

/** The lock args of a new VG of this cluster; null when the name is too long for the metadata. */
export function formatVgLockArgs(cluster_name: string): string | null {
  const text = `1.0.0:${cluster_name}`;
  return text.length > LOCK_ARGS_LENGTH_MAX ? null : text;
}
