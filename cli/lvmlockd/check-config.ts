/** --check-config: what the files say, what is wrong with them, and whether the daemon would start. */
import { EXIT } from "../../core/errors.ts";
import { checkConfig } from "../../grammar/commands.ts";
import { configLoadOptions } from "../config-directory.ts";
import { jsonReport } from "../json-report.ts";
import type { ReportFormat } from "../shared-options.ts";
import { say } from "../streams.ts";

/** Returns the exit status: 0 for valid files, 6 for files with errors. */
export function checkConfigFiles(config_dir: string | null, format: ReportFormat): number {
  const checked = checkConfig(configLoadOptions(config_dir, process.env));
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

function settingText(value: unknown): string | number | boolean | null {
  if (value === undefined || value === null) return null;
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
  return Array.isArray(value) ? value.join(",") : String(value);
}
