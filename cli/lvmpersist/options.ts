/** The option table of lvmpersist. Its commands come with the SCSI persistent reservation plugin of a later version. */

import { exitStatusBlock } from "../exit-status.ts";
import {
  COMPLETE_FILE,
  COMPLETE_NOTHING,
  COMPLETE_VG,
  type CommandEntry,
  completeValues,
  defineProgram,
  type OptionEntry,
} from "../option-table.ts";
import { HELP_OPTION, VERSION_OPTION } from "../shared-options.ts";

/** The reservation types that LVM uses, by the names that lvmpersist of lvm2 takes. */
export const RESERVATION_TYPES = ["WE", "EA", "WEAR", "EAAR"] as const;

const key = { placeholder: "KEY", completion: COMPLETE_NOTHING };

const options = [
  { name: "ourkey", short: null, argument: key, summary: "The reservation key of this host.", details: [] },
  {
    name: "removekey",
    short: null,
    argument: key,
    summary: "The key of another host, to be removed or taken over from.",
    details: [],
  },
  { name: "key", short: null, argument: key, summary: "The key that check-key looks for.", details: [] },
  {
    name: "access",
    short: null,
    argument: { placeholder: "ex|sh", completion: completeValues(["ex", "sh"]) },
    summary: "Reserve for one host (ex) or for all that register (sh). [ex]",
    details: [],
  },
  {
    name: "prtype",
    short: null,
    argument: { placeholder: RESERVATION_TYPES.join("|"), completion: completeValues(RESERVATION_TYPES) },
    summary: "The reservation type, instead of --access.",
    details: [],
  },
  {
    name: "ptpl",
    short: null,
    argument: null,
    summary: "Let registration and reservation outlive a power loss of the device.",
    details: [],
  },
  { name: "debug", short: null, argument: null, summary: "Say every step.", details: [] },
  {
    name: "device",
    short: null,
    argument: { placeholder: "PATH", completion: COMPLETE_FILE },
    summary: "A device to work on; may be repeated.",
    details: [],
  },
  {
    name: "vg",
    short: null,
    argument: { placeholder: "VG", completion: COMPLETE_VG },
    summary: "Work on all PVs of this VG.",
    details: [],
  },
] as const satisfies readonly OptionEntry[];

const command = (word: string, summary: string): CommandEntry => ({
  words: [word],
  operands: "",
  operand_completion: COMPLETE_NOTHING,
  summary,
  details: [],
});

export const LVMPERSIST = defineProgram({
  name: "lvmpersist",
  purpose: "SCSI and NVMe persistent reservations on the PVs of a VG",
  synopsis: ["COMMAND [options]"],
  description: [
    "This version of lvmpersist knows its commands and options, but carries none of them out: they come with the SCSI " +
      "persistent reservation plugin of a later version. Until then every command ends with exit status 8 and changes " +
      "nothing; use lvmpersist of lvm2 2.03.34 or later.",
  ],
  options: [HELP_OPTION, VERSION_OPTION, ...options],
  commands: [
    command("start", "Register our key and reserve the devices; with --removekey take them over."),
    command("stop", "Unregister our key."),
    command("remove", "Remove another host's key, so that it can write no longer."),
    command("clear", "Remove all keys and the reservation."),
    command("devtest", "Show whether each device supports the reservation type."),
    command("check-key", "Exit with status 0 when every device has the key."),
    command("read-keys", "Show the registered keys."),
    command("read-reservation", "Show the reservation."),
    command("read", "Show keys and reservation."),
    command("help", "Show the help."),
  ],
  sections: [{ title: "EXIT STATUS", content: [exitStatusBlock()] }],
  see_also: ["lvm(8)", "lvmlockd(8)", "vgchange(8)", "sg_persist(8)"],
});
