/** The parts of lvmlockctl's man page that are not made from its options. */
import { exitStatusBlock } from "../exit-status.ts";
import type { ManSection } from "../option-table.ts";

const killCommand: ManSection = {
  title: "WHEN A VG LOSES ITS LOCK STORAGE",
  content: [
    {
      kind: "paragraph",
      text:
        "When sanlock can't renew the lease of a VG, other hosts may soon take its locks, so the LVs that are active here " +
        "must go offline within seconds; else the watchdog resets the host. A command that does so is set in lvm.conf:",
    },
    {
      kind: "verbatim",
      lines: ["global {", '    lvmlockctl_kill_command = "/usr/local/sbin/vg-offline"', "}"],
    },
    {
      kind: "paragraph",
      text:
        "It gets the name of the VG as its only argument, must make further writes to the VG's LVs impossible (for instance " +
        "with dmsetup wipe_table), and exits with status 0 only when that is certain. Try it with lvmlockctl --kill on a VG " +
        "made for that purpose.",
    },
  ],
};

const json: ManSection = {
  title: "JSON",
  content: [
    {
      kind: "paragraph",
      text:
        "--info and who have lvm's report shape with --reportformat json or json_std: one object with the key report, a list " +
        "of one object, whose keys are the kinds of rows (lvmlockd, lockspace, lock, waiter, refusal, fence, client, incident, setting). New " +
        "keys may be added; existing ones keep their meaning. Durations are in seconds (_s).",
    },
  ],
};

const examples: ManSection = {
  title: "EXAMPLES",
  content: [
    { kind: "paragraph", text: "Why does a command on vg0 not go on?" },
    { kind: "verbatim", lines: ["lvmlockctl who vg0"] },
    { kind: "paragraph", text: "The VG with the global lock of sanlock was removed. Let vg1 hold it:" },
    { kind: "verbatim", lines: ["lvmlockctl --gl-enable vg1"] },
    { kind: "paragraph", text: "Is lvm told to use lvmlockd, and where?" },
    { kind: "verbatim", lines: ["lvmlockctl config get global/use_lvmlockd"] },
  ],
};

export const LVMLOCKCTL_SECTIONS: readonly ManSection[] = [
  killCommand,
  json,
  { title: "EXIT STATUS", content: [exitStatusBlock()] },
  examples,
];
