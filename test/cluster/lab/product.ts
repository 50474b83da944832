/** Our lvmlockd for the guests: one executable on a read-only disk, built anew whenever its source has changed. */
import { copyFileSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { Glob } from "bun";
import { cached, keyOf } from "../image/cache.ts";
import { bringPatch, run } from "../image/command.ts";
import { makeDiskFile } from "./disks.ts";

/** Another tree to build from, e.g. a commit that is laid out beside: LVMLOCKD_CLUSTER_SOURCE. */
const repository = process.env.LVMLOCKD_CLUSTER_SOURCE ?? join(import.meta.dirname, "../../..");
const ROOMS = ["cli", "core", "plugins", "grammar"] as const;
const OTHER_SOURCES = ["package.json", "package-lock.json", "tsconfig.json", "scripts/build.ts"] as const;
const DISK = "lvmlockd.img";
/**
 * The executable has some 110 MB, and the file system takes a few. Every guest has this disk, and a snapshot takes its size for
 * granted, though not what is on it.
 */
export const PRODUCT_DISK_MB = 160;

function sourceFiles(root: string): string[] {
  const found = ROOMS.flatMap((room) =>
    [...new Glob("**/*").scanSync({ cwd: join(root, room) })].map((file) => join(room, file)),
  );
  return [...found, ...OTHER_SOURCES].sort();
}

async function makeDisk(executable: string, directory: string): Promise<void> {
  const tree = join(directory, "tree");
  mkdirSync(tree);
  copyFileSync(executable, join(tree, "lvmlockd"));
  for (const name of ["lvmlockctl", "lvmpersist"]) symlinkSync("lvmlockd", join(tree, name));
  const image = join(directory, DISK);
  makeDiskFile(image, PRODUCT_DISK_MB);
  await run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-m0", "-d", tree, image]);
  rmSync(tree, { recursive: true });
}

/** A copy of the sources, with the deliberate defect of a patch in it. */
async function patchedCopy(files: readonly string[], patch: string, directory: string): Promise<string> {
  bringPatch();
  const copy = join(directory, "source");
  for (const file of files) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    copyFileSync(join(repository, file), join(copy, file));
  }
  symlinkSync(join(repository, "node_modules"), join(copy, "node_modules"));
  await run(["patch", "--batch", "--forward", "-p1", `--input=${resolve(patch)}`, `--directory=${copy}`]);
  return copy;
}

async function build(directory: string, files: readonly string[], patch: string | null): Promise<void> {
  console.error("Building lvmlockd for the guests ...");
  const source = patch === null ? repository : await patchedCopy(files, patch, directory);
  const dist = join(directory, "dist");
  await run([
    process.execPath,
    "--config=/dev/null",
    "--no-env-file",
    "run",
    join(source, "scripts/build.ts"),
    dist,
  ]);
  await makeDisk(join(dist, "lvmlockd"), directory);
  rmSync(dist, { recursive: true });
  rmSync(join(directory, "source"), { recursive: true, force: true });
}

/**
 * The image of a disk with lvmlockd, lvmlockctl and lvmpersist in its root directory.
 * @param patch A file for `patch -p1`: shows that a scenario fails when the product is broken.
 */
export async function findProductDisk(patch: string | null): Promise<string> {
  const files = sourceFiles(repository);
  const texts = files.flatMap((file) => [file, readFileSync(join(repository, file))]);
  const patchText = patch === null ? "" : readFileSync(patch);
  const directory = await cached({
    kind: "lvmlockd",
    key: keyOf([Bun.version, readFileSync(import.meta.path), patchText, ...texts]),
    make: (unfinished) => build(unfinished, files, patch),
  });
  return join(directory, DISK);
}
