import { existsSync } from "node:fs";

const MISC = "/sys/class/misc";

/** True when the daemon would ask device-mapper which LVs are active: the tests' LVs exist in no device-mapper. */
export function hasDeviceMapper(): boolean {
  return existsSync(`${MISC}/device-mapper`);
}

/** Hides device-mapper from this process's mount namespace. Only inside a namespace of the test's own. */
export function hideDeviceMapper(): void {
  if (!hasDeviceMapper()) return;
  const { success, stderr } = Bun.spawnSync(["mount", "-t", "tmpfs", "tmpfs", MISC]);
  if (!success || hasDeviceMapper())
    throw new Error(`device-mapper can't be hidden from the test: ${stderr}`);
}

/**
 * For a script at its beginning: where there is a device-mapper, runs the script again in a namespace without it and exits
 * with its status.
 */
export async function rerunWithoutDeviceMapper(script: string): Promise<void> {
  if (process.env.LVMLOCKD_TEST_NAMESPACE === "1") hideDeviceMapper();
  if (!hasDeviceMapper()) return;
  const user = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];
  const command = ["unshare", "--mount", ...user, process.execPath, script, ...process.argv.slice(2)];
  const again = Bun.spawn(command, {
    env: { ...process.env, LVMLOCKD_TEST_NAMESPACE: "1" },
    stdio: ["ignore", "inherit", "inherit"],
  });
  process.exit(await again.exited);
}
