import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const places = ["/usr/sbin/lvm", "/sbin/lvm"];

/**
 * The path of the installed lvm. Without one the caller's tests fail, because a comparison that silently does not happen
 * is worth nothing; LVMLOCKD_TEST_NO_LVM=1 says that this is meant, and gives undefined.
 */
export function installedLvm(): string | undefined {
  const path = places.find(existsSync);
  if (path !== undefined) return path;
  if (process.env.LVMLOCKD_TEST_NO_LVM !== "1") {
    throw new Error(
      "lvm is not installed (apt install lvm2); LVMLOCKD_TEST_NO_LVM=1 leaves the comparison with it out",
    );
  }
  console.error("NOT COMPARED WITH LVM: it is not installed and LVMLOCKD_TEST_NO_LVM=1 is set");
  return undefined;
}

/** A scratch LVM_SYSTEM_DIR and a way to ask lvm about it. */
export interface LvmSystemDirectory {
  readonly path: string;
  write(name: string, raw: string): void;
  /** Removes every file. */
  clear(): void;
  /** What `lvmconfig` prints, one character per byte; undefined when it fails. */
  config(...args: string[]): string | undefined;
  close(): void;
}

/** Makes one. */
export function makeLvmSystemDirectory(lvm: string): LvmSystemDirectory {
  const path = mkdtempSync(join(tmpdir(), "lvm-system-dir-"));
  return {
    path,
    write: (name, raw) => writeFileSync(join(path, name), Buffer.from(raw, "latin1")),
    clear() {
      for (const name of readdirSync(path)) rmSync(join(path, name), { recursive: true });
    },
    config(...args) {
      const env = { LVM_SYSTEM_DIR: path, LVM_SUPPRESS_FD_WARNINGS: "1", LC_ALL: "C" };
      const run = Bun.spawnSync([lvm, "config", ...args], { env, stdin: "ignore", stderr: "ignore" });
      return run.exitCode === 0 ? Buffer.from(run.stdout).toString("latin1") : undefined;
    },
    close: () => rmSync(path, { recursive: true, force: true }),
  };
}
