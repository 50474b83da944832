/** The parts of lvmlockd's man page that are not made from its options. */
import { exitStatusBlock } from "../exit-status.ts";
import type { ManSection } from "../option-table.ts";

const signals: ManSection = {
  title: "SIGNALS",
  content: [
    {
      kind: "definitions",
      entries: [
        [
          "SIGTERM, SIGINT",
          "Stop all lockspaces and quit, when no LV lock is held. Else nothing is stopped, and the log names the VGs whose " +
            "LVs are active.",
        ],
        ["SIGHUP", "Read the configuration again. A file with errors changes nothing."],
      ],
    },
  ],
};

const files: ManSection = {
  title: "FILES",
  content: [
    {
      kind: "definitions",
      entries: [
        ["/run/lvm/lvmlockd.socket", "The socket, mode 0600."],
        [
          "/run/lvmlockd.pid",
          "The pid file. The lvm commands take its existence as a sign of the daemon's life.",
        ],
        ["/run/lvm/lvmlockd.adopt", "The record of LV locks, for adoption."],
        ["/etc/lvm/lvmlockd.conf", "The daemon's own settings, in the language of lvm.conf."],
        ["/etc/lvm/lvm.conf, /etc/lvm/lvmlocal.conf", "The settings of lvm, of which the daemon reads some."],
      ],
    },
    {
      kind: "paragraph",
      text: "Another user than root has socket, pid file and record in the directory lvm below XDG_RUNTIME_DIR or, when that does not serve, below /run/user/UID or /tmp/lvmlockd-UID.",
    },
  ],
};

const environment: ManSection = {
  title: "ENVIRONMENT",
  content: [
    {
      kind: "definitions",
      entries: [
        ["LVM_LVMLOCKD_SOCKET", "The socket, when --socket-path is not given."],
        ["LVM_LVMLOCKD_PIDFILE", "The pid file, when --pid-file is not given."],
        ["LVM_SYSTEM_DIR", "The directory of the configuration, when --config-dir is not given."],
        [
          "NOTIFY_SOCKET, WATCHDOG_USEC, LISTEN_FDS",
          "The protocols of systemd: readiness, watchdog, socket activation.",
        ],
        [
          "BUN_OPTIONS, BUN_BE_BUN, BUN_INSPECT, BUN_JSC_*",
          "Read by the runtime before the program begins, so whoever sets them for a root process runs code as root. sudo " +
            "and the systemd unit of this package keep them away.",
        ],
      ],
    },
  ],
};

const examples: ManSection = {
  title: "EXAMPLES",
  content: [
    { kind: "paragraph", text: "A daemon for one host, in the foreground, on the embedded lock manager:" },
    { kind: "verbatim", lines: ["lvmlockd --foreground --lock-manager local"] },
    { kind: "paragraph", text: "Then, in another terminal, with use_lvmlockd=1 in lvm.conf:" },
    {
      kind: "verbatim",
      lines: [
        "vgcreate --shared --locktype dlm vg0 /dev/sdb",
        "lvcreate -n lv0 -L 1G vg0",
        "lvmlockctl --info",
        "lvmlockctl who vg0/lv0",
      ],
    },
    { kind: "paragraph", text: "A host of a sanlock cluster:" },
    { kind: "verbatim", lines: ["systemctl start wdmd sanlock lvmlockd", "vgchange --lockstart"] },
  ],
};

export const LVMLOCKD_SECTIONS: readonly ManSection[] = [
  signals,
  files,
  environment,
  { title: "EXIT STATUS", content: [exitStatusBlock()] },
  examples,
];
