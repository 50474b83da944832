/** The option table of lvmlockctl: everything the program of lvm2 has, with -f mended, and our commands. */
import {
  COMPLETE_FILE,
  COMPLETE_NOTHING,
  COMPLETE_VG,
  type CommandEntry,
  completeValues,
  defineProgram,
  type OptionEntry,
} from "../option-table.ts";
import { CONFIG_DIR_OPTION, HELP_OPTION, REPORT_FORMAT_OPTION, VERSION_OPTION } from "../shared-options.ts";
import { LVMLOCKCTL_SECTIONS } from "./manual.ts";

const vg = { placeholder: "VG", completion: COMPLETE_VG };
const zeroOrOne = { placeholder: "0|1", completion: completeValues(["0", "1"]) };

const actions = [
  {
    name: "quit",
    short: "q",
    argument: null,
    summary: "Tell lvmlockd to quit. It refuses while a VG is started.",
    details: [],
  },
  {
    name: "info",
    short: "i",
    argument: null,
    summary: "Show the lockspaces, who holds which lock, who waits for it, and what is wrong.",
    details: [
      "With --dump, print the lines as lvmlockd sends them to lvm2's own lvmlockctl; scripts that read those lines go on " +
        "working. A daemon of lvm2 is asked in its own way, and shown in its own words.",
    ],
  },
  { name: "dump", short: "d", argument: null, summary: "Print lvmlockd's recent log messages.", details: [] },
  {
    name: "kill",
    short: "k",
    argument: vg,
    summary: "Handle the loss of a VG's lock storage: run lvmlockctl_kill_command, then drop its locks.",
    details: [
      "sanlock runs this when it can't renew the VG's lease. lvmlockd then refuses new locks in the VG. The command from " +
        "lvm.conf (global/lvmlockctl_kill_command) is run without a shell: its words are separated by blanks, a backslash " +
        "takes the next blank or backslash literally, and the name of the VG is added as its last word. When it exits with " +
        "status 0, the locks are dropped, as with --drop. When it is missing or fails, syslog gets messages of priority " +
        "emerg which say what to do by hand, and the exit status is not 0.",
    ],
  },
  {
    name: "drop",
    short: "r",
    argument: vg,
    summary: "Forget the locks of a VG whose LVs have been taken offline after --kill.",
    details: [],
  },
  {
    name: "gl-enable",
    short: "E",
    argument: vg,
    summary: "Let this sanlock VG hold the global lock.",
    details: [],
  },
  {
    name: "gl-disable",
    short: "D",
    argument: vg,
    summary: "Let this sanlock VG no longer hold the global lock.",
    details: [],
  },
  { name: "stop-lockspaces", short: "S", argument: null, summary: "Stop all lockspaces.", details: [] },
] as const satisfies readonly OptionEntry[];

const modifiers = [
  {
    name: "wait",
    short: "w",
    argument: zeroOrOne,
    summary: "Whether --stop-lockspaces waits until they have stopped. [1]",
    details: [
      "Without waiting the exit status is 0 while lockspaces are still stopping, and 4 when one stays because locks are held in it.",
    ],
  },
  {
    name: "force",
    short: "f",
    argument: zeroOrOne,
    summary: "Whether --stop-lockspaces also stops lockspaces in which LV locks are held. [0]",
    details: [
      "The LVs stay active and are no longer protected. lvm2's own lvmlockctl has this option and refuses it.",
    ],
  },
  {
    name: "stderr",
    short: "e",
    argument: null,
    summary: "Send the messages of --kill and --drop to standard error instead of syslog.",
    details: [],
  },
  {
    name: "set-remote-lv-lock",
    short: null,
    argument: vg,
    summary: "For tests with lvmlockd --test: let another host seem to hold an LV lock.",
    details: ["It needs --lv-uuid and --lock-mode."],
  },
  {
    name: "lv-uuid",
    short: null,
    argument: { placeholder: "UUID", completion: COMPLETE_NOTHING },
    summary: "The LV for --set-remote-lv-lock.",
    details: [],
  },
  {
    name: "lock-mode",
    short: null,
    argument: { placeholder: "ex|sh|un", completion: completeValues(["ex", "sh", "un"]) },
    summary: "The mode for --set-remote-lv-lock; un takes it back.",
    details: [],
  },
  {
    name: "removekey",
    short: null,
    argument: { placeholder: "KEY", completion: COMPLETE_NOTHING },
    summary: "With takeover: the reservation key of the host that has the VG.",
    details: [
      "0x and up to 16 hex digits, or a decimal number. When it is wrong, the refusal lists the keys that the PVs have.",
    ],
  },
  {
    name: "yes",
    short: "y",
    argument: null,
    summary: "With takeover: do it without asking.",
    details: ["Without a terminal nobody is asked."],
  },
  {
    name: "socket",
    short: null,
    argument: { placeholder: "PATH", completion: COMPLETE_FILE },
    summary: "Talk to the lvmlockd on this socket. [LVM_LVMLOCKD_SOCKET, else /run/lvm/lvmlockd.socket]",
    details: [],
  },
  REPORT_FORMAT_OPTION,
  CONFIG_DIR_OPTION,
  {
    name: "all",
    short: "a",
    argument: null,
    summary: "With config list: also the settings that have their default.",
    details: [],
  },
] as const satisfies readonly OptionEntry[];

const commands = [
  {
    words: ["who"],
    operands: "VG[/LV]",
    operand_completion: COMPLETE_VG,
    summary: "Show who holds the locks of a VG or LV and who waits for them, how long, with pid and command.",
    details: [
      "LV is a name or a UUID. The name gl instead of a VG asks for the global lock. A lock that was refused here because another " +
        "host holds it is shown with that host: its host_id, generation, state and name, what that means, and when it was refused.",
    ],
  },
  {
    words: ["takeover"],
    operands: "VG",
    operand_completion: COMPLETE_VG,
    summary: "Take a VG over from another host, which is cut off from its PVs, and start it here.",
    details: [
      "For VGs whose lock manager gives them to one host at a time (scsi-pr). The key of --removekey is removed from every PV " +
        "(preempt and abort), this host's key takes its place, and the locks are then this host's. Nothing is changed when " +
        "another key than that one holds a PV, when none has it, or when a PV does not answer. PVs that were taken over before a " +
        "failure stay this host's, because the other one must not write to half of a VG: run it again.",
    ],
  },
  {
    words: ["config", "get"],
    operands: "KEY",
    operand_completion: COMPLETE_NOTHING,
    summary: "Show the value of a setting, and the file and line that it comes from.",
    details: [],
  },
  {
    words: ["config", "list"],
    operands: "",
    operand_completion: COMPLETE_NOTHING,
    summary: "List the settings that lvmlockd and its tools read, as far as a file sets them.",
    details: [],
  },
  {
    words: ["config", "edit"],
    operands: "KEY VALUE",
    operand_completion: COMPLETE_NOTHING,
    summary: "Change one setting in its file, and nothing else in that file.",
    details: [
      "A wrong value is refused before anything is written. The file is replaced in one step. A value that begins with - " +
        "comes behind --.",
    ],
  },
] as const satisfies readonly CommandEntry[];

export const LVMLOCKCTL = defineProgram({
  name: "lvmlockctl",
  purpose: "control of lvmlockd",
  synopsis: ["[options]", "who VG[/LV]", "takeover VG --removekey KEY", "config get|list|edit ..."],
  description: ["lvmlockctl asks lvmlockd about its locks and tells it what to do."],
  options: [HELP_OPTION, VERSION_OPTION, ...actions, ...modifiers],
  commands,
  sections: LVMLOCKCTL_SECTIONS,
  see_also: ["lvm(8)", "lvmlockd(8)", "lvm.conf(5)", "sanlock(8)"],
});
