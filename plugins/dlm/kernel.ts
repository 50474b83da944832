import { closeSync, existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename, join } from "node:path";

/** What the kernel tells of the dlm in sysfs and configfs. Files, so that tests can have a tree of their own. */
export interface Kernel {
  /** The name of the cluster, which dlm_controld writes when it starts; null when it has not. */
  clusterName(): string | null;
  /** This host's node in the cluster, null when dlm_controld has not said. */
  localNodeid(): number | null;
  /** Is the dlm module loaded? */
  isLoaded(): boolean;
  /** "gone": this kernel has no such lockspace. "stopped": its members are being agreed on, and requests block. */
  lockspace(name: string): "running" | "stopped" | "gone";
  /** Does this kernel know of locks in the lockspace, its own or those of others? Null when it does not say (debugfs). */
  hasLocks(name: string): boolean | null;
  /** Closes what this process still has open of a lockspace, so that the locks that belong to it become orphans. */
  closeLeftovers(name: string): number;
}

/**
 * DLM_RS_DONE of recover_status: this node's part of the last recovery is through. A stop of the lockspace sets the whole status to 0.
 * Requests go on blocking until all nodes have come so far (fs/dlm/recoverd.c: dlm_recover_done_wait, then enable_locking), which only
 * the node with the lowest number shows (DLM_RS_DONE_ALL); that is milliseconds, unless a node fails within them.
 */
const RECOVERY_DONE = 0x40;

/** `root` is "/" but in tests. */
export function openKernel(root = "/"): Kernel {
  const cluster = join(root, "sys/kernel/config/dlm/cluster");
  const spaces = join(root, "sys/kernel/dlm");
  const debug = join(root, "sys/kernel/debug/dlm");
  return {
    clusterName: () => firstLine(join(cluster, "cluster_name")) || null,
    localNodeid: () => localNodeid(join(cluster, "comms")),
    isLoaded: () => existsSync(spaces),
    lockspace(name) {
      const status = firstLine(join(spaces, name, "recover_status"));
      if (status === null) return "gone";
      return (Number.parseInt(status, 16) & RECOVERY_DONE) !== 0 ? "running" : "stopped";
    },
    hasLocks: (name) => hasLocks(join(debug, `${name}_locks`)),
    closeLeftovers: (name) => closeLeftovers(join(root, "proc/self/fd"), `dlm_${name}`),
  };
}

/** The first line of a file; null when it can't be read, which is an ordinary state for all of these. */
function firstLine(path: string): string | null {
  try {
    return readFileSync(path, "latin1").split("\n", 1)[0] ?? "";
  } catch {
    return null;
  }
}

/** A line for each lock, which begins with its hexadecimal id, behind the names of the columns. */
function hasLocks(path: string): boolean | null {
  try {
    return /^[0-9a-f]+ -?\d/m.test(readFileSync(path, "latin1"));
  } catch {
    return null;
  }
}

function entries(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function localNodeid(comms: string): number | null {
  for (const node of entries(comms)) {
    if (firstLine(join(comms, node, "local")) !== "1") continue;
    const nodeid = Number(firstLine(join(comms, node, "nodeid")) ?? "");
    if (Number.isInteger(nodeid) && nodeid > 0) return nodeid;
  }
  return null;
}

/**
 * A worker that died leaves its lockspace open, because the process goes on: its locks would belong to nobody who could
 * release them. One worker at a time has a lockspace, so whatever is open of it before a join was left behind.
 */
function closeLeftovers(directory: string, device: string): number {
  let closed = 0;
  for (const fd of entries(directory)) {
    if (linkName(join(directory, fd)) !== device) continue;
    closeSync(Number(fd));
    closed++;
  }
  return closed;
}

function linkName(path: string): string {
  try {
    return basename(readlinkSync(path));
  } catch {
    return "";
  }
}
