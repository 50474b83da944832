/**
 * How many clients fit under the limit of open files. Bun raises the soft limit to the hard one at its start, so the figure
 * found here is final. Bun.listen spins at 100 % CPU when accept fails for want of descriptors (measured with ulimit -n 64), so
 * the daemon never lets it come so far: clients are told and closed while some descriptors are still left.
 */
import { readFileSync } from "node:fs";
import { LIMITS } from "../limits.ts";

/** The soft limit of open files of this process, as the kernel tells it; a cautious 1024 when it can't be read. */
export function openFilesLimit(limits_file = "/proc/self/limits"): number {
  try {
    const soft = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync(limits_file, "utf8"))?.[1];
    return soft === undefined ? 1024 : soft === "unlimited" ? Number.MAX_SAFE_INTEGER : Number(soft);
  } catch {
    return 1024;
  }
}

/**
 * The first descriptor number that no client may have. The kernel gives the lowest free number, so a client whose number is
 * this high shows that only the reserve is left: for lock managers, the journal, and the socket that tells the next client.
 */
export function firstReservedFd(limit: number): number {
  return limit - Math.min(LIMITS.reserved_files, Math.floor(limit / 4));
}
