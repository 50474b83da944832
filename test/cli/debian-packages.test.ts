import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeScratch, type Scratch } from "../rig/scratch.ts";

/* scripts/debian-packages.ts in a process whose PATH holds nothing but our own apt-get, dpkg-query and systemctl. */

let scratch: Scratch;
beforeEach(() => {
  scratch = makeScratch("apt");
});
afterEach(() => scratch.remove());

function program(name: string, script: string): void {
  writeFileSync(scratch.file(name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

const log = (): string[] => readFileSync(scratch.file("log"), "utf8").trim().split("\n");
const note = `echo "$(/usr/bin/basename $0) $* policy=$(/usr/bin/cat ${"$POLICY"} 2>/dev/null | /usr/bin/tail -1)" >> $LOG`;

/** What bringPackages answers when apt-get fails so often before it works. */
function bring(options: { readonly is_root: boolean; readonly apt_failures: number }): unknown {
  const installed = scratch.file("installed");
  program("dpkg-query", `/usr/bin/test -e ${installed} && echo -n installed; exit 0`);
  program("systemctl", note);
  program(
    "apt-get",
    `${note}\n[ "$2" = update ] && exit 0\necho x >> $LOG.tries\n` +
      `[ $(/usr/bin/wc -l < $LOG.tries) -le ${options.apt_failures} ] && { echo "E: no such package" >&2; exit 100; }\n` +
      `/usr/bin/touch ${installed}`,
  );
  const host = { is_root: options.is_root, policy_file: scratch.file("policy-rc.d") };
  const module = join(import.meta.dir, "../../scripts/debian-packages.ts");
  const code = `import { bringPackages } from ${JSON.stringify(module)};
    console.log(JSON.stringify(bringPackages(["lvm2"], ${JSON.stringify(host)})));`;
  writeFileSync(scratch.file("run.ts"), code);
  const run = Bun.spawnSync([process.execPath, scratch.file("run.ts")], {
    env: { PATH: scratch.path, LOG: scratch.file("log"), POLICY: host.policy_file },
  });
  return JSON.parse(run.stdout.toString());
}

describe("packages for the tests", () => {
  test("are installed without starting a service, and are not enabled for the next boot", () => {
    expect(bring({ is_root: true, apt_failures: 0 })).toEqual({ kind: "installed", names: ["lvm2"] });
    expect(log()).toEqual([
      "apt-get -q install -y --no-install-recommends lvm2 policy=exit 101",
      "systemctl disable lvmlockd.service lvmlocks.service policy=exit 101",
    ]);
    expect(existsSync(scratch.file("policy-rc.d"))).toBe(false);
  });

  test("that are there already cost nothing", () => {
    writeFileSync(scratch.file("installed"), "");
    expect(bring({ is_root: true, apt_failures: 0 })).toEqual({ kind: "present" });
    expect(existsSync(scratch.file("log"))).toBe(false);
  });

  test("are tried again with fresh package lists", () => {
    expect(bring({ is_root: true, apt_failures: 1 })).toMatchObject({ kind: "installed" });
    expect(log().map((line) => line.split(" ")[2])).toEqual([
      "install",
      "update",
      "install",
      "lvmlockd.service",
    ]);
  });

  test("that can't be installed are named, with apt's reason and what to type", () => {
    const answer = bring({ is_root: true, apt_failures: 9 });
    expect(answer).toMatchObject({ kind: "missing" });
    expect(JSON.stringify(answer)).toContain("E: no such package");
    expect(JSON.stringify(answer)).toContain("apt-get install lvm2");
  });

  test("are only asked for when the user is not root", () => {
    expect(bring({ is_root: false, apt_failures: 0 })).toEqual({
      kind: "missing",
      message: "lvm2 missing. As root: apt-get install lvm2",
    });
  });
});
