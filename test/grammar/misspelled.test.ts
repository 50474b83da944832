import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { file_diagnostics_max } from "../../grammar/bounds.ts";
import { formatDiagnostic } from "../../grammar/diagnose.ts";
import { loadConfig } from "../../grammar/load.ts";
import { findMisspelledNames } from "../../grammar/misspelled.ts";
import { parseConfig } from "../../grammar/parser.ts";
import { buildTree } from "../../grammar/tree.ts";
import { optionsFor } from "./memory-files.ts";

function told(text: string, path = "lvm.conf"): string[] {
  const parsed = parseConfig(text, { integers: "prefix" });
  if (!parsed.ok) throw new Error(parsed.problem.message);
  return findMisspelledNames(buildTree(parsed.file, path).root).map(formatDiagnostic);
}

function hints(files: Readonly<Record<string, string>>): string[] {
  return loadConfig(optionsFor(files)).diagnostics.map(
    ({ severity, file, position, message, hint }) =>
      `${severity} ${file.slice("/etc/lvm/".length)}:${position?.line}:${position?.column} ${message} ${hint}`,
  );
}

describe("a name in lvm's files that is nearly one of ours is warned about", () => {
  const slips: [written: string, meant: string][] = [
    ["global/use_lvmlocked", "global/use_lvmlockd"],
    ["global/use_lvmlockdd", "global/use_lvmlockd"],
    ["global/Use_LVMlockd", "global/use_lvmlockd"],
    ["global/use-lvmlockd", "global/use_lvmlockd"],
    ["global/lvmlockctl_kil_command", "global/lvmlockctl_kill_command"],
    ["global/lvmlockd_lock_retrys", "global/lvmlockd_lock_retries"],
    ["global/sanlock_align_sise", "global/sanlock_align_size"],
    ["activation/auto_lock_startlist", "activation/auto_lock_start_list"],
    ["local/hostid", "local/host_id"],
    ["locl/host_id", "local/host_id"],
    ["locl/hostid", "local/host_id"],
    ["global/host_id", "local/host_id"],
    ["lvm/global/use_lvmlockd", "global/use_lvmlockd"],
    ["host_id", "local/host_id"],
    ["hostid", "local/host_id"],
    ["local.host_id", "local/host_id"],
  ];
  test.each(slips)("%s", (written, meant) => {
    expect(told(`${written} = 1`)).toEqual([
      [
        `lvm.conf:1:1: warning: unknown setting "${written}"`,
        `     1 | ${written} = 1`,
        `       | ${"^".repeat(written.length)}`,
        `         hint: did you mean "${meant}"?`,
      ].join("\n"),
    ]);
  });

  test("a setting of our own file is told where it belongs", () => {
    expect(told("daemon { adopt = 0 }")[0]).toContain(
      '"daemon/adopt" is a setting of lvmlockd and belongs into lvmlockd.conf',
    );
  });

  test("in lvm.conf, lvmlocal.conf and tag files alike, and the configuration stays valid", () => {
    const files = {
      "lvm.conf": "global {\n\tuse_lvmlocked = 1\n}\ntags { t1 { } }",
      "lvmlocal.conf": "local { hostid = 3 }",
      "lvm_t1.conf": "locl{host_id=3}",
    };
    expect(hints(files)).toEqual([
      'warning lvm.conf:2:2 unknown setting "global/use_lvmlocked" did you mean "global/use_lvmlockd"?',
      'warning lvmlocal.conf:1:9 unknown setting "local/hostid" did you mean "local/host_id"?',
      'warning lvm_t1.conf:1:6 unknown setting "locl/host_id" did you mean "local/host_id"?',
    ]);
    expect(loadConfig(optionsFor(files)).ok).toBe(true);
  });

  test("but no more of them than a person reads", () => {
    const text = Array.from({ length: 150 }, (_, index) => `x${index}/host_id = 1\n`).join("");
    expect(told(text)).toHaveLength(file_diagnostics_max);
  });
});

describe("names that are lvm's are never warned about", () => {
  // The nearest that any release of lvm2 has, whichever is installed here.
  const near = [
    "global/use_lvmpolld",
    "global/use_lvmetad",
    "global/use_aio",
    "global/wait_for_locks",
    "global/locking_type",
    "global/locking_dir",
    "global/locking_library",
    "global/lvmetad_update_wait_time",
    "global/system_id_source",
    "global/system_id_file",
    "global/sanlock_align_size",
    "global/sanlock_lv_extend",
    "activation/volume_list",
    "activation/read_only_volume_list",
    "activation/auto_activation_volume_list",
    "activation/auto_set_activation_skip",
    "local/pr_key",
    "local/extra_system_ids",
    "log/prefix",
    "disk_area/id",
  ];
  test.each(near)("%s", (name) => expect(told(`${name} = 1`)).toEqual([]));

  test("nor are tags, whose names are the administrator's", () => {
    expect(told('tags { host_id { host_list = "a" } hosttags = 1 x { host_id = 1 } }')).toEqual([]);
  });

  test("nor are empty sections and names far from ours", () => {
    expect(told("locl { }\ndevices { no_such = 1 }\nno { such = 2 }\nglobal { hots = 1 }")).toEqual([]);
  });

  const lvmconfig = Bun.which("lvmconfig", { PATH: "/usr/sbin:/sbin:/usr/bin" });
  for (const type of ["full", "default", "missing", "list"]) {
    test.skipIf(lvmconfig === null)(`every name of lvmconfig --type ${type} (skipped without lvm2)`, () => {
      const run = Bun.spawnSync([lvmconfig ?? "", "--type", type], { env: { PATH: "/usr/sbin:/usr/bin" } });
      const text = run.stdout.toString();
      expect(text.split("\n").length).toBeGreaterThan(200);
      expect(told(type === "list" ? text.replace(/(?<=\w)$/gm, " = 1") : text)).toEqual([]);
    });
  }

  for (const path of ["/etc/lvm/lvm.conf", "/etc/lvm/lvmlocal.conf"]) {
    test.skipIf(!existsSync(path))(`${path}, its examples included (skipped where it is missing)`, () => {
      const text = readFileSync(path, "latin1");
      const examples = text.replace(/^(\s*)# (?=[a-z_]+ = [^=]*$)/gm, "$1");
      expect(examples).not.toBe(text);
      expect(told(examples)).toEqual([]);
    });
  }
});
