import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPluginHost } from "../../../plugins/host/host.ts";

const root = join(import.meta.dir, "..", "..", "..");
const scratch = mkdtempSync(join(tmpdir(), "plugin-readme-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const blocks = [
  ...readFileSync(join(root, "plugins", "README.md"), "utf8").matchAll(/```ts\n([\s\S]*?)```/g),
].map(([, code = ""]) => code.replaceAll('"lvmlockd/', `"${root}/`));
const [plugin = "", suite = ""] = blocks;

/** Writes the plugin and the suite of the README beside each other. */
function write(name: string, code: string): { readonly plugin: string; readonly suite: string } {
  const paths = { plugin: join(scratch, `${name}.ts`), suite: join(scratch, `${name}.test.ts`) };
  writeFileSync(paths.plugin, code);
  // Both VGs of two tests are called the same, so each world gets a fresh copy of the module and its memory.
  const fresh = suite
    .replace(
      'import definition from "./memory.ts";',
      `import definition from "./${name}.ts";\nlet worlds = 0;`,
    )
    .replace(
      "  async open() {",
      `  async open() {\n    const { default: definition } = await import(\`./${name}.ts?\${worlds++}\`);`,
    );
  writeFileSync(paths.suite, fresh);
  return paths;
}

function run(path: string): { readonly passed: boolean; readonly output: string } {
  const result = Bun.spawnSync([process.execPath, "test", path], { cwd: scratch });
  return { passed: result.success, output: result.stderr.toString() };
}

describe("the plugin of the README", () => {
  let paths: ReturnType<typeof write>;
  beforeAll(() => {
    paths = write("memory", plugin);
  });

  test("is loaded from its path and serves", async () => {
    const host = await createPluginHost({
      lock_managers: { dlm: paths.plugin },
      config_directory: "/",
      test_mode: false,
      io_timeout_s: 0,
      lvmlockctl_path: "",
      settings: {},
      log: () => {},
      news: () => {},
    });
    expect(host.problems).toEqual([]);
    const target = { kind: "manager", lock_type: "dlm", method: "isRunning" } as const;
    expect(host.ask({ kind: "ask", call_id: 1, target, args: {} }, () => {})).toEqual({
      kind: "done",
      running: true,
    });
    await host.close();
  });

  test("passes the suite with two hosts", () => {
    const { passed, output } = run(paths.suite);
    expect(output).toContain("between hosts");
    expect(passed).toBe(true);
  });

  test("and the suite's file satisfy the type checker", () => {
    const config = {
      extends: join(root, "tsconfig.json"),
      compilerOptions: { typeRoots: [join(root, "node_modules")], types: ["bun-types"] },
      files: [paths.plugin, join(scratch, "as-written.test.ts")],
      include: [],
    };
    writeFileSync(join(scratch, "as-written.test.ts"), suite);
    writeFileSync(join(scratch, "tsconfig.json"), JSON.stringify(config));
    const tsc = Bun.spawnSync([join(root, "node_modules", ".bin", "tsc"), "-p", scratch]);
    expect(tsc.stdout.toString()).toBe("");
  }, 30_000);
});

describe("the suite", () => {
  /** Defects that a lock manager could have, as changes of the README's plugin. */
  const defects: readonly (readonly [what: string, code: string, broken: string])[] = [
    [
      "grants a lock that another host holds",
      'if (owner === host_id || (mode === "sh"',
      'if (true || (mode === "sh"',
    ],
    ["refuses shared locks beside each other", 'mode === "sh" && held === "sh"', "false"],
    ["forgets the version", "resource.value_block = { layout", "const block = { layout"],
    [
      "stores the version of a shared holder",
      'resource.holders.get(host_id) === "ex" && r_version',
      "r_version",
    ],
    [
      "has one value block for all",
      "const find = (kind: string, name: string): Resource => {",
      "const find = (..._: string[]): Resource => { const [kind, name] = [0, 0];",
    ],
    [
      "gives an LV a value block",
      'kind === "lv" ? null : resource.value_block',
      "resource.value_block ?? { layout: 0, flags: 0, r_version: 0 }",
    ],
    ["keeps the lock when it is released", "resource.holders.delete(host_id);\n      return", "return"],
    [
      "keeps its locks when it leaves",
      "for (const { holders } of lockspace.resources.values()) holders.delete(host_id);",
      "",
    ],
    ["starts any VG", "vg_lock_args !== LOCK_ARGS", "false"],
    ["joins twice", "lockspace.members.has(host_id)) return refuse", "false) return refuse"],
    [
      "counts itself as another host",
      "lockspace.members.size - (lockspace.members.has(host_id) ? 1 : 0)",
      "lockspace.members.size",
    ],
    ["converts what it does not hold", "if (!resource.holders.has(host_id)) return", "if (false) return"],
    ["does not say that it adopted", "value_block, adopted }", "value_block, adopted: false }"],
    [
      "tells nobody who the owner is",
      "owner: { host_id: owner, generation",
      "owner: { host_id: 99, generation",
    ],
    ["says that trying again is no use", 'retry: "soon"', 'retry: "never"'],
    [
      "cuts lockspace names",
      "LockspaceHandle {",
      "LockspaceHandle { lockspace_name = lockspace_name.slice(0, 63);",
    ],
    [
      "answers with a class instance",
      '{ kind: "done", running: true }',
      'Object.assign(Object.create(null), { kind: "done", running: () => true })',
    ],
  ];
  for (const [index, [what, code, broken]] of defects.entries()) {
    test.concurrent(`finds a manager that ${what}`, async () => {
      expect(plugin).toContain(code);
      const paths = write(
        `defect${index}`,
        plugin.replace(code, () => broken),
      );
      const tested = Bun.spawn([process.execPath, "test", paths.suite], { cwd: scratch, stderr: "pipe" });
      const output = await new Response(tested.stderr).text();
      expect(output).toMatch(/[1-9]\d* fail/);
      expect(await tested.exited).toBe(1);
    });
  }
});
