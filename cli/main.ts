#!/usr/bin/env bun
/**
 * One entry for the three programs, chosen by the name it is called by (the compiled dist/lvmlockd and the links to it) or
 * by its first argument (`bun run cli/main.ts lvmlockctl --info`). Each program is imported only when it is the one.
 */
import { basename } from "node:path";

const programs: Readonly<Record<string, () => Promise<{ main(words: readonly string[]): Promise<number> }>>> =
  {
    lvmlockd: () => import("./lvmlockd/main.ts"),
    lvmlockctl: () => import("./lvmlockctl/main.ts"),
    lvmpersist: () => import("./lvmpersist/main.ts"),
  };

const called_as = basename(process.argv0);
const words = process.argv.slice(2);
const named = programs[called_as];
const [first = "", ...rest] = words;
const program = named ?? programs[first];

if (program === undefined) {
  process.stderr.write(`Which program? Say one of: ${Object.keys(programs).join(", ")}\n`);
  process.exit(2);
} else {
  const { main } = await program();
  process.exit(await main(named === undefined ? rest : words));
}
