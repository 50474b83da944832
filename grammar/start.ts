import type { LoadedConfig, LoadOptions } from "./load-options.ts";
import { defaultSettings } from "./settings.ts";
import { createNode } from "./tree.ts";

/**
 * The settings of our own file, for a daemon that starts: lvm's files are not read, since nothing that is needed before
 * the first request stands in them. Without an own file, which is the usual case, nothing is parsed and neither the
 * parser nor Chevrotain is loaded (some 30 ms). Read all files with load.ts once the socket is open.
 */
export async function loadStartConfig(options: LoadOptions): Promise<LoadedConfig> {
  if (options.own_file === undefined || options.read_file(options.own_file).kind === "missing")
    return nothingSet();
  const { loadConfig } = await import("./load.ts");
  return loadConfig({ ...options, system_dir: "" });
}

function nothingSet(): LoadedConfig {
  const empty = createNode("", undefined);
  return {
    ok: true,
    settings: defaultSettings(),
    sources: new Map(),
    diagnostics: [],
    files: [],
    host_tags: [],
    lvm: empty,
    own: empty,
  };
}
