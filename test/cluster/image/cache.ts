/**
 * Things that take long to make, kept outside the repository under a key of all that went in: images, snapshots, builds of lvmlockd.
 * Several test runs may want the same one at the same time; one of them makes it.
 */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { lockFile } from "../../../plugins/native/file-lock.ts";

/** Each kind keeps its newest entries; a build of lvmlockd is 110 MB, an image 250 MB. */
const ENTRIES_KEPT = 6;
/** An entry used within this time stays in any case: a run may still start guests from it. */
const in_use_ms = 3 * 60 * 60 * 1000;
const lock_poll_ms = 300;

export interface CacheEntry {
  /** Part of the path: `image`, `snapshot`, `lvmlockd`. */
  readonly kind: string;
  readonly key: string;
  /** Fills the empty directory that it is given. */
  readonly make: (directory: string) => Promise<void>;
}

export function cacheDirectory(): string {
  const chosen = process.env.LVMLOCKD_CLUSTER_CACHE;
  if (chosen !== undefined) return chosen;
  return join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "lvmlockd-cluster");
}

/** A key of any parts, in order. */
export function keyOf(parts: readonly (string | Uint8Array)[]): string {
  const hash = new Bun.CryptoHasher("sha256");
  for (const part of parts) {
    hash.update(`${part.length}:`);
    hash.update(part);
  }
  return hash.digest("hex").slice(0, 20);
}

/** Waits for the lock of a file; it is given back by closing, and by the kernel when this process dies. */
async function takeLock(path: string): Promise<() => void> {
  const fd = openSync(path, "a");
  for (;;) {
    const answer = lockFile(fd);
    if (answer.kind === "locked") return () => closeSync(fd);
    if (answer.kind !== "held") throw new Error(`${path} can't be locked: ${JSON.stringify(answer)}`);
    await Bun.sleep(lock_poll_ms);
  }
}

function prune(parent: string): void {
  const entries = readdirSync(parent)
    .filter((name) => !name.endsWith(".lock"))
    .map((name) => ({ path: join(parent, name), used_ms: statSync(join(parent, name)).mtimeMs }))
    .sort((a, b) => b.used_ms - a.used_ms);
  for (const { path, used_ms } of entries.slice(ENTRIES_KEPT))
    if (Date.now() - used_ms > in_use_ms) rmSync(path, { recursive: true, force: true });
}

async function find(entry: CacheEntry): Promise<string> {
  const parent = join(cacheDirectory(), entry.kind);
  const path = join(parent, entry.key);
  mkdirSync(parent, { recursive: true });
  if (!existsSync(path)) {
    const unlock = await takeLock(`${path}.lock`);
    try {
      if (!existsSync(path)) await fill(entry, path);
    } finally {
      unlock();
    }
    prune(parent);
  }
  const now_s = Date.now() / 1000;
  utimesSync(path, now_s, now_s);
  return path;
}

/** Complete or absent: it is made beside and renamed. */
async function fill(entry: CacheEntry, path: string): Promise<void> {
  const unfinished = `${path}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished);
  try {
    await entry.make(unfinished);
    renameSync(unfinished, path);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    throw error;
  }
}

/** The file locks above keep processes apart, not callers within one. */
const finding = new Map<string, Promise<string>>();

/** The directory of the entry, made when it is not there yet. */
export function cached(entry: CacheEntry): Promise<string> {
  const name = `${entry.kind}/${entry.key}`;
  const already = finding.get(name);
  if (already !== undefined) return already;
  const found = find(entry).finally(() => finding.delete(name));
  finding.set(name, found);
  return found;
}
