import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { config_file_bytes_max, file_diagnostics_max, tag_files_max } from "../../grammar/bounds.ts";
import { loadConfig } from "../../grammar/load.ts";
import { systemLoadOptions } from "../../grammar/load-options.ts";
import { parseConfig } from "../../grammar/parser.ts";
import { formatChildren } from "../../grammar/print.ts";
import { readFileFromDisk } from "../../grammar/read-file.ts";
import { defaultSettings, type SettingName } from "../../grammar/settings.ts";
import { buildTree } from "../../grammar/tree.ts";
import { optionsFor } from "./memory-files.ts";

function load(files: Readonly<Record<string, string | Uint8Array>>) {
  return loadConfig(optionsFor(files));
}

function messages(files: Readonly<Record<string, string | Uint8Array>>): string[] {
  return load(files).diagnostics.map(({ file, position, message, hint }) => {
    const name = file.slice("/etc/lvm/".length);
    return `${name}:${position?.line}:${position?.column} ${message}${hint === undefined ? "" : ` (${hint})`}`;
  });
}

describe("without files", () => {
  test("every setting has its default and no source", () => {
    const config = load({});
    expect(config.ok).toBe(true);
    expect(config.settings).toEqual(defaultSettings());
    expect(config.sources.size).toBe(0);
    expect(config.files.map(({ state }) => state)).toEqual(["missing", "missing", "missing"]);
  });

  test("an empty LVM_SYSTEM_DIR means that no file is read at all", () => {
    const options = systemLoadOptions({ LVM_SYSTEM_DIR: "" });
    expect(loadConfig({ ...options, hostname: "host1" }).files).toEqual([]);
  });

  test("LVM_SYSTEM_DIR moves all files", () => {
    expect(systemLoadOptions({ LVM_SYSTEM_DIR: "/elsewhere" })).toMatchObject({
      system_dir: "/elsewhere",
      own_file: "/elsewhere/lvmlockd.conf",
    });
  });
});

describe("layers", () => {
  test("lvmlocal.conf wins over lvm.conf, value by value", () => {
    const config = load({
      "lvm.conf": 'local { host_id = 1 system_id = "a" }\nglobal/use_lvmlockd = 1',
      "lvmlocal.conf": "local {\n\thost_id = 2\n}",
    });
    expect(config.settings["local/host_id"]).toBe(2);
    expect(config.settings["local/system_id"]).toBe("a");
    expect(config.settings["global/use_lvmlockd"]).toBe(true);
    expect(config.sources.get("local/host_id")).toEqual({
      file: "/etc/lvm/lvmlocal.conf",
      line: 2,
      column: 12,
    });
    expect(config.sources.get("local/system_id")).toEqual({ file: "/etc/lvm/lvm.conf", line: 1, column: 33 });
  });

  test("tag files come last, in the order of their tags, and may define further tags", () => {
    const config = load({
      "lvm.conf":
        'tags { t1 { } @t2 { host_list = [ "host1" ] } t3 { host_list = [ "other" ] } }\nlocal/host_id = 1',
      "lvm_t1.conf": "local/host_id = 2\ntags/t4 { }",
      "lvm_t2.conf": "local/host_id = 3",
      "lvm_t3.conf": "local/host_id = 4",
      "lvm_t4.conf": "global/use_lvmlockd = yes",
    });
    expect(config.host_tags).toEqual(["t1", "t2", "t4"]);
    expect(config.settings["local/host_id"]).toBe(3);
    expect(config.settings["global/use_lvmlockd"]).toBe(true);
  });

  test("hosttags makes the host name a tag", () => {
    const config = load({ "lvm.conf": "tags/hosttags = on", "lvm_host1.conf": "local/host_id = 9" });
    expect(config.settings["local/host_id"]).toBe(9);
  });

  test("a section that asks for another host's tags is skipped", () => {
    const config = load({
      "lvm.conf":
        'tags/t1 { }\nlocal { tags = [ "@t2" ] host_id = 1 }\nglobal { tags = "t1" use_lvmlockd = 1 }',
    });
    expect(config.settings["local/host_id"]).toBe(0);
    expect(config.settings["global/use_lvmlockd"]).toBe(true);
  });

  test("a section inside a section is taken over whole or not at all", () => {
    const config = load({
      "lvm.conf": "allocation { x = 1 }\nglobal { y = 1 }",
      "lvmlocal.conf": "allocation { inner { z = 1 } x = 2 }\ndevices { inner { z = 1 } }",
    });
    expect(formatChildren(config.lvm)).toBe(
      "allocation {\n\tx=2\n}\nglobal {\n\ty=1\n}\ndevices {\n\tinner {\n\t\tz=1\n\t}\n}\n",
    );
  });

  test("our own file is no layer: lvm's settings in it are errors, and ours in lvm.conf do nothing", () => {
    const config = load({ "lvm.conf": "daemon/adopt = 0", "lvmlockd.conf": "local/host_id = 5" });
    expect(config.ok).toBe(false);
    expect(config.settings["daemon/adopt"]).toBe(true);
    expect(config.settings["local/host_id"]).toBe(0);
  });

  test("an I/O timeout that sanlock's leases have no room for is an error with its place", () => {
    expect(messages({ "lvmlockd.conf": "daemon {\n\tsanlock_timeout = 255\n}\n" })).toEqual([]);
    expect(messages({ "lvmlockd.conf": "daemon {\n\tsanlock_timeout = 256\n}\n" })).toEqual([
      "lvmlockd.conf:2:20 256 is not a value for daemon/sanlock_timeout",
    ]);
  });

  test("tags that breed tags end where their names get too long", () => {
    const options = optionsFor({ "lvm.conf": "tags/t { }" });
    const config = loadConfig({
      ...options,
      read_file: (path) => {
        const tag = /lvm_(t+)\.conf$/.exec(path)?.[1];
        if (tag === undefined) return options.read_file(path);
        return { kind: "read", bytes: new Uint8Array(Buffer.from(`tags/${tag}t { }`)) };
      },
    });
    expect(config.host_tags).toHaveLength(127);
    expect(config.ok).toBe(false);
  });

  test("more tags than the bound are an error, and no more files are read", () => {
    const tags = Array.from({ length: tag_files_max + 10 }, (_, index) => `tags/t${index} { }\n`);
    const config = load({ "lvm.conf": tags.join("") });
    expect(config.files).toHaveLength(tag_files_max + 1);
    expect(config.diagnostics.map(({ message }) => message)).toEqual([
      `only ${tag_files_max} configuration files are read; the host has more tags`,
    ]);
  });
});

describe("errors", () => {
  test("a wrong value is told with its place, and the default stays", () => {
    const files = { "lvm.conf": "global {\n\tuse_lvmlockd = maybe\n}" };
    expect(messages(files)).toEqual([`lvm.conf:2:17 "maybe" is not a value for global/use_lvmlockd`]);
    expect(load(files).settings["global/use_lvmlockd"]).toBe(false);
    expect(load(files).ok).toBe(false);
  });

  test("a file that lvm refuses leaves the others in force", () => {
    const config = load({ "lvm.conf": "global {", "lvmlocal.conf": "local/host_id = 7" });
    expect(config.ok).toBe(false);
    expect(config.settings["local/host_id"]).toBe(7);
  });

  const cases: [title: string, files: Record<string, string | Uint8Array>, told: string[]][] = [
    [
      "names that lvm may know and that are not like ours are its business",
      { "lvm.conf": "devices { no_such = 1 }\nno { such = 2 }" },
      [],
    ],
    [
      "an unknown name of ours, with the nearest one",
      { "lvmlockd.conf": 'daemon {\n  socket_pth = "/x"\n}' },
      ['lvmlockd.conf:2:3 unknown setting "daemon/socket_pth" (did you mean "daemon/socket_path"?)'],
    ],
    [
      "an unknown section of ours",
      { "lvmlockd.conf": 'lock_manager { dlm = "local" }' },
      ['lvmlockd.conf:1:1 unknown section "lock_manager" (did you mean "lock_managers"?)'],
    ],
    [
      "a setting of lvm in our file",
      { "lvmlockd.conf": "local { host_id = 1 }" },
      [
        'lvmlockd.conf:1:1 unknown section "local" ("local/host_id" is a setting of lvm and belongs into lvmlocal.conf)',
      ],
    ],
    [
      "a value outside its bounds",
      { "lvmlocal.conf": "local/host_id = 2001" },
      ["lvmlocal.conf:1:17 2001 is not a value for local/host_id"],
    ],
    [
      "an entry that is no name of a VG, which is a warning",
      { "lvm.conf": 'activation {\n  lock_start_list = [ "vg1", "x,y" ]\n}' },
      ['lvm.conf:2:21 [ "vg1", "x,y" ] has an entry for activation/lock_start_list that never matches'],
    ],
    [
      "a list where one value belongs",
      { "lvmlocal.conf": "local/host_id = [ 1, 2 ]" },
      ["lvmlocal.conf:1:17 [1,2] is not a value for local/host_id"],
    ],
    [
      "a section where a setting belongs",
      { "lvmlockd.conf": "daemon { adopt { } }" },
      ['lvmlockd.conf:1:10 "daemon/adopt" is a setting, not a section'],
    ],
    [
      "a setting where a section belongs",
      { "lvmlockd.conf": "daemon = 1" },
      ['lvmlockd.conf:1:1 "daemon" is a section'],
    ],
    [
      "a setting inside a setting",
      { "lvmlockd.conf": "daemon/adopt = 1 daemon/adopt/x = 2" },
      ['lvmlockd.conf:1:18 "daemon/adopt" is a setting and holds no others'],
    ],
    [
      "a value that is not UTF-8",
      { "lvmlockd.conf": new Uint8Array([...Buffer.from('daemon/pid_file = "/'), 0xff, 0x22]) },
      ['lvmlockd.conf:1:19 "/\\xff" is not a value for daemon/pid_file'],
    ],
    [
      "a relative plugin path",
      { "lvmlockd.conf": 'lock_managers { dlm = "./local" }' },
      ['lvmlockd.conf:1:23 "./local" is not a value for lock_managers/dlm'],
    ],
    [
      "a value that a later one replaces",
      { "lvmlockd.conf": "daemon/adopt = 1\ndaemon/adopt = 0" },
      ['lvmlockd.conf:2:1 "daemon/adopt" was already set on line 1: the later value counts'],
    ],
    [
      "a host_id without a lease",
      { "lvm.conf": "global/sanlock_align_size = 1", "lvmlocal.conf": "local/host_id = 251" },
      ["lvmlocal.conf:1:17 host_id 251 has no lease on 4K disks while global/sanlock_align_size is 1"],
    ],
    [
      "an lvm file of comments only",
      { "lvm.conf": "# nothing\n" },
      [
        "lvm.conf:undefined:undefined lvm refuses a file that has text but no setting (remove the file, empty it, or put a section into it, like: local { })",
      ],
    ],
    ["an own file of comments only is fine", { "lvmlockd.conf": "# nothing\n", "lvm.conf": "" }, []],
    [
      "a tag that lvm refuses",
      { "lvm.conf": "tags { a/b = 1\n-x { } }" },
      ["lvm.conf:2:1 lvm refuses this tag name"],
    ],
  ];
  test.each(cases)("%s", (_title, files, told) => expect(messages(files)).toEqual(told));

  test("a list with an entry that never matches counts as it stands, as it does for lvm", () => {
    const config = load({ "lvm.conf": 'activation/lock_start_list = "x,y"' });
    expect(config.ok).toBe(true);
    expect(config.settings["activation/lock_start_list"]).toEqual(["x,y"]);
  });

  test("a file over the size bound is not parsed", () => {
    expect(messages({ "lvm.conf": new Uint8Array(config_file_bytes_max + 1) })[0]).toContain(
      "can't be read: it has",
    );
  });

  test("diagnostics of a file full of duplicates are bounded", () => {
    const text = "a=1\n".repeat(file_diagnostics_max + 50);
    const parsed = parseConfig(text, { integers: "exact" });
    expect(parsed.ok && buildTree(parsed.file, "f").warnings).toHaveLength(file_diagnostics_max);
    expect(load({ "lvm.conf": text }).diagnostics).toHaveLength(file_diagnostics_max);
  });

  test("what can't be read is told, and never throws", () => {
    expect(readFileFromDisk("/etc")).toMatchObject({
      kind: "unreadable",
      reason: "it is not a regular file",
    });
    expect(readFileFromDisk("/dev/null")).toMatchObject({ kind: "unreadable" });
    expect(readFileFromDisk("/no/such/file")).toEqual({ kind: "missing" });
    expect(readFileFromDisk("/etc/passwd/x")).toEqual({ kind: "missing" });
  });

  test("arbitrary bytes in every file never make it throw", () => {
    const file = fc.uint8Array({ maxLength: 40 });
    fc.assert(
      fc.property(file, file, file, (one, two, three) => {
        load({ "lvm.conf": one, "lvmlocal.conf": two, "lvmlockd.conf": three });
      }),
      { numRuns: 500 },
    );
  });
});

describe("values", () => {
  const cases: [text: string, name: SettingName, value: unknown][] = [
    ["global/use_lvmlockd = Yes", "global/use_lvmlockd", true],
    ["global/use_lvmlockd = 2", "global/use_lvmlockd", true],
    ['global/use_lvmlockd = "off"', "global/use_lvmlockd", false],
    ["local/host_id = 010", "local/host_id", 8],
    ["local/host_id = [ 5 ]", "local/host_id", 5],
    ['local/pr_key = "0xABC1"', "local/pr_key", "0xABC1"],
    ["activation/lock_start_list = []", "activation/lock_start_list", []],
    ['activation/lock_start_list = "vg1"', "activation/lock_start_list", ["vg1"]],
    ['activation/lock_start_list = [ "vg1", "@t" ]', "activation/lock_start_list", ["vg1", "@t"]],
    [
      'global/lvmlockctl_kill_command = "/usr/sbin/k -x \\"y\\""',
      "global/lvmlockctl_kill_command",
      '/usr/sbin/k -x "y"',
    ],
    ['global/system_id_source = "UName"', "global/system_id_source", "uname"],
    ['local/system_id = "hôte"', "local/system_id", "hôte"],
  ];
  test.each(cases)("%s", (text, name, value) => {
    const config = load({ "lvm.conf": text });
    expect(config.diagnostics).toEqual([]);
    expect(config.settings[name]).toEqual(value as never);
  });
});
