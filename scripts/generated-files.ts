/** Every committed file that is made from a table, by its path in the project. A test makes them again and compares. */

import { bashCompletion } from "../cli/completion/bash.ts";
import { fishCompletion } from "../cli/completion/fish.ts";
import { zshCompletion } from "../cli/completion/zsh.ts";
import { LVMLOCKCTL } from "../cli/lvmlockctl/options.ts";
import { LVMLOCKD } from "../cli/lvmlockd/options.ts";
import { LVMPERSIST } from "../cli/lvmpersist/options.ts";
import { manPage } from "../cli/man-page.ts";
import packageFile from "../package.json" with { type: "json" };
import { errorsPage } from "./errors-page.ts";
import { settingsPage } from "./settings-page.ts";

/** The three programs. */
export const PROGRAM_TABLES = [LVMLOCKD, LVMLOCKCTL, LVMPERSIST] as const;

/** Makes all of them: path to content. */
export function generatedFiles(): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const table of PROGRAM_TABLES) {
    files.set(`packaging/man/${table.name}.8`, manPage(table, packageFile.version));
    files.set(`packaging/completion/${table.name}.bash`, bashCompletion(table));
    files.set(`packaging/completion/_${table.name}`, zshCompletion(table));
    files.set(`packaging/completion/${table.name}.fish`, fishCompletion(table));
  }
  files.set("docs/errors.md", errorsPage());
  files.set("docs/settings.md", settingsPage());
  return files;
}
