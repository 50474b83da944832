/**
 * The real lvm and lvmlockctl of this machine against the C daemon (to know that the test is right) and against ours.
 *
 *   bun run test/real/main.ts
 *
 * lvm's paths under /run are compiled in, so everything runs in mount, network and pid namespaces of its own: an empty /run,
 * no other user of lvmlockctl's abstract socket, and no daemon that outlives the test. Needs root, util-linux, lvm2 and lvm2-lockd.
 */
import { existsSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeScratch } from "../rig/scratch.ts";

const DEVICES = 3;
const DEVICE_SIZE_BYTES = 64 * 1024 * 1024;
const NAMESPACES = [
  "/usr/bin/unshare",
  "--mount",
  "--net",
  "--pid",
  "--fork",
  "--kill-child",
  "--mount-proc",
];
const PROGRAMS = ["/usr/sbin/lvm", "/usr/sbin/lvmlockd", "/usr/sbin/lvmlockctl", "/usr/bin/unshare"];

if (process.env.LVMLOCKD_TEST_NO_LVM === "1") {
  console.error(
    "\n*** SKIPPED because LVMLOCKD_TEST_NO_LVM=1: nothing was tested against the real lvm. ***\n",
  );
  process.exit(0);
}

/** Runs a program and returns what it printed; fails with that when it fails. */
function run(...words: string[]): string {
  const { success, stdout, stderr } = Bun.spawnSync(words, { stdin: "ignore" });
  if (!success) throw new Error(`${words.join(" ")} failed:\n${stdout}${stderr}`);
  return stdout.toString().trim();
}

function missing(): string | null {
  if (process.getuid?.() !== 0) return "run it as root: lvm and loop devices need that";
  const program = PROGRAMS.find((path) => !existsSync(path));
  if (program !== undefined)
    return `${program} is missing: apt-get install lvm2 lvm2-lockd util-linux, or set LVMLOCKD_TEST_NO_LVM=1 to go without`;
  return existsSync("/dev/loop-control")
    ? null
    : "/dev/loop-control is missing: there are no loop devices here";
}

const reason = missing();
if (reason !== null) {
  console.error(`The test against the real lvm can't run: ${reason}`);
  process.exit(1);
}

const scratch = makeScratch("real");
const devices: string[] = [];
try {
  for (let number = 0; number < DEVICES; number++) {
    const image = scratch.file(`image${number}`);
    writeFileSync(image, "");
    truncateSync(image, DEVICE_SIZE_BYTES);
    devices.push(run("losetup", "--find", "--show", image));
  }
  const suite = join(import.meta.dirname, "lvm.suite.ts");
  const tests = Bun.spawn([...NAMESPACES, process.execPath, "test", "--bail", suite], {
    env: { ...process.env, LVMLOCKD_TEST_DEVICES: devices.join(","), LVMLOCKD_TEST_SCRATCH: scratch.path },
    stdio: ["ignore", "inherit", "inherit"],
  });
  process.exitCode = await tests.exited;
} finally {
  for (const device of devices) run("losetup", "--detach", device);
  scratch.remove();
}
