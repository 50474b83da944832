/** The option table of lvmpersist: everything the script of lvm2 has, and what we add. */
import { RESERVATION_TYPES } from "../../plugins/scsi-pr/reservable.ts";
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
import { LVMPERSIST_DESCRIPTION, LVMPERSIST_SECTIONS } from "./manual.ts";

/** "basic": the lines of lvm2's script. "table": for a person. The JSON formats are those of lvm. */
export const PERSIST_FORMATS = ["basic", "table", "json", "json_std"] as const;
export type PersistFormat = (typeof PERSIST_FORMATS)[number];

const key = { placeholder: "KEY", completion: COMPLETE_NOTHING };

const flag = (name: string, short: string | null, summary: string, ...details: string[]): OptionEntry => ({
  name,
  short,
  argument: null,
  summary,
  details,
});

const options = [
  {
    name: "device",
    short: null,
    argument: { placeholder: "PATH", completion: COMPLETE_FILE },
    summary: "A device to work on; may be repeated.",
    details: [
      "Any name that leads to a SCSI disk, an NVMe namespace or a multipath map: /dev/sda, /dev/disk/by-id/..., " +
        "/dev/mapper/.... A reservation is the whole disk's, so partitions are refused, and so is everything else.",
    ],
  },
  {
    name: "vg",
    short: null,
    argument: { placeholder: "VG", completion: COMPLETE_VG },
    summary: "Work on all PVs of this VG; with --device, only the name for what is worked on.",
    details: [
      "Without --device, lvm is asked for the PVs, without locks and without a shell. A PV that this host can't see counts as " +
        "a device that does not answer.",
    ],
  },
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
    details: [
      "ex is WE, on multipath devices WEAR, since each path is a registrant. sh is WEAR. On a multipath device ex is refused as a " +
        "conflict while another host is registered, since that one could write as well.",
    ],
  },
  {
    name: "prtype",
    short: null,
    argument: { placeholder: RESERVATION_TYPES.join("|"), completion: completeValues(RESERVATION_TYPES) },
    summary: "The reservation type on every device, instead of --access.",
    details: [],
  },
  flag(
    "ptpl",
    null,
    "Let registrations and reservation outlive a power loss of the device.",
    "With start. A device that can't is refused. It is the device's state and not one host's: a later start without --ptpl ends " +
      "it for all hosts, and warns of that.",
  ),
  flag(
    "yes",
    "y",
    "Do not ask before another host is cut off.",
    "Asked is only at a terminal, and never when lvm is what called: its own commands ask before.",
  ),
  flag(
    "no-paths",
    null,
    "Do not ask each path of a multipath map for its registration.",
    "read and start ask for that last and show it. A path that does not answer takes 30 seconds or more. lvmlockd, which needs only " +
      "keys and reservation, runs lvmpersist so.",
  ),
  flag("dry-run", "n", "Look at the devices and show what would be done, without doing it."),
  {
    name: "reportformat",
    short: null,
    argument: { placeholder: PERSIST_FORMATS.join("|"), completion: completeValues(PERSIST_FORMATS) },
    summary: "How to print: the lines of lvm2's script, a table, or lvm's JSON. [table; basic in a pipe]",
    details: [
      "As with the reporting commands of lvm, json writes every value as a string, and json_std writes numbers as numbers, " +
        "lists as arrays, and what is unknown as null. Every device has a row, also one that could not be read.",
    ],
  },
  flag(
    "debug",
    null,
    "Tell each command to each device, its answer, and the time it took, on standard error.",
  ),
] as const satisfies readonly OptionEntry[];

const command = (word: string, summary: string, ...details: string[]): CommandEntry => ({
  words: [word],
  operands: "",
  operand_completion: COMPLETE_NOTHING,
  summary,
  details,
});

export const LVMPERSIST = defineProgram({
  name: "lvmpersist",
  purpose: "SCSI and NVMe persistent reservations on the PVs of a VG",
  synopsis: [
    "start --ourkey KEY [--removekey KEY] [--access ex|sh] DEVICES",
    "stop --ourkey KEY DEVICES",
    "remove --ourkey KEY --removekey KEY DEVICES",
    "clear --ourkey KEY DEVICES",
    "read|read-keys|read-reservation|devtest DEVICES",
    "check-key --key KEY DEVICES",
  ],
  description: LVMPERSIST_DESCRIPTION,
  options: [...options, HELP_OPTION, VERSION_OPTION],
  commands: [
    command(
      "start",
      "Register our key and reserve the devices; with --removekey take them over.",
      "All or nothing: when one device can't be started, whatever this run changed on the others is set back, and nothing else. " +
        "A host that was registered before stays so. Starting again is harmless, and completes a start that was cut short.",
      "With --removekey the devices are taken from the host with that key: its commands under way are aborted and its writes " +
        "fail. What has been taken over can't be given back, so where a later device fails, that stays and is told.",
    ),
    command(
      "stop",
      "Unregister our key.",
      "The reservation goes with the last registration, or with its one holder's. A device that does not answer does not keep " +
        "the others from being stopped. Stopping what is not started is no failure.",
    ),
    command(
      "remove",
      "Remove another host's key, so that it can write no longer.",
      "Our key and a reservation have to be on every device, else nothing is begun. Success means that the key is on no device " +
        "any more. A key that is registered nowhere is a mistake, exit status 5, unless lvm made it from a host_id and no " +
        "device has a key of that host_id, nor one of no host_id: then another host has removed it, and the status is 0.",
      "A device that shows the key as gone, but did not answer our command with success, is left, status 9: commands that the other " +
        "host had sent before may not have ended there. So is one on which a key stays of the same host_id in another generation, or one that is made from no host_id: it may be that host's.",
    ),
    command(
      "clear",
      "Remove all keys and the reservation.",
      "Every host loses its protection by this. Beside others, devices without persistent reservations are passed over with a warning; alone they are refused.",
    ),
    command("devtest", "Show whether each device supports the reservation type."),
    command("check-key", "Exit with status 0 when every device has the key."),
    command("read-keys", "Show the registered keys."),
    command("read-reservation", "Show the reservation."),
    command("read", "Show keys and reservation."),
    command("help", "Show the help."),
  ],
  sections: LVMPERSIST_SECTIONS,
  see_also: ["lvm(8)", "lvmlockd(8)", "vgchange(8)", "sg_persist(8)", "mpathpersist(8)"],
});
