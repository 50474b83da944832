/** The lines of the raw info text, and the lines that lvm2's own lvmlockctl --info makes of them, which scripts look for. */

/** A line `info=<kind> key=value key=value ...`; keys of empty values are there with "". */
export interface RawLine {
  readonly kind: string;
  readonly keys: ReadonlyMap<string, string>;
  readonly line: string;
}

/** Cuts the text into its lines. */
export function readRawLines(text: string): RawLine[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const keys = new Map<string, string>();
      for (const word of line.split(" ")) {
        const equals = word.indexOf("=");
        if (equals > 0 && !keys.has(word.slice(0, equals)))
          keys.set(word.slice(0, equals), word.slice(equals + 1));
      }
      return { kind: keys.get("info") ?? "", keys, line };
    });
}

/** The pid and the command of a client, as the text tells them once for all its locks. */
export interface RawClient {
  readonly pid: string;
  readonly name: string;
}

/** The clients of the text by their id. Unlike lvm2's lvmlockctl, which overflows at a hundred, this takes any number. */
export function rawClients(lines: readonly RawLine[]): Map<string, RawClient> {
  const clients = new Map<string, RawClient>();
  for (const { kind, keys } of lines) {
    if (kind !== "client") continue;
    clients.set(keys.get("id") ?? "", { pid: keys.get("pid") ?? "0", name: keys.get("name") ?? "" });
  }
  return clients;
}

/** VG, LS, LK, LW, OP and PR lines, word for word as scripts know them. */
export function compatibleLines(text: string): string[] {
  const lines = readRawLines(text);
  const clients = rawClients(lines);
  const clientOf = (line: RawLine): string => {
    const client = clients.get(line.keys.get("client_id") ?? "") ?? { pid: "0", name: "" };
    return `pid ${client.pid} (${client.name})`;
  };
  const output: string[] = [];
  let resource: RawLine | null = null;
  for (const line of lines) {
    if (line.kind === "ls" && output.length > 0) output.push("");
    if (line.kind === "r") resource = line;
    output.push(...compatibleLine(line, resource, clientOf));
  }
  return output;
}

function compatibleLine(
  line: RawLine,
  resource: RawLine | null,
  clientOf: (line: RawLine) => string,
): readonly string[] {
  const key = (name: string): string => line.keys.get(name) ?? "";
  switch (line.kind) {
    case "structs":
    case "client":
      return [];
    case "ls":
      return lockspaceLines(line);
    case "ls_action":
      return [`OP ${key("op")} ${clientOf(line)}`];
    case "ls_fence_history":
      return fenceLines(line);
    case "r":
      return key("mode") === "un" ? [unlockedLine(line)] : [];
    case "lk":
      return [resourceLine("LK", line, resource, key("version"), clientOf)];
    case "r_action":
    case "r_fence_wait_action": {
      if (key("op") !== "lock") return [`OP ${key("op")} ${clientOf(line)}`];
      const isFence = line.kind === "r_fence_wait_action";
      const owner = isFence ? ` fence_owner ${key("owner_host_id")}.${key("owner_generation")}` : "";
      return [resourceLine("LW", line, resource, "0", clientOf) + owner];
    }
    default:
      return [`UN ${line.line}`];
  }
}

/** The global lockspace of dlm has no VG; lvm2's lvmlockctl makes a line of garbage there, and we none. */
function lockspaceLines(line: RawLine): string[] {
  const key = (name: string): string => line.keys.get(name) ?? "";
  const lockspace = `LS ${key("lm_type")} ${key("ls_name")}`;
  if (key("vg_name") === "") return [lockspace];
  return [`VG ${key("vg_name")} lock_type=${key("lm_type")} ${key("vg_uuid")}`, lockspace];
}

function fenceLines(line: RawLine): string[] {
  const key = (name: string): string => line.keys.get(name) ?? "";
  const op = key("op");
  if (op !== "fence" && op !== "fence_result") return [];
  const state = op === "fence" ? "waiting" : key("result") === "0" ? "removed" : "failed";
  return [
    `PR host_id ${key("owner_host_id")} generation ${key("owner_generation")} key ${key("remkey")} ${state}`,
  ];
}

function unlockedLine(line: RawLine): string {
  const type = line.keys.get("type") ?? "";
  if (type === "lv") return `LK LV un ${line.keys.get("name") ?? ""}`;
  return `LK ${type.toUpperCase()} un ver ${line.keys.get("version") ?? ""}`;
}

function resourceLine(
  prefix: string,
  line: RawLine,
  resource: RawLine | null,
  version: string,
  clientOf: (line: RawLine) => string,
): string {
  const type = resource?.keys.get("type") ?? "";
  const mode = line.keys.get("mode") ?? "";
  if (type === "lv") return `${prefix} LV ${mode} ${resource?.keys.get("name") ?? ""}`;
  return `${prefix} ${type.toUpperCase()} ${mode} ver ${version} ${clientOf(line)}`;
}
