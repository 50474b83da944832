/** The option table of lvmlockd: everything lvmlockd(8) of lvm2 has, and ours at the end. */
import { SYSLOG_PRIORITIES, WIRE_DIALECTS } from "../../core/daemon/options.ts";
import {
  COMPLETE_FILE,
  COMPLETE_NOTHING,
  completeValues,
  defineProgram,
  type OptionEntry,
} from "../option-table.ts";
import { CONFIG_DIR_OPTION, HELP_OPTION, REPORT_FORMAT_OPTION, VERSION_OPTION } from "../shared-options.ts";
import { LVMLOCKD_SECTIONS } from "./manual.ts";

/** The lock types that can hold the global lock, as -g takes them. */
export const GL_TYPES = ["sanlock", "dlm", "idm"] as const;

const path = { placeholder: "PATH", completion: COMPLETE_FILE };

const compatibleOptions = [
  {
    name: "test",
    short: "T",
    argument: null,
    summary: "Test mode: call no lock manager, grant what the rules allow.",
    details: [
      "Lock args and lease offsets are made up as the daemon of lvm2 makes them up in its own test mode. Nothing is " +
        "protected against other hosts.",
    ],
  },
  { name: "foreground", short: "f", argument: null, summary: "Stay in the foreground.", details: [] },
  {
    name: "daemon-debug",
    short: "D",
    argument: null,
    summary: "Stay in the foreground and print debugging messages to standard output.",
    details: [],
  },
  {
    name: "pid-file",
    short: "p",
    argument: path,
    summary: "Write and lock this pid file. [LVM_LVMLOCKD_PIDFILE, else /run/lvmlockd.pid]",
    details: [
      "The lvm commands look for the standard path before they connect, so a daemon with another pid file is only found " +
        "by commands with LVM_LVMLOCKD_PIDFILE in their environment.",
    ],
  },
  {
    name: "socket-path",
    short: "s",
    argument: path,
    summary: "Listen on this socket. [LVM_LVMLOCKD_SOCKET, else /run/lvm/lvmlockd.socket]",
    details: [],
  },
  {
    name: "adopt-file",
    short: null,
    argument: path,
    summary: "Keep the record of held LV locks here. [lvmlockd.adopt beside the socket]",
    details: ["A file that the daemon of lvm2 left here is read once, for the hand-over from that daemon."],
  },
  {
    name: "syslog-priority",
    short: "S",
    argument: { placeholder: "PRIORITY", completion: completeValues(SYSLOG_PRIORITIES) },
    summary: `Send messages of this priority and above to syslog: ${SYSLOG_PRIORITIES.join(", ")}. [warning]`,
    details: [],
  },
  {
    name: "gl-type",
    short: "g",
    argument: { placeholder: "sanlock|dlm|idm", completion: completeValues(GL_TYPES) },
    summary: "Set the lock type of the global lock. [that of the first shared VG]",
    details: [],
  },
  {
    name: "host-id",
    short: "i",
    argument: { placeholder: "NUM", completion: COMPLETE_NOTHING },
    summary: "Set this host's sanlock host_id, 1 to 2000. [local/host_id of lvmlocal.conf]",
    details: [],
  },
  {
    name: "host-id-file",
    short: "F",
    argument: path,
    summary: "Read the host_id from this file, from a line: host_id = NUM.",
    details: ["Lines that begin with # are comments. It can't be given together with --host-id."],
  },
  {
    name: "sanlock-timeout",
    short: "o",
    argument: { placeholder: "SECONDS", completion: COMPLETE_NOTHING },
    summary: "Override sanlock's I/O timeout. [sanlock's own]",
    details: [
      "All hosts that use a VG need the same value. At most 255: sanlock has one byte of a lease for it.",
    ],
  },
  {
    name: "adopt",
    short: "A",
    argument: { placeholder: "0|1", completion: completeValues(["0", "1"]) },
    summary: "Adopt the locks of an earlier lvmlockd that ended without releasing them. [1]",
    details: [
      "The daemon of lvm2 has this off by default. With 0 the earlier record is set aside, not deleted.",
    ],
  },
] as const satisfies readonly OptionEntry[];

const ownOptions = [
  {
    name: "lock-manager",
    short: null,
    argument: { placeholder: "NAME|PATH", completion: COMPLETE_FILE },
    summary: "Serve the shared lock types with this lock manager. [by lock type, see lvmlockd.conf]",
    details: [
      "NAME is a built-in lock manager, PATH the absolute path of a plugin. `local` is the embedded one: it protects the " +
        "commands of this host against each other, and no other host.",
    ],
  },
  CONFIG_DIR_OPTION,
  {
    name: "check-config",
    short: null,
    argument: null,
    summary: "Check lvm.conf, lvmlocal.conf and lvmlockd.conf, say what is wrong where, and exit.",
    details: [
      "The exit status is 0 when the files have no error, and 6 when they have one. A missing file is none.",
      "A daemon that starts reads lvmlockd.conf only. A wrong value or an unknown name in it keeps the daemon from starting; " +
        "with a plugin that is missing it starts, and refuses the VGs of that lock type. On SIGHUP it reads all files, and " +
        "keeps the settings that it has when one of them has an error.",
    ],
  },
  REPORT_FORMAT_OPTION,
  {
    name: "wire-dialect",
    short: null,
    argument: { placeholder: WIRE_DIALECTS.join("|"), completion: completeValues(WIRE_DIALECTS) },
    summary: "Answer with the reply keys of this lvm2 release. [2.03.40]",
    details: ["Every lvm2 command reads replies by key, so this is for comparing with another daemon only."],
  },
  {
    name: "welcome",
    short: null,
    argument: null,
    summary: "Say on start where the socket is and what to type next.",
    details: [],
  },
] as const satisfies readonly OptionEntry[];

export const LVMLOCKD = defineProgram({
  name: "lvmlockd",
  purpose: "LVM locking daemon",
  synopsis: ["[options]", "--check-config [--config-dir DIR] [--reportformat FORMAT]"],
  description: [
    "lvmlockd gives the lvm commands of a host their locks, so that hosts which share storage can share volume groups. " +
      "It listens on a local socket; the lvm commands find it when use_lvmlockd is 1 in lvm.conf.",
    "The locks themselves are kept by a lock manager, which is a plugin: sanlock keeps them on the shared storage, dlm in " +
      "a cluster of hosts, and the embedded lock manager `local` in the daemon, for a single host.",
  ],
  options: [HELP_OPTION, VERSION_OPTION, ...compatibleOptions, ...ownOptions],
  commands: [],
  sections: LVMLOCKD_SECTIONS,
  see_also: ["lvm(8)", "lvmlockctl(8)", "lvmpersist(8)", "lvm.conf(5)", "sanlock(8)", "dlm_controld(8)"],
});
