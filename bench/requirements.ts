/** The programs that the benchmarks need and Bun does not bring: the C daemon, taskset, a C compiler. */
import { existsSync } from "node:fs";

interface Requirement {
  /** Where it is looked for: absolute paths, or names in PATH. The first that is found serves. */
  readonly candidates: readonly string[];
  readonly what_for: string;
  readonly debian_packages: readonly string[];
}

const REQUIREMENTS = {
  c_daemon: {
    candidates: ["/usr/sbin/lvmlockd", "/sbin/lvmlockd"],
    what_for: "the C daemon that ours is compared with",
    debian_packages: ["lvm2-lockd"],
  },
  compiler: {
    candidates: ["gcc", "cc", "clang"],
    what_for: "a C compiler for the load generator",
    debian_packages: ["gcc", "libc6-dev"],
  },
  taskset: {
    candidates: ["taskset"],
    what_for: "pinning daemon and load generator to one CPU",
    debian_packages: ["util-linux"],
  },
} as const satisfies Record<string, Requirement>;

export type RequirementName = keyof typeof REQUIREMENTS;

/** The path of a program, installed through apt first where that is possible. Throws an error that says what to install. */
export function requireProgram(name: RequirementName): string {
  const requirement: Requirement = REQUIREMENTS[name];
  const present = find(requirement);
  if (present !== null) return present;
  installWithApt(requirement.debian_packages);
  const installed = find(requirement);
  if (installed !== null) return installed;
  throw new Error(
    `${requirement.what_for} is missing (${requirement.candidates.join(" or ")}). ` +
      `On Debian: apt-get install ${requirement.debian_packages.join(" ")}`,
  );
}

function find(requirement: Requirement): string | null {
  for (const candidate of requirement.candidates) {
    if (!candidate.startsWith("/")) {
      const inPath = Bun.which(candidate);
      if (inPath !== null) return inPath;
    } else if (existsSync(candidate)) return candidate;
  }
  return null;
}

function installWithApt(packages: readonly string[]): void {
  if (process.getuid?.() !== 0 || Bun.which("apt-get") === null) return;
  console.error(`installing ${packages.join(" ")} with apt-get`);
  Bun.spawnSync(["apt-get", "install", "-y", "-q", "--no-install-recommends", ...packages], {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    stdout: "ignore",
    stderr: "inherit",
  });
}
