import { existsSync, rmSync, writeFileSync } from "node:fs";

/** True when files can be made in /dev/mapper: as root. */
export function canMakeLeaseDevices(): boolean {
  return process.getuid?.() === 0 && existsSync("/dev/mapper");
}

/**
 * Makes what a sanlock start looks for in test mode, the path of the VG's lock LV; nobody opens it. Returns what removes it.
 */
export function makeLeaseDevice(vg_name: string): () => void {
  const path = `/dev/mapper/${vg_name.replaceAll("-", "--")}-lvmlock`;
  writeFileSync(path, "");
  return () => rmSync(path, { force: true });
}
