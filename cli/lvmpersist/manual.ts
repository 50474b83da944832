/** The man page's sections behind the options. */
import { TYPE_WORDS } from "../../plugins/scsi-pr/reservation-type.ts";
import type { ManSection } from "../option-table.ts";
import { persistExitBlock } from "./exit.ts";

export const LVMPERSIST_DESCRIPTION = [
  "lvmpersist lets the disks themselves keep hosts out that should not write: each host registers a key with each device, and a " +
    "reservation shuts out whoever is not registered. lvm runs it for vgchange --persist, and lvmlockd when it fences a host.",
  "DEVICES are named by --device PATH, repeated, or by --vg VG. They are worked on side by side, with the commands of the " +
    "devices themselves: sg_persist, mpathpersist and nvme are not needed. What was done is read back from every device before " +
    "it is called done.",
  "Keys are written as 0x and 1 to 16 hex digits without leading zeros, or as a decimal number, which is shown in hex. lvm " +
    "makes a host's key from its host_id, and for sanlock from the generation of its lease: 0x100000GGGGGGHHHH.",
  "start, stop, remove and clear also log to syslog what they did and what failed.",
];

export const LVMPERSIST_SECTIONS: readonly ManSection[] = [
  {
    title: "RESERVATION TYPES",
    content: [
      {
        kind: "definitions",
        entries: Object.entries(TYPE_WORDS).map(([type, words]) => [type, `${words}.`] as const),
      },
      {
        kind: "paragraph",
        text:
          "WE and WEAR are what lvm uses. With WERO and EARO one host holds the reservation and all registered ones have access, " +
          "until that host stops: then the reservation is gone for all.",
      },
    ],
  },
  {
    title: "MULTIPATH",
    content: [
      {
        kind: "paragraph",
        text:
          "Each path of a multipath map is registered, and multipathd registers those that return or are added. For that " +
          "multipath.conf needs reservation_key file in its section defaults (mpathconf --option reservation_key:file); " +
          "without it, or without multipathd, start is refused. So are WE and EA, with which only one path could write, and the " +
          "disks below a map when they are named by themselves.",
      },
    ],
  },
  { title: "EXIT STATUS", content: [persistExitBlock()] },
  {
    title: "ENVIRONMENT",
    content: [
      {
        kind: "definitions",
        entries: [
          [
            "LVM_BINARY",
            "The lvm to ask for the PVs of a VG, instead of /usr/sbin/lvm. It has to be an absolute path of a program that " +
              "nobody but root can change, in directories of which the same is true.",
          ],
        ],
      },
    ],
  },
  {
    title: "EXAMPLES",
    content: [
      {
        kind: "verbatim",
        lines: [
          "lvmpersist read --vg vg0",
          "lvmpersist start --ourkey 0x1000000000010001 --access sh --vg vg0",
          "lvmpersist remove --ourkey 0x1000000000010001 --removekey 0x1000000000010002 --vg vg0 --dry-run",
          "lvmpersist read --device /dev/sda --device /dev/sdb --reportformat json_std",
        ],
      },
    ],
  },
];
