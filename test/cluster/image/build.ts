/** Makes the image of a guest from Debian's packages: vmlinuz, initrd.img, and root.img, an ext4 file system that is only read. */
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { cached, keyOf } from "./cache.ts";
import { bringImagePackages, run } from "./command.ts";
import { type ImageKind, RECIPES, type Recipe } from "./kinds.ts";
import { findModules, installModules } from "./modules.ts";

const guest_files = join(import.meta.dirname, "guest");
const LEFT_OUT = [
  "/usr/share/man/*",
  "/usr/share/doc/*",
  "/usr/share/locale/*",
  "/usr/share/info/*",
  "/usr/share/zoneinfo/*",
];
/** For the initramfs: what it takes to mount root.img. */
const ROOT_MODULES = ["virtio_pci", "virtio_blk", "overlay", "ext4"] as const;
const megabyte_bytes = 1024 * 1024;

function guestFile(name: string): string {
  return join(guest_files, name);
}

/** Everything that makes an image what it is, but for the versions of the packages of that day. */
function imageKey(recipe: Recipe): string {
  const sources = [import.meta.filename, join(import.meta.dirname, "modules.ts")];
  const scripts = readdirSync(guest_files).sort().map(guestFile);
  return keyOf([JSON.stringify(recipe), ...[...sources, ...scripts].map((path) => readFileSync(path))]);
}

async function bootstrap(recipe: Recipe, root: string): Promise<void> {
  await run([
    "mmdebstrap",
    "--variant=minbase",
    "--mode=root",
    "--format=directory",
    "--skip=check/qemu",
    ...LEFT_OUT.map((path) => `--dpkgopt=path-exclude=${path}`),
    '--aptopt=Apt::Install-Recommends "false"',
    ...recipe.apt_options.map((option) => `--aptopt=${option}`),
    `--include=${recipe.packages.join(",")}`,
    recipe.suite,
    root,
  ]);
}

/** Rules that a shared VG does not need are moved aside, so that a scenario can take them back. */
function keepUdevRules(root: string, kept: readonly string[]): void {
  const rules = join(root, "usr/lib/udev/rules.d");
  const aside = join(root, "usr/lib/udev/rules.off");
  mkdirSync(aside);
  for (const name of readdirSync(rules))
    if (!kept.includes(name)) renameSync(join(rules, name), join(aside, name));
  writeFileSync(join(rules, "99-lab-nowatch.rules"), NOWATCH_RULE);
}

/**
 * Where a program closes a device that it has written to, udev looks at it anew: a third of what an lvm command costs under emulation,
 * and half of vgcreate, in which sanlock opens and closes the lease disk for each of 254 leases. `udevWatches` takes it back.
 */
const NOWATCH_RULE = 'ACTION!="remove", SUBSYSTEM=="block", OPTIONS+="nowatch"\n';

function installExecutable(from: string, to: string): void {
  copyFileSync(from, to);
  chmodSync(to, 0o755);
}

async function makeInitramfs(directory: string, root: string, version: string): Promise<void> {
  const tree = join(directory, "initramfs");
  for (const name of ["bin", "mod", "proc", "dev"]) mkdirSync(join(tree, name), { recursive: true });
  installExecutable(join(root, "bin/busybox"), join(tree, "bin/busybox"));
  installExecutable(guestFile("initramfs.sh"), join(tree, "init"));
  const modules = await findModules(root, version, ROOT_MODULES);
  for (const path of modules) copyFileSync(path, join(tree, "mod", path.slice(path.lastIndexOf("/") + 1)));
  writeFileSync(
    join(tree, "modules.list"),
    modules.map((path) => `${path.slice(path.lastIndexOf("/") + 1)}\n`).join(""),
  );
  await run(["sh", "-c", "find . | cpio -o -H newc --quiet | gzip -1 >../initrd.img"], { cwd: tree });
  rmSync(tree, { recursive: true });
}

async function makeRootImage(directory: string, root: string): Promise<void> {
  const used_mb = Number((await run(["du", "-sm", root])).split("\t")[0]);
  const image = join(directory, "root.img");
  writeFileSync(image, "");
  truncateSync(image, Math.ceil(used_mb * 1.2 + 64) * megabyte_bytes);
  await run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-m0", "-d", root, image]);
}

async function buildImage(recipe: Recipe, directory: string): Promise<void> {
  bringImagePackages();
  console.error(`Building the ${recipe.suite} image from Debian packages (about two minutes, once) ...`);
  const root = join(directory, "root");
  await bootstrap(recipe, root);
  const [version] = readdirSync(join(root, "lib/modules"));
  if (version === undefined) throw new Error("The image has no kernel.");
  copyFileSync(join(root, "boot", `vmlinuz-${version}`), join(directory, "vmlinuz"));
  for (const place of ["boot", "var/cache", "var/lib/apt/lists", "usr/share/man"])
    rmSync(join(root, place), { recursive: true, force: true });
  await installModules(root, version, recipe.modules);
  keepUdevRules(root, recipe.udev_rules);
  installExecutable(guestFile("init.sh"), join(root, "sbin/lab-init"));
  installExecutable(guestFile("agent.pl"), join(root, "sbin/lab-agent"));
  await makeInitramfs(directory, root, version);
  await makeRootImage(directory, root);
  rmSync(root, { recursive: true });
}

/** The directory of the image, built at the first use of this recipe. */
export function findImage(kind: ImageKind): Promise<string> {
  const recipe = RECIPES[kind];
  return cached({
    kind: "image",
    key: `${kind}-${imageKey(recipe)}`,
    make: (directory) => buildImage(recipe, directory),
  });
}
