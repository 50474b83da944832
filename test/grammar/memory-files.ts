import type { LoadOptions } from "../../grammar/load-options.ts";
import type { ReadFile } from "../../grammar/read-file.ts";
import { encodeBytes, rawFromText } from "../../grammar/text.ts";

/** A reader of files that exist in memory only; text is encoded as UTF-8. */
export function readFrom(files: Readonly<Record<string, string | Uint8Array>>): ReadFile {
  return (path) => {
    const content = files[path];
    if (content === undefined) return { kind: "missing" };
    return { kind: "read", bytes: typeof content === "string" ? encodeBytes(rawFromText(content)) : content };
  };
}

/** Options to load the files of /etc/lvm, given by their names, on the host "host1". */
export function optionsFor(files: Readonly<Record<string, string | Uint8Array>>): LoadOptions {
  const placed = Object.entries(files).map(([name, content]) => [`/etc/lvm/${name}`, content] as const);
  return {
    system_dir: "/etc/lvm",
    own_file: "/etc/lvm/lvmlockd.conf",
    hostname: "host1",
    read_file: readFrom(Object.fromEntries(placed)),
  };
}
