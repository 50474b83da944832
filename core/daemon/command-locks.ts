/**
 * Which commands of this host are changing a VG right now. lvm takes a file lock per VG beside ours, V_<VG>, and P_global beside the
 * global lock, exclusively where it writes; a command whose lvmlockd has died goes on writing under them.
 */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** A line of /proc/locks for a flock that is held exclusively: holder's pid, major and minor in hex, inode. */
const EXCLUSIVE_FLOCK = /^\d+: FLOCK +ADVISORY +WRITE (\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) /;

export interface CommandLocksPlace {
  /** Where lvm's file locks are: global/locking_dir, whose default is /run/lock/lvm. */
  readonly directory: string;
  readonly proc_locks: string;
}

/** The pids of the processes that write to this VG or hold lvm's global file lock; none where the locks can't be read. */
export function commandsWriting(vg_name: string, { directory, proc_locks }: CommandLocksPlace): number[] {
  const wanted = new Set([`V_${vg_name}`, "P_global"].map((name) => fileKey(join(directory, name))));
  wanted.delete(null);
  if (wanted.size === 0) return [];
  const pids: number[] = [];
  for (const line of readLines(proc_locks)) {
    const [, pid, major, minor, inode] = EXCLUSIVE_FLOCK.exec(line) ?? [];
    if (major === undefined || minor === undefined) continue;
    if (wanted.has(`${Number.parseInt(major, 16)}:${Number.parseInt(minor, 16)}:${inode}`))
      pids.push(Number(pid));
  }
  return pids;
}

/** Device and inode as /proc/locks has them; null for a file that is not there. */
function fileKey(path: string): string | null {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (stat === undefined) return null;
  // The C library's split of a device number (gnu_dev_major and gnu_dev_minor).
  const { dev, ino } = stat;
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xfffff000n);
  const minor = (dev & 0xffn) | ((dev >> 12n) & 0xffffff00n);
  return `${major}:${minor}:${ino}`;
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, "latin1").split("\n");
  } catch {
    return [];
  }
}
