/** floor.c in a guest. Guests have no compiler, so it is built here, without anything that it would need there. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "bun";
import type { Cluster } from "../../lab/cluster.ts";
import type { Host } from "../../lab/host.ts";

const FLOOR = "/usr/local/bin/pr-floor";

/** Its path in the guest; a sentence when it can't be built. */
export async function bringFloor(
  lab: Cluster,
  host: Host,
): Promise<{ readonly path: string } | { readonly missing: string }> {
  const compiler = Bun.which("gcc") ?? Bun.which("cc");
  if (compiler === null) return { missing: "this machine has no C compiler (gcc, libc6-dev)" };
  const program = lab.file("pr-floor");
  const source = join(import.meta.dirname, "floor.c");
  const built = Bun.spawnSync([compiler, "-O2", "-static", "-s", "-o", program, source]);
  if (!built.success) return { missing: built.stderr.toString().trim() };
  const text = Buffer.from(gzipSync(readFileSync(program))).toString("base64");
  await host.must(`base64 -d <<<'${text}' | gunzip >${FLOOR} && chmod +x ${FLOOR}`);
  return { path: FLOOR };
}
