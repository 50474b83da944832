import { isAbsolute } from "node:path";
import type { ManagerContext } from "../contract.ts";
import { DEVICE_MAPPER_TEMPLATE } from "./lease-path.ts";
import type { Parsed } from "./lock-args.ts";

/**
 * The plugin's own section of lvmlockd.conf. None of it is for a cluster: the first two let tests and containers without
 * device-mapper keep leases in plain files, the last one moves the files that repair needs.
 */
export interface SanlockSettings {
  /** Path of a VG's leases, with {vg} and {lv} in it. */
  readonly lease_path_template: string;
  /** Sector size to assume for a plain file, which has none: 512 or 4096. */
  readonly lease_file_sector_size: 512 | 4096;
  /** Directory of the lvmlockd_info_<vg> files, which the C daemon shares. */
  readonly info_directory: string;
}

export function readSettings(settings: ManagerContext["settings"]): Parsed<SanlockSettings> {
  const {
    lease_path_template = DEVICE_MAPPER_TEMPLATE,
    lease_file_sector_size = 512,
    info_directory = "/var/lib/lvm",
  } = settings;
  const wrong = (problem: string): Parsed<SanlockSettings> => ({ kind: "wrong", problem });
  if (typeof lease_path_template !== "string" || !isAbsolute(lease_path_template))
    return wrong("lease_path_template is no absolute path");
  if (!lease_path_template.includes("{vg}"))
    return wrong("lease_path_template has no {vg}, so that all VGs would share one file");
  if (lease_file_sector_size !== 512 && lease_file_sector_size !== 4096)
    return wrong("lease_file_sector_size is neither 512 nor 4096");
  if (typeof info_directory !== "string" || !isAbsolute(info_directory))
    return wrong("info_directory is no absolute path");
  return { kind: "parsed", args: { lease_path_template, lease_file_sector_size, info_directory } };
}
