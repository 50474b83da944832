import type { ReplyFields } from "../../rig/replies.ts";

/** Keys of info lines that both daemons must have alike; pids, client numbers and threads are each daemon's own. */
const LOCKSPACE_KEYS = ["vg_name", "vg_uuid", "vg_args", "lm_type", "host_id", "kill_vg"];
const RESOURCE_KEYS = ["name", "type", "mode", "sh_count"];
const LOCK_KEYS = ["mode", "flags"];

const keyOf = (line: string, key: string): string => new RegExp(`(?:^| )${key}=(\\S*)`).exec(line)?.[1] ?? "";
const pick = (line: string, keys: readonly string[]): string =>
  keys.map((key) => `${key}=${keyOf(line, key)}`).join(" ");

/** One lockspace's lines of the info text. */
function linesOf(info: string, vg_name: string): string[] {
  const lines = info.split("\n");
  const isHead = (line: string): boolean => line.startsWith("info=ls ");
  const start = lines.findIndex(
    (line) =>
      isHead(line) && keyOf(line, "vg_name") === vg_name && !keyOf(line, "ls_name").startsWith("REM:"),
  );
  if (start < 0) return [];
  const end = lines.findIndex((line, index) => index > start && isHead(line));
  return lines.slice(start, end < 0 ? undefined : end);
}

/**
 * What the info text says about a VG: the lockspace, each resource that is locked or has a version, and its locks in any
 * order. Replies alone do not show the versions that vg_update sets.
 */
export function heldAsShown(info: string, vg_name: string): ReplyFields {
  const shown = new Map<string, string>();
  let resource = "";
  let versioned: readonly string[] = [];
  for (const line of linesOf(info, vg_name)) {
    if (line.startsWith("info=ls ")) shown.set("lockspace", pick(line, LOCKSPACE_KEYS));
    if (line.startsWith("info=r ")) {
      const type = keyOf(line, "type");
      // The C daemon keeps the unlocked LVs of a VG on its list, ours forgets them.
      const matters = keyOf(line, "mode") !== "un" || type === "vg";
      resource = matters ? `${type} ${keyOf(line, "name")}` : "";
      // A disabled global lock loses its version in the C daemon's test mode; on disk it would be kept, as ours keeps it.
      versioned = type === "gl" ? [] : ["version"];
      if (matters) shown.set(resource, pick(line, [...RESOURCE_KEYS, ...versioned]));
    }
    if (line.startsWith("info=lk ") && resource !== "") {
      const others = shown.get(`locks of ${resource}`) ?? "";
      const all = [...others.split("; "), pick(line, [...LOCK_KEYS, ...versioned])];
      shown.set(
        `locks of ${resource}`,
        all
          .filter((lock) => lock !== "")
          .sort()
          .join("; "),
      );
    }
  }
  return new Map([...shown].sort(([one], [other]) => (one < other ? -1 : 1)));
}
