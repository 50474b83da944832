/** Real block devices for leases: files behind Linux's loop driver, with sectors of 512 or 4096 bytes, that can be made to hang. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface LoopDevice {
  readonly path: string;
  remove(): void;
}

export type LoopAnswer<Device extends LoopDevice> =
  | { readonly kind: "made"; readonly device: Device }
  | { readonly kind: "impossible"; readonly reason: string };

/** Trimmed output, or null and the reason in `said`. */
function run(...words: readonly string[]): { readonly ok: boolean; readonly said: string } {
  try {
    const { success, stdout, stderr } = Bun.spawnSync([...words], { stdin: "ignore" });
    return { ok: success, said: (success ? stdout : stderr).toString().trim() };
  } catch (error) {
    return { ok: false, said: String(error) };
  }
}

/** A loop device over a new sparse file. */
export function makeLoopDevice(
  file: string,
  size_bytes: number,
  sector_size_bytes: 512 | 4096,
): LoopAnswer<LoopDevice> {
  writeFileSync(file, "");
  truncateSync(file, size_bytes);
  const made = run("losetup", "--find", "--show", "--sector-size", String(sector_size_bytes), file);
  if (!made.ok) return { kind: "impossible", reason: `losetup: ${made.said}` };
  const path = made.said;
  const remove = (): void => {
    run("losetup", "--detach", path);
    rmSync(file, { force: true });
  };
  return { kind: "made", device: { path, remove } };
}

/** A block device whose reads and writes can be made to hang inside the kernel, as those of a disk that is gone. */
export interface HangingDevice extends LoopDevice {
  hang(): void;
  goOn(): void;
}

/**
 * A loop device over a file in a file system of its own. While that is frozen (fsfreeze) the loop driver's thread waits inside the
 * kernel for its first write, and everything that was asked for later, reads too, waits behind it.
 */
export function makeHangingDevice(size_bytes: number): LoopAnswer<HangingDevice> {
  const directory = mkdtempSync("/dev/shm/lockd-hanging-");
  const mounted = join(directory, "frozen");
  mkdirSync(mounted);
  const image = join(directory, "frozen.ext4");
  writeFileSync(image, "");
  truncateSync(image, size_bytes + 64 * 1024 * 1024);
  const undo: (() => void)[] = [() => rmSync(directory, { recursive: true })];
  const fail = (reason: string): LoopAnswer<HangingDevice> => {
    for (const step of undo.toReversed()) step();
    return { kind: "impossible", reason };
  };
  for (const words of [
    ["mkfs.ext4", "-q", "-O", "^has_journal", image],
    ["mount", "-o", "loop", image, mounted],
  ]) {
    const done = run(...words);
    if (!done.ok) return fail(`${words[0]}: ${done.said}`);
  }
  undo.push(() => run("umount", mounted));
  const loop = makeLoopDevice(join(mounted, "leases"), size_bytes, 512);
  if (loop.kind === "impossible") return fail(loop.reason);
  const { device } = loop;
  let isFrozen = false;
  const set = (option: "--freeze" | "--unfreeze"): void => {
    const done = run("fsfreeze", option, mounted);
    if (!done.ok) throw new Error(`fsfreeze ${option}: ${done.said}`);
    isFrozen = option === "--freeze";
  };
  const thaw = (): void => {
    if (isFrozen && existsSync(mounted)) set("--unfreeze");
  };
  // Whatever waits for a frozen file system can't be killed.
  process.on("exit", thaw);
  return {
    kind: "made",
    device: {
      path: device.path,
      hang: () => set("--freeze"),
      goOn: thaw,
      remove() {
        thaw();
        device.remove();
        for (const step of undo.toReversed()) step();
      },
    },
  };
}
