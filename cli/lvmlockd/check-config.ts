/** --check-config: what the files say and what is wrong with them. */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { EXIT } from "../../core/errors.ts";
import { checkConfig } from "../../grammar/commands.ts";
import type { LoadOptions } from "../../grammar/load-options.ts";
import { findSource } from "../../plugins/host/registry.ts";
import { errorSentence } from "../../plugins/host/sentences.ts";
import { configLoadOptions } from "../config-directory.ts";
import { jsonReport } from "../json-report.ts";
import type { ReportFormat } from "../shared-options.ts";
import { say } from "../streams.ts";

/** Returns the exit status: 0 for valid files, 6 for files with errors. */
export function checkConfigFiles(config_dir: string | null, format: ReportFormat): number {
  const options = configLoadOptions(config_dir, process.env);
  const checked = checkConfig(options, {
    directory_problem: directoryProblem(options, config_dir),
    // The registry answers as it will answer the daemon, so that both agree on what a plugin is.
    plugin_problem: (reference) => {
      const source = findSource(reference, resolve(options.system_dir));
      return source.kind === "missing" ? source.problem : undefined;
    },
  });
  const exit_status = checked.ok ? EXIT.ok : EXIT.config;
  if (format === "basic") return say(checked.text, exit_status);
  const { files, diagnostics, settings } = checked.json;
  const sections = {
    config: [{ ok: checked.ok, host_tags: checked.json.host_tags.join(",") }],
    file: files,
    diagnostic: diagnostics.map(({ severity, file, position, message, expected, hint }) => ({
      severity,
      file,
      line: position?.line ?? null,
      column: position?.column ?? null,
      message,
      expected: expected ?? "",
      hint: hint ?? "",
    })),
    setting: Object.entries(settings).map(([name, value]) => ({ name, value: settingText(value) })),
  };
  return say(jsonReport(sections, format), exit_status);
}

/** A directory that somebody named is meant to be there; without /etc/lvm everything simply has its default. */
function directoryProblem({ system_dir }: LoadOptions, config_dir: string | null): string | undefined {
  const named = config_dir ?? process.env.LVM_SYSTEM_DIR ?? "";
  if (named === "") return undefined;
  try {
    const info = statSync(system_dir, { throwIfNoEntry: false });
    if (info === undefined) return "this directory does not exist";
    return info.isDirectory() ? undefined : "this is not a directory";
  } catch (error) {
    return `this directory can't be looked into: ${errorSentence(error)}`;
  }
}

function settingText(value: unknown): string | number | boolean | null {
  if (value === undefined || value === null) return null;
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
  return Array.isArray(value) ? value.join(",") : String(value);
}
