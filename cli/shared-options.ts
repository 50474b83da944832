/** Options that several of the programs have, so that they are worded once. */
import { COMPLETE_DIRECTORY, completeValues, type OptionEntry } from "./option-table.ts";

export const HELP_OPTION = {
  name: "help",
  short: "h",
  argument: null,
  summary: "Show this help.",
  details: [],
} as const satisfies OptionEntry;

export const VERSION_OPTION = {
  name: "version",
  short: "V",
  argument: null,
  summary: "Show the version.",
  details: [],
} as const satisfies OptionEntry;

/** The report formats of lvm itself: text for people, JSON with every value a string, JSON with typed values. */
export const REPORT_FORMATS = ["basic", "json", "json_std"] as const;

export type ReportFormat = (typeof REPORT_FORMATS)[number];

export const REPORT_FORMAT_OPTION = {
  name: "reportformat",
  short: null,
  argument: { placeholder: "basic|json|json_std", completion: completeValues(REPORT_FORMATS) },
  summary: "Print for people, or in lvm's JSON report shape. [basic]",
  details: [
    "As with the reporting commands of lvm, json writes every value as a string, and json_std writes numbers as numbers " +
      "and what is unknown as null.",
  ],
} as const satisfies OptionEntry;

export const CONFIG_DIR_OPTION = {
  name: "config-dir",
  short: null,
  argument: { placeholder: "DIR", completion: COMPLETE_DIRECTORY },
  summary: "Read lvm.conf, lvmlocal.conf and lvmlockd.conf here. [/etc/lvm]",
  details: ["Without this option, LVM_SYSTEM_DIR in the environment names the directory, as for lvm itself."],
} as const satisfies OptionEntry;
