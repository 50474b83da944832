import { hostname } from "node:os";
import { join } from "node:path";
import type { SettingSource } from "./check-settings.ts";
import type { Diagnostic } from "./diagnose.ts";
import type { ParsedFile } from "./parse-file.ts";
import { type ReadFile, readFileFromDisk } from "./read-file.ts";
import type { SettingName, Settings } from "./settings.ts";
import type { ConfigNode } from "./tree.ts";

/** Where the configuration is. */
export interface LoadOptions {
  /** lvm's LVM_SYSTEM_DIR; empty means that no lvm file is read, as lvm has it. */
  readonly system_dir: string;
  /** Our own file; undefined means none. */
  readonly own_file: string | undefined;
  /** uname's node name, which tags/hosttags and host_list are about. */
  readonly hostname: string;
  readonly read_file: ReadFile;
}

/**
 * The configuration in force. With an error in `diagnostics` `ok` is false: a running daemon then keeps the settings it
 * has, and one that starts may still use these, in which everything wrong has its default.
 */
export interface LoadedConfig {
  readonly ok: boolean;
  readonly settings: Settings;
  readonly sources: ReadonlyMap<SettingName, SettingSource>;
  readonly diagnostics: readonly Diagnostic[];
  /** Every file that was looked for, in the order in which they are laid over each other, our own last. */
  readonly files: readonly ParsedFile[];
  readonly host_tags: readonly string[];
  /** What lvm's files together say, our settings and all others. */
  readonly lvm: ConfigNode;
  /** What our own file says. */
  readonly own: ConfigNode;
}

/** The options of a real run: LVM_SYSTEM_DIR or /etc/lvm, our file next to lvm.conf, this host, files from disk. */
export function systemLoadOptions(env: Readonly<Record<string, string | undefined>>): LoadOptions {
  const system_dir = env.LVM_SYSTEM_DIR ?? "/etc/lvm";
  return {
    system_dir,
    own_file: system_dir === "" ? undefined : join(system_dir, "lvmlockd.conf"),
    hostname: hostname(),
    read_file: readFileFromDisk,
  };
}
