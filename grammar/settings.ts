import {
  absolutePath,
  boolean,
  commandLine,
  devicesOfVgs,
  integer,
  oneInteger,
  oneWord,
  pluginReference,
  printedKey,
  reservationKey,
  type SettingKind,
  systemIdList,
  text,
  vgList,
} from "./setting-kinds.ts";

/** lvm.conf and lvmlocal.conf belong to lvm and are laid over each other; lvmlockd.conf is ours alone. */
export type SettingFile = "lvm.conf" | "lvmlocal.conf" | "lvmlockd.conf";

/** What the value of a setting can be. */
export type SettingValue = boolean | number | string | readonly string[];

/** One setting that lvmlockd, lvmlockctl or lvmpersist reads. */
export interface Setting<Value> {
  readonly kind: SettingKind<Value>;
  /** What counts when no file sets it; undefined means that the setting is simply absent. */
  readonly default: Value | undefined;
  /** Where it is normally written. lvm reads its own settings from any of its files. */
  readonly file: SettingFile;
  readonly description: string;
  /** Why we read it, or why the default is what it is. */
  readonly reason: string;
}

/** Ties the default to the kind, so that a table row with a default of the wrong type does not compile. */
function setting<Value, const Default extends Value | undefined>(
  kind: SettingKind<Value>,
  row: { readonly default: Default; readonly file: SettingFile; description: string; reason: string },
): Setting<Value> & { readonly default: Default } {
  return { kind, ...row };
}

/** The highest host_id that sanlock has a lease for, with its 1 MiB or 8 MiB leases. */
export const host_id_max = 2000;

const lvmSettings = {
  "global/use_lvmlockd": setting(boolean(), {
    default: false,
    file: "lvm.conf",
    description: "lvm commands ask lvmlockd for locks.",
    reason: "While it is 0 no lvm command of this host ever calls us, so --check-config says so.",
  }),
  "global/lvmlockd_lock_retries": setting(integer({ min: 0, max: 2 ** 31 - 1 }), {
    default: 3,
    file: "lvm.conf",
    description: "How often lvm asks lvmlockd to try a lock again that another host holds.",
    reason: "lvm sends it with each request; it bounds the time of our own retries.",
  }),
  "global/sanlock_lv_extend": setting(integer({ min: 0, max: 2 ** 31 - 1, unit: "MiB" }), {
    default: 256,
    file: "lvm.conf",
    description: "By how much lvcreate extends the LV that holds sanlock's leases; 0 never does.",
    reason: "A full lease LV is explained with the setting that caused it.",
  }),
  "global/sanlock_align_size": setting(oneInteger([1, 2, 4, 8], "MiB"), {
    default: 8,
    file: "lvm.conf",
    description: "Size of a sanlock lease on disks with 4096-byte sectors.",
    reason: "It limits host_id to 250, 500, 1000 or 2000; a host_id above is warned about.",
  }),
  "global/lvmlockctl_kill_command": setting(commandLine(), {
    default: "",
    file: "lvm.conf",
    description: "What lvmlockctl --kill runs, with the VG name appended, when a VG has lost its locks.",
    reason: "Empty means that a person must take the LVs offline.",
  }),
  "global/wait_for_locks": setting(boolean(), {
    default: true,
    file: "lvm.conf",
    description: "Whether an lvm command waits for file locks on its own host.",
    reason:
      "Shown by `lvmlockctl config list`, since it explains why a command failed at once instead of waiting.",
  }),
  "global/locking_dir": setting(absolutePath(), {
    default: "/run/lock/lvm",
    file: "lvm.conf",
    description: "Where lvm commands have their file locks.",
    reason:
      "They show which commands of an earlier lvmlockd's time are still writing: it is taken over after them.",
  }),
  "global/system_id_source": setting(
    oneWord(["none", "lvmlocal", "uname", "machineid", "machine-id", "appmachineid", "file"]),
    {
      default: "none",
      file: "lvm.conf",
      description: "Where lvm gets this host's system ID from.",
      reason: "lvmpersist needs to know whose local VGs it may take over.",
    },
  ),
  "global/system_id_file": setting(absolutePath(), {
    default: undefined,
    file: "lvm.conf",
    description: 'The file with this host\'s system ID, for system_id_source = "file".',
    reason: "See global/system_id_source.",
  }),
  "activation/lock_start_list": setting(vgList(), {
    default: undefined,
    file: "lvm.conf",
    description: "VGs (names, VG/LV, @tags) whose locking `vgchange --lockstart` starts; absent means all.",
    reason: "Explains why a VG was not started.",
  }),
  "activation/auto_lock_start_list": setting(vgList(), {
    default: undefined,
    file: "lvm.conf",
    description: "The same for `vgchange --lockstart --lockopt auto`, which runs at boot.",
    reason: "Explains why a VG was not started at boot.",
  }),
  "local/host_id": setting(integer({ min: 0, max: host_id_max }), {
    default: 0,
    file: "lvmlocal.conf",
    description: "This host's number in sanlock lockspaces and reservation keys; 0 is none.",
    reason: "lvm sends it with start_vg; lvmpersist builds the reservation key from it.",
  }),
  "local/pr_key": setting(reservationKey(), {
    default: undefined,
    file: "lvmlocal.conf",
    description: "This host's persistent reservation key for local VGs.",
    reason:
      "lvm hands it to lvmpersist; shared VGs have keys made from host_id instead, or from scsi_pr/key.",
  }),
  "local/system_id": setting(text(), {
    default: undefined,
    file: "lvmlocal.conf",
    description: 'This host\'s system ID, for system_id_source = "lvmlocal".',
    reason: "See global/system_id_source.",
  }),
  "local/extra_system_ids": setting(systemIdList(), {
    default: undefined,
    file: "lvmlocal.conf",
    description: "Further system IDs whose VGs this host may use.",
    reason: "See global/system_id_source.",
  }),
} as const;

const ownSettings = {
  "daemon/socket_path": setting(absolutePath(), {
    default: "/run/lvm/lvmlockd.socket",
    file: "lvmlockd.conf",
    description: "The socket on which lvm commands reach lvmlockd (--socket-path).",
    reason: "The default is built into lvm; LVM_LVMLOCKD_SOCKET tells lvm another one.",
  }),
  "daemon/pid_file": setting(absolutePath(), {
    default: "/run/lvmlockd.pid",
    file: "lvmlockd.conf",
    description:
      "The file that holds the process id and, by its lock, keeps a second daemon out (--pid-file).",
    reason: "The C daemon's default, so that the two exclude each other.",
  }),
  "daemon/adopt_file": setting(absolutePath(), {
    default: "/run/lvm/lvmlockd.adopt",
    file: "lvmlockd.conf",
    description: "The journal of LV locks that a restarted daemon adopts (--adopt-file).",
    reason: "The C daemon's default, so that its file is found for a hand-over.",
  }),
  "daemon/adopt": setting(boolean(), {
    default: true,
    file: "lvmlockd.conf",
    description: "Whether a restarted daemon adopts the locks of the one before (--adopt).",
    reason:
      "Without it active LVs lose their protection when the daemon is restarted; the C daemon needs an option.",
  }),
  "daemon/syslog_priority": setting(
    oneWord(["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"]),
    {
      default: "warning",
      file: "lvmlockd.conf",
      description: "The least urgent messages that still go to syslog (--syslog-priority).",
      reason: "The C daemon's default.",
    },
  ),
  "daemon/gl_type": setting(oneWord(["sanlock", "dlm", "idm"]), {
    default: undefined,
    file: "lvmlockd.conf",
    description: "The lock type of the global lock (--gl-type); absent means that it is found out.",
    reason: "Needed only where VGs of several lock types are used at once.",
  }),
  "daemon/host_id": setting(integer({ min: 0, max: host_id_max }), {
    default: 0,
    file: "lvmlockd.conf",
    description: "The host_id for lockspaces when lvm sends none (--host-id); 0 is none.",
    reason: "local/host_id of lvmlocal.conf is the usual place; lvm sends that one.",
  }),
  "daemon/host_id_file": setting(absolutePath(), {
    default: undefined,
    file: "lvmlockd.conf",
    description: "A file with a line `host_id = N`, read when lvm sends no host_id (--host-id-file).",
    reason: "For hosts whose configuration is shared and whose number is not.",
  }),
  "daemon/sanlock_timeout": setting(integer({ min: 0, max: 255, unit: "seconds" }), {
    default: 0,
    file: "lvmlockd.conf",
    description: "sanlock's I/O timeout for our lockspaces (--sanlock-timeout); 0 keeps sanlock's own.",
    reason:
      "All timeouts of sanlock are multiples of it; slow storage needs more than its 10 seconds. sanlock has one byte of a lease " +
      "for it: of 256 and more the other hosts would see what is left, and take locks of a host that is alive.",
  }),
  "daemon/lock_manager": setting(pluginReference(), {
    default: undefined,
    file: "lvmlockd.conf",
    description: "One plugin that serves every lock type (--lock-manager).",
    reason: "Absent by design: the embedded manager never takes a cluster's place unasked.",
  }),
  "daemon/wait_limit_s": setting(integer({ min: 0, max: 86400 * 365, unit: "seconds" }), {
    default: 0,
    file: "lvmlockd.conf",
    description: "How long a request waits for another client of this host; 0 is without limit.",
    reason:
      "Without limit as in the C daemon: a pvmove may hold a VG lock for minutes, and the holder's death ends it.",
  }),
  "lock_managers/sanlock": setting(pluginReference(), {
    default: "sanlock",
    file: "lvmlockd.conf",
    description: "The plugin that serves VGs of lock type sanlock.",
    reason:
      "LVM metadata knows three lock types only, so a plugin of another kind serves one of their names.",
  }),
  "lock_managers/dlm": setting(pluginReference(), {
    default: "dlm",
    file: "lvmlockd.conf",
    description: "The plugin that serves VGs of lock type dlm.",
    reason: "See lock_managers/sanlock.",
  }),
  "lock_managers/idm": setting(pluginReference(), {
    default: undefined,
    file: "lvmlockd.conf",
    description: "The plugin that serves VGs of lock type idm.",
    reason: "Drives with locks of their own are rare; absent means that requests for them are refused.",
  }),
  "sanlock/lease_path_template": setting(absolutePath(), {
    default: "/dev/mapper/{vg}-{lv}",
    file: "lvmlockd.conf",
    description: "Where the LV with a VG's sanlock leases is; {vg} and {lv} stand for their names.",
    reason: "For tests and containers without device-mapper only, where a plain file holds the leases.",
  }),
  "sanlock/lease_file_sector_size": setting(oneInteger([512, 4096], "bytes"), {
    default: 512,
    file: "lvmlockd.conf",
    description: "Sector size to assume for leases in a plain file.",
    reason: "A file has no sectors; on devices sanlock's leases follow the device.",
  }),
  "sanlock/info_directory": setting(absolutePath(), {
    default: "/var/lib/lvm",
    file: "lvmlockd.conf",
    description: "Directory of the lvmlockd_info_<vg> files, from which a damaged host lease is repaired.",
    reason: "The directory of the C daemon, which reads and writes the same files.",
  }),
  "scsi_pr/key": setting(printedKey(), {
    default: undefined,
    file: "lvmlockd.conf",
    description: "This host's reservation key under the scsi-pr lock manager.",
    reason:
      "Absent means that it is made from local/host_id (0x100000000000 and four digits of it), which tells other hosts who holds a VG.",
  }),
  "scsi_pr/pvs": setting(devicesOfVgs(), {
    default: undefined,
    file: "lvmlockd.conf",
    description: "The devices of a VG, each as VG:path, where scsi-pr shall not depend on lvm to tell them.",
    reason:
      "lvm knows a VG's PVs best; a list here has to be kept the same on all hosts, and to be changed before vgextend. Where lvm can be asked it is compared: a VG with a PV that is not named is not started.",
  }),
  "scsi_pr/lvm_path": setting(absolutePath(), {
    default: "/usr/sbin/lvm",
    file: "lvmlockd.conf",
    description: "The lvm that tells scsi-pr which PVs a VG has.",
    reason: "The place of every distribution; it is run without a shell, without locks and read-only.",
  }),
} as const;

/** Every setting we read, by its full name. Docs, checks and types all come from this table. */
export const settingTable = { ...lvmSettings, ...ownSettings } as const;

export type SettingName = keyof typeof settingTable;

type ValueOf<Row> = Row extends { readonly kind: SettingKind<infer Value>; readonly default: infer Default }
  ? undefined extends Default
    ? Value | undefined
    : Value
  : never;

/** The settings in force, by their full names. */
export type Settings = { readonly [Name in SettingName]: ValueOf<(typeof settingTable)[Name]> };

/** The names of the table, in its order. */
export const settingNames = Object.keys(settingTable) as readonly SettingName[];

/** Whether `name` is a setting that we read. */
export function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(settingTable, name);
}

/** The row of a setting, with its value as any that a setting can have. */
export function settingRow(name: SettingName): Setting<SettingValue> {
  return settingTable[name];
}

/** The settings when no file sets anything. */
export function defaultSettings(): Settings {
  const entries = settingNames.map((name) => [name, settingTable[name].default] as const);
  return Object.fromEntries(entries) as Settings;
}
