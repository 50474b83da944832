import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A directory of a test's own; `remove` takes it away with all that is in it. */
export interface Scratch {
  readonly path: string;
  file(name: string): string;
  remove(): void;
}

/** Makes a new, empty directory. The name is short: a unix socket's path must fit in 107 bytes. */
export function makeScratch(purpose: string): Scratch {
  const path = mkdtempSync(join(tmpdir(), `lockd-${purpose}-`));
  return {
    path,
    file: (name) => join(path, name),
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}
