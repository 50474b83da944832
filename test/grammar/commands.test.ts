import { describe, expect, test } from "bun:test";
import { checkConfig, configEdit, configGet, configList, type EditRequest } from "../../grammar/commands.ts";
import { loadConfig } from "../../grammar/load.ts";
import { settingNames } from "../../grammar/settings.ts";
import { decodeBytes } from "../../grammar/text.ts";
import { optionsFor } from "./memory-files.ts";

type Files = Readonly<Record<string, string>>;

describe("--check-config", () => {
  test("tells every problem, every file and a verdict", () => {
    const checked = checkConfig(
      optionsFor({ "lvm.conf": "global/use_lvmlockd = 1", "lvmlockd.conf": "daemon/adpt = 1" }),
    );
    expect(checked.ok).toBe(false);
    expect(checked.text).toContain('/etc/lvm/lvmlockd.conf:1:1: error: unknown setting "daemon/adpt"');
    expect(checked.text).toContain("/etc/lvm/lvmlocal.conf: missing\n");
    expect(checked.text).toEndWith("The configuration has errors: 1 errors, 0 warnings.\n");
    expect(JSON.parse(JSON.stringify(checked.json))).toMatchObject({
      ok: false,
      diagnostics: [{ severity: "error", position: { line: 1, column: 1 } }],
      settings: { "global/use_lvmlockd": true },
    });
  });

  test("warns that nobody asks lvmlockd while use_lvmlockd is 0, which is no error", () => {
    const checked = checkConfig(optionsFor({}));
    expect(checked.ok).toBe(true);
    expect(checked.text).toContain("warning: global/use_lvmlockd is 0");
    expect(checkConfig(optionsFor({ "lvm.conf": "global/use_lvmlockd = 1" })).text).not.toContain("warning:");
  });
});

describe("--check-config on its machine", () => {
  const files = {
    "lvm.conf": "global/use_lvmlockd = 1",
    "lvmlockd.conf": 'lock_managers {\n\tidm = "/no/plugin.ts"\n\tdlm = "dlm"\n}',
  };
  const around = {
    directory_problem: undefined,
    plugin_problem: (reference: string) => (reference === "/ok.ts" ? undefined : `no ${reference}`),
  };

  test("a plugin that can't be found is an error with its place, but not one that is the default anyway", () => {
    const checked = checkConfig(optionsFor(files), around);
    expect(checked.ok).toBe(false);
    expect(checked.json.ok).toBe(false);
    expect(checked.json.diagnostics).toHaveLength(1);
    expect(checked.text).toStartWith(
      [
        "/etc/lvm/lvmlockd.conf:2:8: error: lock_managers/idm: no /no/plugin.ts",
        '     2 | \tidm = "/no/plugin.ts"',
        `       | \t      ${"^".repeat(15)}`,
      ].join("\n"),
    );
  });

  test("a plugin that is there is none", () => {
    const own = 'daemon/lock_manager = "/ok.ts"';
    expect(checkConfig(optionsFor({ ...files, "lvmlockd.conf": own }), around).ok).toBe(true);
  });

  test("a directory that is not there is an error", () => {
    const checked = checkConfig(optionsFor({}), { ...around, directory_problem: "gone" });
    expect(checked.ok).toBe(false);
    expect(checked.text).toStartWith("/etc/lvm: error: gone\n");
  });
});

describe("config list and get", () => {
  const config = loadConfig(
    optionsFor({ "lvm.conf": 'global/use_lvmlockd = 1 devices { filter = [ "a|.*|" ] dir = "/dev" }' }),
  );

  test("list has every setting once", () => {
    expect(configList(config).map(({ name }) => name)).toEqual([...settingNames]);
  });

  test("get shows a value as it would be written, with its place", () => {
    expect(configGet(config, "global/use_lvmlockd")).toMatchObject({
      ok: true,
      entry: { value: "1", source: { file: "/etc/lvm/lvm.conf", line: 1, column: 23 } },
    });
    expect(configGet(config, "daemon/pid_file")).toMatchObject({
      entry: { value: '"/run/lvmlockd.pid"', source: undefined },
    });
    expect(configGet(config, "local/pr_key")).toMatchObject({ entry: { value: undefined } });
  });

  test("get shows what lvm alone knows, and whole sections", () => {
    expect(configGet(config, "devices/filter")).toMatchObject({ entry: { value: '"a|.*|"' } });
    expect(configGet(config, "devices")).toMatchObject({
      entry: { value: 'devices {\n\tfilter="a|.*|"\n\tdir="/dev"\n}' },
    });
  });

  test("get names the nearest setting for one that is not there", () => {
    expect(configGet(config, "global/use_lvmlokd")).toEqual({
      ok: false,
      reason: '"global/use_lvmlokd" is not set; did you mean "global/use_lvmlockd"?',
    });
    expect(configGet(config, "").ok).toBe(false);
  });
});

describe("config edit", () => {
  function edit(files: Files, request: Partial<EditRequest> & { name: string; value?: string }) {
    return configEdit(optionsFor(files), { kind: "set", file: undefined, ...request } as EditRequest);
  }
  function result(files: Files, request: Partial<EditRequest> & { name: string; value?: string }): string {
    const edited = edit(files, request);
    return edited.ok ? `${edited.path}: ${decodeBytes(edited.after)}` : edited.reason;
  }

  const cases: [title: string, files: Files, name: string, value: string, result: string][] = [
    [
      "edits the file where the setting belongs",
      {},
      "local/host_id",
      "5",
      "/etc/lvm/lvmlocal.conf: local {\n\thost_id = 5\n}\n",
    ],
    [
      "edits the file that sets it now",
      { "lvm.conf": "local/host_id = 1\n" },
      "local/host_id",
      "5",
      "/etc/lvm/lvm.conf: local/host_id = 5\n",
    ],
    [
      "puts words into quotes",
      {},
      "lock_managers/dlm",
      "local",
      '/etc/lvm/lvmlockd.conf: lock_managers {\n\tdlm = "local"\n}\n',
    ],
    [
      "keeps quotes that are there",
      {},
      "lock_managers/dlm",
      '"local"',
      '/etc/lvm/lvmlockd.conf: lock_managers {\n\tdlm = "local"\n}\n',
    ],
    [
      "takes digits as a string where one belongs",
      {},
      "local/system_id",
      "7",
      '/etc/lvm/lvmlocal.conf: local {\n\tsystem_id = "7"\n}\n',
    ],
    [
      "takes lists",
      {},
      "activation/lock_start_list",
      '["a", "b"]',
      '/etc/lvm/lvm.conf: activation {\n\tlock_start_list = ["a", "b"]\n}\n',
    ],
  ];
  test.each(cases)("%s", (_title, files, name, value, wanted) =>
    expect(result(files, { name, value })).toBe(wanted),
  );

  test("hands out what the file held before, or undefined for a new one", () => {
    const known = edit({ "lvm.conf": "global { }" }, { name: "global/use_lvmlockd", value: "yes" });
    expect(known.ok && decodeBytes(known.before ?? new Uint8Array())).toBe("global { }");
    const created = edit({}, { name: "global/use_lvmlockd", value: "yes" });
    expect(created.ok && created.before).toBeUndefined();
  });

  test("refuses a value that the setting does not take", () => {
    expect(result({}, { name: "local/host_id", value: "many" })).toBe(
      '"many" is not a value for local/host_id: expected an integer from 0 to 2000',
    );
  });

  const wrongLists = ['["a"] evil = 1', '[ "a", 3', '["a"', "[a", "[ ]]", '["a"]\nevil = 1', '["a", 3]'];
  const wrongEntries = ["x,y", "a b", "", "@", "vg/", "/lv", "a/b/c", '["ok", "x,y"]', "-a", '["@*"] }'];
  test.each([...wrongLists, ...wrongEntries])("refuses the list %p", (value) => {
    expect(result({}, { name: "activation/lock_start_list", value })).toContain(
      'expected a list of VGs, VG/LVs or @tags, like [ "vg1", "vg2/lv1", "@tag" ]',
    );
  });
  test.each(wrongLists)("refuses %p for system IDs", (value) => {
    expect(result({}, { name: "local/extra_system_ids", value })).toContain("expected a list of system IDs");
  });

  const lists = ["vg1", "vg1/lv1", "@t-1", '"vg1"', "[]", '["a", "b+c/d.e", "@*", "@t/=!:#&"]', "['a']"];
  test.each(lists)("takes the list %p", (value) => {
    expect(edit({}, { name: "activation/lock_start_list", value }).ok).toBe(true);
  });

  test("refuses a name that it does not know, unless the file is named", () => {
    expect(result({}, { name: "local/host_i", value: "1" })).toContain('did you mean "local/host_id"?');
    expect(result({}, { name: "devices/dir", value: "/dev", file: "/etc/lvm/lvm.conf" })).toBe(
      '/etc/lvm/lvm.conf: devices {\n\tdir = "/dev"\n}\n',
    );
  });

  test("refuses to edit a file with an error, and to make one that lvm refuses", () => {
    expect(result({ "lvm.conf": "local {" }, { name: "global/use_lvmlockd", value: "1" })).toContain(
      "the file has an error",
    );
    expect(
      result({ "lvmlocal.conf": "local/host_id = 1\n" }, { name: "local/host_id", kind: "comment" }),
    ).toContain("lvm refuses a file that has text but no setting");
  });

  test("says when another file still wins", () => {
    const edited = edit(
      { "lvmlocal.conf": "local/host_id = 1" },
      { name: "local/host_id", value: "2", file: "/etc/lvm/lvm.conf" },
    );
    expect(edited.ok && edited.diagnostics.map(({ message }) => message)).toEqual([
      "local/host_id is set again on line 1 of /etc/lvm/lvmlocal.conf, which counts",
    ]);
  });
});
