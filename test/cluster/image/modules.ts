/** The kernel modules of a guest: few, and not compressed, because unpacking 100 MB under emulation takes its time. */
import { copyFileSync, mkdirSync, realpathSync, renameSync, rmSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { run } from "./command.ts";

/** Paths of the modules and of all that they depend on, in loading order. A kernel that has no such module has it built in, or not at all. */
export async function findModules(
  root: string,
  version: string,
  names: readonly string[],
): Promise<string[]> {
  const script = 'v=$1; shift; for m; do modprobe -S "$v" --show-depends "$m" 2>/dev/null; done; true';
  const lines = await run(["chroot", root, "sh", "-c", script, "sh", version, ...names]);
  const paths = lines.split("\n").flatMap((line) => /^insmod (\S+)/.exec(line)?.[1] ?? []);
  return [...new Set(paths)].map((path) => join(root, path));
}

/** Leaves only the named modules in the tree. */
export async function installModules(root: string, version: string, names: readonly string[]): Promise<void> {
  const from = realpathSync(join(root, "lib/modules", version));
  const to = `${from}.kept`;
  mkdirSync(to);
  const compressed: string[] = [];
  for (const path of await findModules(root, version, names)) {
    const target = join(to, relative(from, realpathSync(path)));
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(path, target);
    if (target.endsWith(".xz")) compressed.push(target);
  }
  if (compressed.length > 0) await run(["xz", "--decompress", ...compressed]);
  for (const name of ["modules.builtin", "modules.builtin.modinfo", "modules.order"])
    copyFileSync(join(from, name), join(to, name));
  rmSync(from, { recursive: true });
  renameSync(to, from);
  // The guest's own depmod: this machine may have none.
  await run(["chroot", root, "depmod", version]);
}
