import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { helpText } from "../../cli/help.ts";
import { optionSyntax } from "../../cli/option-table.ts";
import { generatedFiles, PROGRAM_TABLES } from "../../scripts/generated-files.ts";

const root = join(import.meta.dir, "../..");

describe("files made from tables", () => {
  for (const [path, content] of generatedFiles()) {
    test(`${path} is what its table makes; else run: bun run generate`, () => {
      expect(readFileSync(join(root, path), "utf8")).toBe(content);
    });
  }
});

describe("option tables", () => {
  for (const table of PROGRAM_TABLES) {
    test(`no two options of ${table.name} have the same name or letter`, () => {
      const names: string[] = table.options.map((option) => option.name);
      const letters = table.options.flatMap((option) =>
        option.short === null ? [] : [option.short as string],
      );
      expect(new Set(names).size).toBe(names.length);
      expect(new Set(letters).size).toBe(letters.length);
    });

    test(`the help of ${table.name} has every option and fits 80 columns`, () => {
      const help = helpText(table);
      for (const option of table.options) expect(help).toContain(`  ${optionSyntax(option)}\n`);
      for (const line of help.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
    });
  }
});

const groff = Bun.which("groff");
const bash = Bun.which("bash");

describe("the tools that read the generated files", () => {
  for (const { name } of PROGRAM_TABLES) {
    test.skipIf(groff === null)(
      `groff has no complaint about ${name}.8 (skipped when groff is missing)`,
      () => {
        const run = Bun.spawnSync([
          "groff",
          "-man",
          "-Tutf8",
          "-ww",
          "-z",
          join(root, `packaging/man/${name}.8`),
        ]);
        expect(run.stderr.toString()).toBe("");
        expect(run.exitCode).toBe(0);
      },
    );
  }

  test.skipIf(bash === null)(
    "bash completes options, values and commands (skipped when bash is missing)",
    () => {
      const script = `
      source ${join(root, "packaging/completion/lvmlockctl.bash")}
      try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _lvmlockctl; echo "\${COMPREPLY[*]}"; }
      try lvmlockctl --gl
      try lvmlockctl --reportformat = json_
      try lvmlockctl config ""
      try lvmlockctl ""
      source ${join(root, "packaging/completion/lvmpersist.bash")}
      persist() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _lvmpersist; echo "\${COMPREPLY[*]}"; }
      persist lvmpersist re
      persist lvmpersist start --re
      persist lvmpersist start --prtype WE
      persist lvmpersist start --access ""
    `;
      const run = Bun.spawnSync(["bash", "-c", script]);
      expect(run.stdout.toString().split("\n").slice(0, 8)).toEqual([
        "--gl-enable --gl-disable",
        "json_std",
        "get list edit",
        "who takeover config",
        "remove read-keys read-reservation read",
        "--removekey --reportformat",
        "WE WERO WEAR",
        "ex sh",
      ]);
    },
  );
});
