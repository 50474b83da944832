/** A disk as a scenario holds it: which hosts have it, and which of them find it broken. */
import { breakDisk, type DiskFault, type DiskSpec, mendDisk, plugDisk } from "./disks.ts";
import type { Ending } from "./ending.ts";
import type { Host } from "./host.ts";
import type { Guest } from "./qemu.ts";
import type { Transcript } from "./transcript.ts";

export interface Disk {
  /** /dev/sdX: the same on every host that was given the same disks in the same order. */
  readonly path: string;
  /**
   * Breaks it for the hosts, by default for all that have it; `errors` unless said otherwise. For a host that boots later it is broken as
   * well, until `restore`.
   */
  fail(options?: { readonly hosts?: readonly Host[]; readonly how?: DiskFault }): Promise<void>;
  /** Undoes `fail`. A disk that was gone comes back under a path that may be another one. */
  restore(options?: { readonly hosts?: readonly Host[] }): Promise<void>;
}

export interface SharedDisk extends Disk {
  /** Plugs it into a guest and waits until the guest sees it. */
  attach(host_id: number, guest: Guest): Promise<void>;
  /** Counts the host among those that have it. */
  belongsTo(host: Host): void;
  hosts(): readonly Host[];
}

const appear_ms_max = 120_000;

/** Names are given in the order in which the guest sees devices, so each is waited for. */
async function findDevice(guest: Guest, number: number): Promise<string> {
  const script = `
for i in {1..600}; do
  for d in /sys/class/scsi_disk/*:0:${number}:0/device/block/*; do
    [ -b "/dev/\${d##*/}" ] && { echo "\${d##*/}"; exit 0; }
  done
  sleep 0.03
done; exit 1`;
  const { rc, stdout, stderr } = await guest.agent.run(script, appear_ms_max);
  if (rc !== 0) throw new Error(`The guest does not see disk ${number}: ${stderr}`);
  return `/dev/${stdout.trim()}`;
}

/** @param number The SCSI id of the disk, from 0. @param file For the content of a disk that is a file of the cluster's own. */
export function createSharedDisk(
  spec: DiskSpec,
  number: number,
  file: string,
  { transcript, ending }: { readonly transcript: Transcript; readonly ending: Ending },
): SharedDisk {
  let path = "";
  const faults = new Map<Host, DiskFault | null>();
  const eachOf = async (
    hosts: readonly Host[] | undefined,
    action: (host: Host) => Promise<void>,
  ): Promise<void> => {
    const chosen = (hosts ?? [...faults.keys()]).filter((host) => faults.has(host));
    await ending.hold(() => Promise.all(chosen.map(action)));
  };
  /** A host that has just booted has the disk whole, whatever was done to it before. */
  const breakAgain = async (host_id: number, guest: Guest): Promise<void> => {
    for (const [host, fault] of faults)
      if (host.id === host_id && fault !== null) await breakDisk(guest, spec, number, fault);
  };
  return {
    get path() {
      return path;
    },
    attach: async (host_id, guest) => {
      await plugDisk(guest, spec, number, file, host_id);
      path = await findDevice(guest, number);
      await breakAgain(host_id, guest);
    },
    belongsTo: (host) => void faults.set(host, null),
    hosts: () => [...faults.keys()],
    fail: ({ hosts, how = "errors" } = {}) =>
      eachOf(hosts, async (host) => {
        if (faults.get(host) !== null) return;
        transcript.note(host.name, `disk ${number} (${path}): ${how}`);
        faults.set(host, how);
        if (host.running()) await breakDisk(host.guest(), spec, number, how);
      }),
    restore: ({ hosts } = {}) =>
      eachOf(hosts, async (host) => {
        const fault = faults.get(host) ?? null;
        if (fault === null) return;
        transcript.note(host.name, `disk ${number} (${path}) works again`);
        faults.set(host, null);
        if (!host.running()) return;
        await mendDisk(host.guest(), spec, number, fault);
        if (fault === "gone") path = await findDevice(host.guest(), number);
      }),
  };
}
