/** The Debian packages that the tests need, installed without letting any daemon of theirs run. */
import { existsSync, rmSync, writeFileSync } from "node:fs";

/**
 * lvm2 brings the real lvm commands, lvm2-lockd the C daemon that ours is compared with. The compiler and the headers are what the
 * struct layouts of the plugins are held against, and groff reads the man pages; without them those tests would only say that they were
 * not run.
 */
export const NEEDED_PACKAGES = [
  "lvm2",
  "lvm2-lockd",
  "gcc",
  "libc6-dev",
  "linux-libc-dev",
  "libsanlock-dev",
  "libdlm-dev",
  "libdlmcontrol-dev",
  "groff-base",
] as const;

/** The answer of a policy-rc.d that forbids the action. */
const policy_script = "#!/bin/sh\nexit 101\n";

export type PackageAnswer =
  | { readonly kind: "present" }
  | { readonly kind: "installed"; readonly names: readonly string[] }
  /** Why not, and what to type. */
  | { readonly kind: "missing"; readonly message: string };

/** Where this happens; tests have other answers. */
export interface PackageHost {
  readonly is_root: boolean;
  /** The script that Debian's packages ask before they start a service. */
  readonly policy_file: string;
}

const thisHost: PackageHost = { is_root: process.geteuid?.() === 0, policy_file: "/usr/sbin/policy-rc.d" };

/** Installs what is missing, when that is possible here; never asks anything. */
export function bringPackages(names: readonly string[] = NEEDED_PACKAGES, host = thisHost): PackageAnswer {
  const missing = names.filter((name) => !isInstalled(name));
  if (missing.length === 0) return { kind: "present" };
  const byHand = `apt-get install ${missing.join(" ")}`;
  if (Bun.which("apt-get") === null) {
    return {
      kind: "missing",
      message: `${missing.join(", ")} missing; this is no Debian. Install lvm2 with lvmlockd.`,
    };
  }
  if (!host.is_root) {
    return { kind: "missing", message: `${missing.join(", ")} missing. As root: ${byHand}` };
  }
  const problem = install(missing, host.policy_file);
  if (problem === null) return { kind: "installed", names: missing };
  return {
    kind: "missing",
    message: `${missing.join(", ")} could not be installed: ${problem}\nTry: ${byHand}`,
  };
}

function isInstalled(name: string): boolean {
  // Without dpkg there is another kind of system; what counts is that the program is there.
  if (Bun.which("dpkg-query") === null) return Bun.which(name === "lvm2" ? "lvm" : "lvmlockd") !== null;
  const query = Bun.spawnSync(["dpkg-query", "-W", `-f=\${db:Status-Status}`, name], { stderr: "ignore" });
  return query.stdout.toString() === "installed";
}

function install(names: readonly string[], policy_file: string): string | null {
  // An administrator's own policy stays; ours lasts for this installation only.
  const ownPolicy = !existsSync(policy_file);
  if (ownPolicy) writeFileSync(policy_file, policy_script, { mode: 0o755 });
  try {
    const words = ["install", "-y", "--no-install-recommends", ...names];
    // The lists of packages may be there already; fetching them takes a while.
    const problem = aptGet(words) === null ? null : (aptGet(["update"]) ?? aptGet(words));
    if (problem === null) disableServices();
    return problem;
  } finally {
    if (ownPolicy) rmSync(policy_file);
  }
}

/** The packages enable their services, which at the next boot would take the socket that ours needs. */
function disableServices(): void {
  if (Bun.which("systemctl") === null) return;
  Bun.spawnSync(["systemctl", "disable", "lvmlockd.service", "lvmlocks.service"], {
    stdout: "ignore",
    stderr: "ignore",
  });
}

/** null on success, else the last lines that it said. */
function aptGet(words: readonly string[]): string | null {
  const run = Bun.spawnSync(["apt-get", "-q", ...words], {
    stdin: "ignore",
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" },
  });
  if (run.exitCode === 0) return null;
  return run.stderr.toString().trim().split("\n").slice(-5).join("\n");
}
