import { closeSync, constants, fstatSync, openSync, type Stats, statSync } from "node:fs";
import { LIMITS } from "../../core/limits.ts";
import { type BlockDeviceFacts, classify, readFacts, refuseAsPath } from "./block-device.ts";
import { type MultipathPath, multipathCommands } from "./multipath-scripts.ts";
import { nvmeCommands } from "./nvme-scripts.ts";
import { perform, syncDevice } from "./perform.ts";
import { deniedText, isRoot } from "./refusals.ts";
import { refusedCommands } from "./refused-commands.ts";
import type { PrAnswer, PrRefusal, ReservableDevice } from "./reservable.ts";
import type { ScriptedCommands, ScriptedDevice } from "./scripted-device.ts";
import { scsiCommands } from "./scsi-scripts.ts";
import { openSgDevice, type SgChannel } from "./sg-device.ts";

/**
 * Read-only, although reservations are changed through it: the kernel takes PERSISTENT RESERVE OUT from a process with
 * CAP_SYS_RAWIO (NVMe: CAP_SYS_ADMIN) whatever the descriptor was opened for. udev watches disks for IN_CLOSE_WRITE, which
 * only the close of a descriptor for writing causes; it would probe the disk again and send a change event through the
 * system for each command. Without waiting, because a FIFO would, and a drive without a medium.
 */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

/**
 * Opens a device that takes persistent reservations: a SCSI disk, a NVMe namespace or a multipath map, under any name that
 * leads to it (/dev/sda, /dev/disk/by-id/…, /dev/mapper/…, /dev/dm-3, /dev/nvme0n1). Anything else is refused with its own
 * sentence: `gone` what does not exist, `denied` without permission, `unsupported` what is of another kind. The device of a
 * multipath map has the paths that the map has now; open it again to see others. `identity` tells whether a device that is opened
 * again is the same disk.
 */
export function openReservable(path: string): PrAnswer<{ device: ReservableDevice; identity: string }> {
  const opened = openScripted(path);
  if (opened.kind !== "done") return opened;
  const { device, identity } = opened;
  const { transport, commands } = device;
  return {
    kind: "done",
    identity,
    device: syncDevice({
      path,
      transport,
      commands,
      performed: (exchange) => perform(device.fds(), exchange),
      close: () => device.close(),
    }),
  };
}

/** Opens a device as `openReservable` does, with its commands as scripts, for running those of many devices side by side. */
export function openScripted(path: string): PrAnswer<{ device: ScriptedDevice; identity: string }> {
  const opened = openBlockDevice(path);
  if (opened.kind !== "opened") return opened;
  const what = classify(path, opened.facts);
  // A registration on NVMe is the host's, through whatever path it came.
  const as_path = what.kind === "scsi" ? refuseAsPath(path, opened.facts) : null;
  if (as_path !== null) {
    closeSync(opened.fd);
    return as_path;
  }
  const { identity } = opened.facts;
  if (what.kind === "scsi" || what.kind === "nvme") {
    const commands = nexusCommands(what.kind, 0, path);
    return { kind: "done", device: deviceOf(path, what.kind, [opened], commands), identity };
  }
  // The map itself is not spoken to: its ioctl would go to whichever path is in use.
  closeSync(opened.fd);
  if (what.kind !== "multipath") return what;
  const map = openMultipath(path, what);
  return map.kind === "done" ? { ...map, identity } : map;
}

interface Opened {
  readonly kind: "opened";
  readonly fd: number;
  readonly facts: BlockDeviceFacts;
}

/** Opens a block device, sure of what it is: the facts are those of the descriptor, not of what the name led to before. */
function openBlockDevice(path: string): Opened | PrRefusal {
  if (path === "" || path.includes("\0") || Buffer.byteLength(path) >= LIMITS.path_length)
    return {
      kind: "unsupported",
      detail: `${JSON.stringify(path.slice(0, 80))} is not the path of a device`,
    };
  let fd: number | null = null;
  try {
    // Looked at before it is opened, because opening alone can have effects: a tape drive rewinds.
    const refused = refuseByType(path, statSync(path));
    if (refused !== null) return refused;
    fd = openSync(path, OPEN_FLAGS);
    const status = fstatSync(fd);
    const facts = status.isBlockDevice() ? readFacts(...deviceNumber(status.rdev)) : null;
    if (facts !== null) return { kind: "opened", fd, facts };
    closeSync(fd);
    return { kind: "gone", detail: `${path}: the device went away while it was opened` };
  } catch (error) {
    if (fd !== null) closeSync(fd);
    return refusalOfOpen(path, error);
  }
}

/** Major and minor number, as glibc packs them into 64 bits. */
function deviceNumber(rdev: number): [major: number, minor: number] {
  const packed = BigInt(rdev);
  const major = ((packed >> 8n) & 0xfffn) | ((packed >> 32n) & 0xffff_f000n);
  const minor = (packed & 0xffn) | ((packed >> 12n) & 0xffff_ff00n);
  return [Number(major), Number(minor)];
}

function refuseByType(path: string, status: Stats): PrRefusal | null {
  if (status.isBlockDevice()) return null;
  const what = status.isDirectory()
    ? "is a directory"
    : status.isFile()
      ? "is a regular file"
      : status.isCharacterDevice()
        ? "is a character device; name the disk's block device"
        : "is a socket or FIFO";
  return {
    kind: "unsupported",
    detail: `${path} ${what}${status.isCharacterDevice() ? "" : ", not a disk"}`,
  };
}

function refusalOfOpen(path: string, error: unknown): PrRefusal {
  const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      return { kind: "gone", detail: `${path} does not exist` };
    case "EACCES":
    case "EPERM":
      return { kind: "denied", detail: `${path}: no permission to open it; ${deniedText(isRoot())}` };
    case "ENXIO":
    case "ENODEV":
      return { kind: "gone", detail: `${path}: the device does not answer (${code})` };
    default:
      return { kind: "failed", detail: `${path} can't be opened: ${code}` };
  }
}

function nexusCommands(transport: "scsi" | "nvme", path: number, device: string): ScriptedCommands {
  return transport === "scsi" ? scsiCommands({ path, device }) : nvmeCommands({ path, device });
}

function deviceOf(
  path: string,
  transport: ScriptedDevice["transport"],
  ends: readonly Opened[],
  commands: ScriptedCommands,
): ScriptedDevice {
  let fds: readonly number[] = ends.map(({ fd }) => fd);
  const channels = new Map<number, SgChannel | null>();
  return {
    path,
    transport,
    commands,
    fds: () => fds,
    channel(index) {
      const end = fds.length === 0 ? undefined : ends[index];
      if (end === undefined) return null;
      const known = channels.get(index);
      if (known !== undefined) return known;
      const made = openSgDevice(end.facts);
      channels.set(index, made);
      return made;
    },
    close() {
      for (const fd of fds) closeSync(fd);
      for (const channel of channels.values()) channel?.close();
      // The numbers may belong to other files from now on; a command must never reach those.
      fds = [];
      channels.clear();
    },
  };
}

function openMultipath(
  device: string,
  { kernel_name, slaves }: { kernel_name: string; slaves: readonly string[] },
): PrAnswer<{ device: ScriptedDevice }> {
  if (slaves.length === 0) return { kind: "gone", detail: `${device}: the multipath map has no path` };
  if (slaves.length > LIMITS.pr_paths)
    return { kind: "failed", detail: `${device}: ${slaves.length} paths are more than ${LIMITS.pr_paths}` };
  const ends: Opened[] = [];
  const kinds = new Set<string>();
  const paths = slaves.map((name): MultipathPath => {
    const slave = `/dev/${name.replaceAll("!", "/")}`;
    const opened = openBlockDevice(slave);
    // A path that can't be opened is a lost path of a map that works through the others.
    if (opened.kind !== "opened") return { device: slave, commands: refusedCommands(opened) };
    ends.push(opened);
    const what = classify(slave, opened.facts);
    kinds.add(what.kind);
    if (what.kind !== "scsi" && what.kind !== "nvme") {
      const detail = `${device}: its path ${name} is neither a SCSI disk nor a NVMe namespace`;
      return { device: slave, commands: refusedCommands({ kind: "unsupported", detail }) };
    }
    return {
      device: slave,
      commands: nexusCommands(what.kind, ends.length - 1, `${device} through ${name}`),
    };
  });
  const map = { device, kernel_name, paths, needs_multipathd: !kinds.has("nvme") };
  return { kind: "done", device: deviceOf(device, "multipath", ends, multipathCommands(map)) };
}
