import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import * as fc from "fast-check";
import { loadConfig } from "../../grammar/load.ts";
import { type IntegerReading, parseConfig } from "../../grammar/parser.ts";
import { formatChildren, formatNode, formatValue } from "../../grammar/print.ts";
import { readFileFromDisk } from "../../grammar/read-file.ts";
import { rawFromText } from "../../grammar/text.ts";
import { buildTree, type ConfigNode } from "../../grammar/tree.ts";
import { configText } from "../grammar/config-text.ts";
import { type LibdmParser, openLibdm } from "./libdevmapper.ts";
import { installedLvm, type LvmSystemDirectory, makeLvmSystemDirectory } from "./lvm.ts";

// A fixed seed, so that a run tells the same every time; another one is tried with LVMLOCKD_TEST_SEED.
const seed = Number(process.env.LVMLOCKD_TEST_SEED ?? 1);

function parseTree(raw: string, integers: IntegerReading): ConfigNode | undefined {
  const parsed = parseConfig(raw, { integers });
  return parsed.ok ? buildTree(parsed.file, "").root : undefined;
}

const lvm = installedLvm();

describe.if(lvm !== undefined)("compared with libdm in libdevmapper", () => {
  let libdm: LibdmParser;
  beforeAll(() => {
    const opened = openLibdm();
    if (opened === undefined)
      throw new Error("libdevmapper.so.1.02.1 was not found, although lvm is installed");
    libdm = opened;
  });
  afterAll(() => libdm.close());

  test("20 000 generated files have the same tree, or both refuse", () => {
    let accepted = 0;
    const property = fc.property(configText, (text) => {
      const raw = rawFromText(text);
      const root = parseTree(raw, libdm.integers);
      // For libdm a file without any item is a failed parse; only what reads the file can tell (parse-file.ts).
      const ours = root === undefined || root.children.size === 0 ? undefined : formatChildren(root);
      if (ours !== undefined) accepted++;
      expect(ours).toBe(libdm.parse(raw));
    });
    fc.assert(property, { numRuns: 20_000, seed });
    expect(accepted).toBeGreaterThan(5000);
  });
});

describe.if(lvm !== undefined)("compared with lvmconfig", () => {
  let directory: LvmSystemDirectory;
  let integers: IntegerReading;
  beforeAll(() => {
    directory = makeLvmSystemDirectory(lvm ?? "");
    directory.write("lvm.conf", "allocation { x = 08 }");
    integers = directory.config("allocation") === undefined ? "exact" : "prefix";
  });
  afterEach(() => directory.clear());
  afterAll(() => directory.close());

  // lvm prints unknown sections from memory that is not its own (their id is -1), so everything generated stands in a
  // section whose content it does not check, and only the known section around it is asked for.
  const wrap = (raw: string): string => `allocation { cache_settings { probe {\n${raw}\n} } }\n`;

  test("400 generated files have the same tree, or both refuse", () => {
    let accepted = 0;
    const property = fc.property(configText, (text) => {
      const raw = wrap(rawFromText(text));
      directory.write("lvm.conf", raw);
      const node = parseTree(raw, integers)?.children.get("allocation");
      const ours = node === undefined ? undefined : formatNode(node);
      if (ours !== undefined) accepted++;
      expect(ours).toBe(directory.config("allocation"));
    });
    fc.assert(property, { numRuns: 400, seed });
    expect(accepted).toBeGreaterThan(100);
  }, 60_000);

  test("150 generated sets of lvm.conf, lvmlocal.conf and tag files are laid over each other the same way", () => {
    const names = ["lvm.conf", "lvmlocal.conf", "lvm_t1.conf", "lvm_t2.conf", `lvm_${hostname()}.conf`];
    let accepted = 0;
    const property = fc.property(fc.tuple(...names.map(() => layer)), (texts) => {
      directory.clear();
      names.forEach((name, index) => {
        const text = texts[index];
        if (text !== undefined) directory.write(name, text);
      });
      if (compareWithLoad(directory) > 0) accepted++;
    });
    fc.assert(property, { numRuns: 150, seed });
    expect(accepted).toBeGreaterThan(80);
  }, 60_000);

  const upstream = ["/etc/lvm/lvm.conf", "/etc/lvm/lvmlocal.conf"].filter(existsSync);
  test("lvm.conf and lvmlocal.conf as the package installs them mean the same", () => {
    expect(upstream).toHaveLength(2);
    for (const path of upstream)
      directory.write(path.slice("/etc/lvm/".length), readFileSync(path, "latin1"));
    expect(compareWithLoad(directory)).toBeGreaterThan(5);
  });

  test("an installed file with every setting of it switched on means the same", () => {
    const commented = readFileSync("/etc/lvm/lvm.conf", "latin1");
    const all = commented.replace(/^\t# ([a-z0-9_]+ = (?:\[.*\]|"[^"]*"|[^ ,]+))$/gm, "\t$1");
    directory.write("lvm.conf", all);
    expect(compareWithLoad(directory)).toBeGreaterThan(100);
  });

  const types = ["default", "full", "diff", "missing", "new", "profilable"];
  const comments = [[], ["--withcomments"], ["--withcomments", "--withversions", "--withspaces"]];
  const outputs = types.flatMap((type) =>
    comments.map((options) => [["--type", type, ...options].join(" ")] as const),
  );
  test.each(outputs)("what `lvmconfig %s` prints means the same", (options) => {
    directory.write("lvm.conf", "global { use_lvmlockd = 1 }\nlocal { host_id = 010 }\n");
    const printed = directory.config(...options.split(" "));
    if (printed === undefined) throw new Error(`lvmconfig ${options} failed`);
    directory.write("lvm.conf", printed);
    compareWithLoad(directory);
  });
});

/** Compares the merged tree of a directory with lvm's; returns how many nodes it has. */
function compareWithLoad(directory: LvmSystemDirectory): number {
  const theirs = directory.config();
  const ours = loadConfig({
    system_dir: directory.path,
    own_file: undefined,
    hostname: hostname(),
    read_file: readFileFromDisk,
  });
  const errors = ours.diagnostics.filter((diagnostic) => diagnostic.severity === "error");
  if (theirs === undefined) {
    expect(errors).not.toEqual([]);
    return 0;
  }
  expect(errors).toEqual([]);
  const printed = parseTree(theirs, "exact");
  if (printed === undefined) throw new Error("what lvmconfig printed can't be parsed");
  expect(nodesByPath(ours.lvm)).toEqual(nodesByPath(printed));
  return nodesByPath(printed).size;
}

/** Every value and every section. Without order: lvm puts new sections behind the first one when it merges. */
function nodesByPath(root: ConfigNode, prefix = ""): Map<string, string> {
  const nodes: [string, string][] = [];
  for (const node of root.children.values()) {
    const path = `${prefix}${node.key}`;
    nodes.push([path, node.value === undefined ? "section" : formatValue(node.value)]);
    if (node.value === undefined) nodes.push(...nodesByPath(node, `${path}/`));
  }
  return new Map(nodes.sort(([left], [right]) => (left < right ? -1 : 1)));
}

// One file of a set: settings that lvm knows and that change nothing about what it does here.
const list = fc.constantFrom('[ "vg1" ]', '[ "vg1", "@t1" ]', "[]", '"vg2"');
const lists = fc
  .tuple(
    fc.constantFrom(
      "activation/volume_list",
      "activation/lock_start_list",
      "activation/auto_lock_start_list",
    ),
    list,
  )
  .map(([name, text]) => `${name} = ${text}`);
const value = fc.oneof(
  lists,
  fc.constantFrom(
    'devices/filter = [ "a|.*|" ]',
    'devices/filter = [ "r|/dev/no.*|", "a|.*|" ]',
    "devices/filter = []",
  ),
  fc.constantFrom('devices/types = [ "fd", 16 ]', 'devices { types = [ "one", 4, "two", 2 ] }'),
  fc.constantFrom("local/host_id = 7", "local/host_id = 010", 'local { extra_system_ids = [ "a" ] }'),
  fc.constantFrom(
    "global/sanlock_lv_extend = 512",
    "global { use_lvmlockd = 1 }",
    "global/wait_for_locks = 0",
  ),
  fc.constantFrom(
    "allocation/cache_settings/p { x = 1 }",
    "allocation/cache_settings/p/y = 2",
    "allocation/maximise_cling = 1",
  ),
);
const condition = fc
  .tuple(
    fc.constantFrom("activation", "devices", "local", "global"),
    fc.constantFrom('[ "t1" ]', '"@t2"', "[]", '[ "other", 3 ]'),
  )
  .map(([section, tags]) => `${section}/tags = ${tags}`);
const tagDefinition = fc.constantFrom(
  "tags/t1 { }",
  "tags { @t2 { } }",
  `tags/t1/host_list = [ "nowhere", "${hostname()}" ]`,
  'tags/t2/host_list = [ "nowhere" ]',
  "tags/t2/host_list = []",
  "tags/hosttags = 1",
  "tags/hosttags = 0",
);
const rareFault = fc.constantFrom(
  "tags { @-bad { } }",
  "tags/t1/host_list = [ 3 ]",
  "tags/t1/host_filter = 1",
  "}",
  "x",
);
const line = fc.oneof(
  { weight: 40, arbitrary: value },
  { weight: 10, arbitrary: condition },
  { weight: 15, arbitrary: tagDefinition },
  { weight: 1, arbitrary: rareFault },
);
const layer = fc.option(
  fc.array(line, { maxLength: 6 }).map((lines) => lines.map((one) => `${one}\n`).join("")),
  { nil: undefined, freq: 5 },
);
