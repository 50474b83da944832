import { PATH_SIZE_BYTES } from "./layouts.ts";
import type { Parsed } from "./lock-args.ts";

/** Where device-mapper shows the lock LV. `{vg}` and `{lv}` stand for the names with their hyphens doubled. */
export const DEVICE_MAPPER_TEMPLATE = "/dev/mapper/{vg}-{lv}";

/**
 * The path of the lock LV, whose name is in the VG's lock args. The template is device-mapper's unless tests, which have none,
 * set another one to use plain files. Names come from requests, so nothing that could lead out of the directory is taken.
 */
export function leasePath(template: string, vg_name: string, lock_lv_name: string): Parsed<string> {
  for (const name of [vg_name, lock_lv_name]) {
    if (name === "" || /[^\w+.-]/.test(name) || name === "." || name === "..")
      return { kind: "wrong", problem: `"${name}" is no name of a VG or an LV` };
  }
  const path = template
    .replaceAll("{vg}", vg_name.replaceAll("-", "--"))
    .replaceAll("{lv}", lock_lv_name.replaceAll("-", "--"));
  if (path.length >= PATH_SIZE_BYTES) return { kind: "wrong", problem: `the path ${path} is too long` };
  return { kind: "parsed", args: path };
}
