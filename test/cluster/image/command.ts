/** Programs of this machine that images are made with. */
import { mkdirSync } from "node:fs";
import { bringPackages } from "../../../scripts/debian-packages.ts";
import { atEnd } from "../lab/ends.ts";

/** What boots guests, and what makes their images. */
const RUN_PACKAGES = ["qemu-system-x86", "qemu-block-extra", "util-linux", "e2fsprogs"] as const;
const IMAGE_PACKAGES = ["mmdebstrap", "debian-archive-keyring", "cpio", "xz-utils"] as const;

function bring(names: readonly string[]): void {
  const answer = bringPackages(names);
  if (answer.kind === "missing") throw new Error(answer.message);
  if (answer.kind === "installed") console.error(`Installed ${answer.names.join(", ")}.`);
}

export function bringRunPackages(): void {
  bring(RUN_PACKAGES);
}

export function bringImagePackages(): void {
  bring(IMAGE_PACKAGES);
}

export function bringPatch(): void {
  bring(["patch"]);
}

/** Runs a program to its end; returns what it printed and fails with that. */
export async function run(
  words: readonly string[],
  options: { readonly cwd?: string } = {},
): Promise<string> {
  if (options.cwd !== undefined) mkdirSync(options.cwd, { recursive: true });
  // Told to end when this process ends without a chance to tell it; what it leaves half-made is swept by the next run that makes it.
  const child = Bun.spawn(["setpriv", "--pdeathsig", "TERM", ...words], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" },
    ...options,
  });
  const ended = atEnd(() => child.kill());
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  ended();
  if (child.exitCode !== 0)
    throw new Error(
      `${words.join(" ")} ended with ${child.exitCode ?? child.signalCode}:\n${stdout}${stderr}`,
    );
  return stdout;
}
