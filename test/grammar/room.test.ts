import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { editConfig, writeValue } from "../../grammar/edit.ts";
import { loadConfig } from "../../grammar/load.ts";
import { defaultSettings, settingNames, settingRow } from "../../grammar/settings.ts";
import { loadStartConfig } from "../../grammar/start.ts";
import { encodeBytes } from "../../grammar/text.ts";
import { settingsPage } from "../../scripts/settings-page.ts";
import { optionsFor } from "./memory-files.ts";

const root = join(import.meta.dir, "..", "..");
const room = join(root, "grammar");

describe("the room", () => {
  test("imports no other room, and no library but its own", () => {
    const allowed = /^(?:\.\/[a-z-]+\.ts|node:(?:crypto|fs|os|path)|chevrotain|valibot)$/;
    for (const name of readdirSync(room)) {
      const source = readFileSync(join(room, name), "utf8");
      for (const [, specifier] of source.matchAll(/from "([^"]+)"|import\("([^"]+)"\)/g)) {
        if (specifier !== undefined)
          expect(`${name}: ${specifier}`).toMatch(new RegExp(`: ${allowed.source.slice(1)}`));
      }
    }
  });

  test("reads without an own file neither Chevrotain nor the parser", () => {
    const program = `
      const { loadStartConfig } = await import(${JSON.stringify(join(room, "start.ts"))});
      const { systemLoadOptions } = await import(${JSON.stringify(join(room, "load-options.ts"))});
      const config = await loadStartConfig({ ...systemLoadOptions({}), own_file: "/no/such/file" });
      const loaded = Object.keys(require.cache).filter((name) => /chevrotain|parser\\.ts/.test(name));
      console.log(JSON.stringify([config.ok, loaded]));`;
    const run = Bun.spawnSync([process.execPath, "-e", program], { cwd: "/", env: {} });
    expect(run.stdout.toString().trim()).toBe("[true,[]]");
  });

  test("reads an own file at the start, and nothing of lvm's", async () => {
    const options = optionsFor({ "lvmlockd.conf": "daemon/adopt = 0", "lvm.conf": "global {" });
    const config = await loadStartConfig(options);
    expect(config.ok).toBe(true);
    expect(config.settings["daemon/adopt"]).toBe(false);
  });
});

describe("the setting table", () => {
  test.each([...settingNames])("%s has a default that it takes itself when it is written down", (name) => {
    const value = defaultSettings()[name];
    if (value === undefined) return;
    const edited = editConfig("", { kind: "set", path: name, literal: writeValue(value) });
    if (!edited.ok) throw new Error(edited.reason);
    const file = settingRow(name).file;
    const config = loadConfig(optionsFor({ [file]: encodeBytes(edited.text) }));
    expect(config.diagnostics).toEqual([]);
    expect(config.settings[name]).toEqual(value);
    expect(config.sources.has(name)).toBe(true);
  });

  test("docs/settings.md is what the table makes of it", () => {
    expect(readFileSync(join(root, "docs", "settings.md"), "utf8")).toBe(settingsPage());
  });
});
