import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findSource, loadDefinition } from "../../../plugins/host/registry.ts";
import { detailOf, fixture, testHost } from "./asking.ts";

const scratch = mkdtempSync(join(tmpdir(), "host-loading-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const file = (path: string, text: string): string => {
  mkdirSync(join(scratch, path, ".."), { recursive: true });
  writeFileSync(join(scratch, path), text);
  return join(scratch, path);
};

describe("finding a lock manager", () => {
  test("knows the built-in ones by name", () => {
    expect(findSource("local", "/")).toEqual({ kind: "built-in", name: "local" });
    expect(findSource("toString", "/nowhere")).toMatchObject({ kind: "missing" });
  });

  test("takes absolute paths of .ts, .js and .mjs files", () => {
    expect(findSource(fixture("scripted-inline"), "/")).toEqual({
      kind: "file",
      path: fixture("scripted-inline"),
    });
    expect(findSource(join(scratch, "none.ts"), "/")).toMatchObject({
      problem: `the plugin file ${join(scratch, "none.ts")} does not exist`,
    });
    expect(findSource(scratch, "/")).toMatchObject({ kind: "missing" });
    expect(findSource(file("plugin.json", "{}"), "/")).toMatchObject({ kind: "missing" });
  });

  test("refuses relative paths, which would depend on the current directory", () => {
    for (const name of ["./plugin.ts", "../plugin.ts", "a/b/c.ts", "", ".", "..", "file:///x.ts", "a b"]) {
      expect(findSource(name, scratch)).toMatchObject({ kind: "missing" });
    }
  });

  test("finds a package from the configuration's directory upwards, by its exports, module, main or index", () => {
    const conf = join(scratch, "etc", "lvm");
    mkdirSync(conf, { recursive: true });
    const cases: [string, string, string][] = [
      ["p-exports", '{"exports":{".":{"types":"./t.d.ts","import":"./m.mjs"}}}', "m.mjs"],
      ["p-string", '{"exports":"./s.js"}', "s.js"],
      ["p-nested", '{"exports":{"import":{"default":"./n.js"}}}', "n.js"],
      ["p-module", '{"module":"mod.js","main":"old.js"}', "mod.js"],
      ["p-main", '{"main":"./lib/main.js"}', "lib/main.js"],
      ["@scope/p-index", "{}", "index.js"],
      ["p-broken", "no json", "index.ts"],
    ];
    for (const [name, manifest, main] of cases) {
      file(`etc/node_modules/${name}/package.json`, manifest);
      const path = file(`etc/node_modules/${name}/${main}`, "");
      expect(findSource(name, conf)).toEqual({ kind: "file", path });
    }
    file("etc/node_modules/p-escapes/package.json", '{"main":"../../../outside.js"}');
    file("outside.js", "");
    expect(findSource("p-escapes", conf)).toMatchObject({ kind: "missing" });
  });

  test("says where it looked for a package that is not installed, and does not download it", () => {
    const found = findSource("left-pad", scratch);
    expect(found).toMatchObject({ kind: "missing" });
    expect(found.kind === "missing" && found.problem).toContain(`${scratch}/node_modules`);
  });
});

describe("a plugin that can't be used", () => {
  const cases: [string, string, RegExp][] = [
    [
      "an unknown name",
      "sanlok",
      /neither a built-in|is not a built-in lock manager \([a-z, -]*sanlock[a-z, -]*\), and the package sanlok is not installed/,
    ],
    ["a missing file", "/nonexistent/plugin.ts", /file \/nonexistent\/plugin.ts does not exist/],
    ["a throwing import", fixture("throws-at-import"), /can't be loaded: no way to import this/],
    [
      "another contract version",
      fixture("wrong-version"),
      /speaks version 99 of the plugin contract, .* speaks version 1/,
    ],
    ["no default export", fixture("no-default"), /has no default export/],
    [
      "a syntax error",
      file("syntax.ts", "export default {\n  oops oops\n};"),
      /can't be loaded: .*syntax.ts:2/,
    ],
    [
      "a missing import",
      file("lost/import.mjs", 'import "./not-there.mjs";'),
      /can't be loaded: .*not-there/,
    ],
    ["a string as definition", file("string.mjs", 'export default "x";'), /exports a string as default/],
  ];
  for (const [what, configured, sentence] of cases) {
    test(`because of ${what} is a sentence, and refuses who asks for it`, async () => {
      const host = await testHost({ dlm: configured });
      expect(host.problems).toHaveLength(1);
      expect(host.problems[0]?.detail).toMatch(sentence);
      expect(host.problems[0]?.detail).toContain(configured);
      expect(detailOf(await host.manager("isRunning"))).toMatch(/^EMANAGER /);
      expect(detailOf(await host.lock(1, "now"))).toMatch(sentence);
      expect(host.managers.dlm?.capabilities.global_lock).toBe("own");
      await host.close();
    });
  }

  test("for a lock type that it does not serve says which it serves", async () => {
    const host = await testHost({ idm: fixture("scripted-inline") });
    expect(host.problems[0]?.detail).toMatch(/can't serve lock type idm; it serves dlm, sanlock/);
  });

  test("leaves the other lock managers alone", async () => {
    const host = await testHost({ dlm: "local", sanlock: fixture("wrong-version") });
    expect(detailOf(await host.manager("isRunning"))).toBe("done");
    expect(detailOf(await host.manager("isRunning", {}, "sanlock"))).toMatch(/^EMANAGER/);
    expect(detailOf(await host.manager("isRunning", {}, "idm"))).toMatch(/^EPROTONOSUPPORT/);
  });

  test("because its import never ends does not keep the daemon from starting", async () => {
    const source = { kind: "file", path: fixture("never-imported") } as const;
    expect(await loadDefinition(source, "dlm", 20)).toMatchObject({
      problem: expect.stringContaining("takes longer"),
    });
  });

  test("because a capability is misspelt says which one", async () => {
    const text = `import { scriptedDefinition } from ${JSON.stringify(fixture("scripted"))};
      const d = scriptedDefinition("inline");
      export default { ...d, capabilities: (t) => ({ ...d.capabilities(t), adoption: undefined }) };`;
    const host = await testHost({ dlm: file("misspelt.ts", text) });
    expect(host.problems[0]?.detail).toMatch(/returns no boolean for the capability adoption/);
  });
});

describe("opening", () => {
  test("happens at the first ask, not when the host is made", async () => {
    const host = await testHost({ dlm: fixture("throws-at-open") });
    expect(host.problems).toEqual([]);
    expect(host.logged).toEqual([]);
    expect(detailOf(await host.manager("isRunning"))).toMatch(/^EMANAGER .*no way to open this/);
    expect(host.logged).toHaveLength(1);
    // Asked again at once, it is not tried again, so that a busy daemon does not open a missing library all the time.
    expect(detailOf(await host.manager("isRunning"))).toMatch(/^EMANAGER .*no way to open this/);
    expect(host.logged).toHaveLength(1);
  });

  for (const kind of ["library-missing", "library-missing-in-worker"]) {
    test(`without its library is a refusal that names the library (${kind})`, async () => {
      const host = await testHost({ dlm: fixture(kind) });
      expect(detailOf(await host.manager("isRunning"))).toMatch(/^EMANAGER .*libnot-installed.so.1/);
      expect(detailOf(await host.lock(1, "now"))).toMatch(/^EMANAGER .*libnot-installed.so.1/);
      await host.close();
    });
  }

  test("may take a while, and the calls of that time are made in their order", async () => {
    const host = await testHost({ dlm: fixture("opens-slowly") });
    const order: number[] = [];
    const asks = [1, 2, 3, 4].map((number) =>
      host.lock(1, number === 2 ? "soon" : "now").then(() => void order.push(number)),
    );
    await Promise.all(asks);
    expect(order).toEqual([1, 2, 3, 4]);
    await host.close();
  });
});
