import { writeValue } from "../grammar/edit.ts";
import {
  type Setting,
  type SettingFile,
  type SettingValue,
  settingNames,
  settingRow,
} from "../grammar/settings.ts";
import { displayText } from "../grammar/text.ts";

const intro = `# Settings

<!-- Made by scripts/generate.ts from grammar/settings.ts. Change that table instead. -->

lvmlockd, lvmlockctl and lvmpersist read the settings below. All files are in \`/etc/lvm\`, or in the directory that the
environment variable \`LVM_SYSTEM_DIR\` names, and are written in LVM's own configuration language (lvm.conf(5)).

- \`lvm.conf\`, then \`lvmlocal.conf\`, then \`lvm_<tag>.conf\` for each host tag are laid over each other as lvm does it: the
  later file wins, value by value. The host tags come from the \`tags\` section of these files (\`hosttags\`, \`host_list\`).
  Names we do not know in them are lvm's business; only one that is nearly one of the names below, or stands in the
  wrong section, is warned about.
- \`lvmlockd.conf\` is ours alone, so that lvm never warns about it. A name we do not know in it is an error.

Within one file the last definition of a setting counts. A command line option beats every file.
\`lvmlockd --check-config\` shows what is wrong, with file, line and column; \`lvmlockctl config list\` shows what is in
force and where it was written; \`lvmlockctl config edit NAME=VALUE\` changes one value and no other byte of the file.
A daemon that is running keeps its settings when a file has an error.
`;

const files: readonly SettingFile[] = ["lvmlockd.conf", "lvm.conf", "lvmlocal.conf"];

/** docs/settings.md: the setting table for people. */
export function settingsPage(): string {
  const parts = [intro];
  for (const file of files) {
    parts.push(`\n## ${file}\n`);
    for (const name of settingNames) {
      if (settingRow(name).file === file) parts.push(describe(name, settingRow(name)));
    }
  }
  return parts.join("");
}

function describe(name: string, row: Setting<SettingValue>): string {
  const value = row.default === undefined ? "none" : `\`${displayText(writeValue(row.default))}\``;
  return `
### ${name}

${row.description}

- Type: ${row.kind.type}
- Default: ${value}
- Why: ${row.reason}
`;
}
