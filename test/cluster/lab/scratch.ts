/** One directory for everything that a cluster writes while it runs: disks, sockets, consoles. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { atEnd } from "./ends.ts";

const PREFIX = "lvmlockd-lab-";
/** A few hosts' disks are sparse and rarely hold more than this together. */
const memory_needed_bytes = 1024 ** 3;
const MEMORY = "/dev/shm";

export interface Scratch {
  readonly path: string;
  file(name: string): string;
  remove(): void;
}

/** Disks in memory keep the speed of the machine's own disk out of the timings; elsewhere they still work. */
function place(): string {
  const chosen = process.env.LVMLOCKD_CLUSTER_SCRATCH;
  if (chosen !== undefined) {
    mkdirSync(chosen, { recursive: true });
    return chosen;
  }
  try {
    const { bavail, bsize } = statfsSync(MEMORY);
    return bavail * bsize >= memory_needed_bytes ? MEMORY : tmpdir();
  } catch {
    return tmpdir();
  }
}

/** A pid alone may have been given to another process since; with its start time it names one process for good. */
function identity(pid: number | "self"): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return `${stat.slice(0, stat.indexOf(" "))} ${fields[19]}`;
  } catch {
    return null;
  }
}

/** Directories of runs that were killed: their owner is no more. */
function sweep(parent: string): void {
  for (const name of readdirSync(parent)) {
    if (!name.startsWith(PREFIX)) continue;
    const path = join(parent, name);
    try {
      const owner = readFileSync(join(path, "owner"), "utf8");
      if (identity(Number(owner.split(" ")[0])) !== owner) rmSync(path, { recursive: true, force: true });
    } catch {
      // It is being made or removed by somebody else this very moment.
    }
  }
}

/** Makes a directory that goes when the process ends. Its path is short, because sockets in it have 107 bytes. */
export function makeScratch(): Scratch {
  const parent = place();
  sweep(parent);
  const path = mkdtempSync(join(parent, PREFIX));
  writeFileSync(join(path, "owner"), identity("self") ?? "");
  return {
    path,
    file: (name) => join(path, name),
    remove: atEnd(() => rmSync(path, { recursive: true, force: true })),
  };
}
