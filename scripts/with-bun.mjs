// Runs the Bun that this package depends on, from node alone: `node scripts/with-bun.mjs run scripts/test.ts`.
// npm 12 blocks install scripts unless they are allowed, and then Bun's binary is only a stub; this puts it into place.
// It is plain JavaScript because node runs it before there is a Bun.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const bunPackage = join(root, "node_modules", "bun");
const bunBinary = join(bunPackage, "bin", "bun.exe");
/** The stub is a shell script of some hundred bytes, the binary has 100 MB. */
const stub_size_bytes_max = 1024 * 1024;

function isInstalled() {
  return existsSync(bunBinary) && statSync(bunBinary).size > stub_size_bytes_max;
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

if (!existsSync(join(bunPackage, "install.js"))) fail("Bun is missing. Run: npm install");
if (!isInstalled()) {
  process.stderr.write("Putting Bun's binary into place (npm did not run its install script) ...\n");
  spawnSync(process.execPath, ["install.js"], { cwd: bunPackage, stdio: ["ignore", 2, 2] });
  if (!isInstalled())
    fail(`Bun's binary could not be put into place. Try: cd ${bunPackage} && node install.js`);
}

// Variables that make Bun run other code than ours, or turn the runtime into something else.
const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^BUN_(OPTIONS|BE_BUN|INSPECT|JSC_)/.test(name)),
);
// Neither a bunfig.toml nor an .env of the current directory is read: either could preload code into a root daemon.
const isolation = ["--config=/dev/null", "--no-env-file"];

// Registered before Bun runs: a signal that came in between would end us alone, and leave Bun behind without anybody.
let child = null;
const missed = [];
const passOn = (signal) => (child === null ? missed.push(signal) : child.kill(signal));
for (const signal of ["SIGTERM", "SIGUSR1", "SIGUSR2"]) {
  process.on(signal, () => passOn(signal));
}
// The terminal is gone. To a daemon SIGHUP says "read your settings again", which is not what is meant here.
process.on("SIGHUP", () => passOn("SIGTERM"));
// Ctrl-C reaches every process of the terminal's foreground group, so the child has it already; without a terminal it
// was sent to us alone. Either way we stay until the child has ended, or npm would report its end too early.
process.on("SIGINT", () => {
  if (!process.stdin.isTTY) passOn("SIGINT");
});
child = spawn(bunBinary, [...isolation, ...process.argv.slice(2)], { stdio: "inherit", env });
for (const signal of missed) child.kill(signal);
child.on("error", (error) => fail(`Bun can't be started: ${error.message}`));
child.on("exit", (status, signal) => {
  if (signal === null) process.exit(status ?? 1);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});
