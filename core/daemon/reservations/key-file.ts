/**
 * lvm's note of the key that this host uses for a VG, /var/lib/lvm/persist_key_<VG>_<VG uuid without dashes>: one line
 * "key: 0x…". lvm takes the key from there before it looks at the devices, so it has to follow when we correct a key.
 */
import {
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  openSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

/** Writes the note, whole or not at all. Where lvm has never written one (no such directory), there is nothing to follow. */
export function writeKeyFile(
  directory: string,
  vg: { readonly name: string; readonly uuid: string },
  key: string,
): void {
  if (!existsSync(directory)) return;
  const path = join(directory, `persist_key_${vg.name}_${vg.uuid.replaceAll("-", "")}`);
  const fresh_path = `${path}.new`;
  unlinkIfThere(fresh_path);
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const fd = openSync(fresh_path, flags, 0o600);
  try {
    writeSync(fd, `key: ${key}\n`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(fresh_path, path);
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It is not there, which is what is wanted; anything else shows when the file is made.
  }
}
