/**
 * A cluster of real hosts on this machine:
 *
 *   await using lab = await cluster({ hosts: 3, disks: [{ size_mb: 1024 }] });
 *   await lab.host(1).must("vgcreate --shared vg0 /dev/sda");
 *   lab.network.cut(lab.host(2));
 *   await lab.disk(0).fail();
 */
import { findImage } from "../image/build.ts";
import { bringRunPackages } from "../image/command.ts";
import { findSnapshot } from "../image/snapshot.ts";
import { type DiskSpec, makeDiskFile } from "./disks.ts";
import { type Ending, openEnding } from "./ending.ts";
import { type Host, startHost } from "./host.ts";
import { type HostSpec, identityScript } from "./identity.ts";
import { type Network, openNetwork } from "./network.ts";
import { findProductDisk, PRODUCT_DISK_MB } from "./product.ts";
import { awaitStatus, type Guest, type Machine, startGuest } from "./qemu.ts";
import { makeScratch } from "./scratch.ts";
import { createSharedDisk, type Disk, type SharedDisk } from "./shared-disk.ts";
import { openTranscript, type Transcript } from "./transcript.ts";

export interface ClusterSpec extends HostSpec {
  readonly hosts: number;
  /** /dev/sda, /dev/sdb, ... on every host. */
  readonly disks?: readonly DiskSpec[];
  /** A patch with a deliberate defect for our lvmlockd, to show that a scenario notices. */
  readonly broken_by?: string | null;
}

export interface AddedHost extends HostSpec {
  readonly name?: string;
  /** Disks of the cluster that it has too. */
  readonly disks?: readonly Disk[];
}

export interface Cluster extends AsyncDisposable {
  readonly hosts: readonly Host[];
  readonly network: Network;
  readonly transcript: Transcript;
  /** By host_id, from 1. */
  host(id: number): Host;
  /** By its place in the list, from 0. */
  disk(number: number): Disk;
  /** A path for a file that goes with the cluster. */
  file(name: string): string;
  addHost(spec?: AddedHost): Promise<Host>;
  /** Plugs one more disk into running hosts (all, when none are named). */
  plug(spec: DiskSpec, hosts?: readonly Host[]): Promise<Disk>;
  /** What emulating its hosts has used of the machine's processors, those that are gone included. */
  cpu_ms(): number;
  /** Whoever still waits for a host or a disk of the cluster gets no answer any more: see ending.ts. The hosts stay as they are. */
  abandon(): void;
  /** Ends the hosts and removes what they wrote. */
  close(): Promise<void>;
}

const MEMORY_MB_DEFAULT = 512;
/** A host is there after two seconds; a machine under load may take long. */
const start_ms_max = 120_000;

interface Lab {
  readonly spec: ClusterSpec;
  readonly scratch: ReturnType<typeof makeScratch>;
  readonly network: Network;
  readonly transcript: Transcript;
  readonly ending: Ending;
  readonly hosts: Host[];
  readonly disks: SharedDisk[];
  /** Also those that are being started this moment. */
  readonly guests: Set<Guest>;
  /** What those that have ended used. */
  readonly spent: { cpu_ms: number };
}

async function machineOf(spec: HostSpec): Promise<Machine> {
  return {
    image: await findImage(spec.image ?? "trixie"),
    memory_mb: spec.memory_mb ?? MEMORY_MB_DEFAULT,
    cpus: spec.cpus ?? 1,
    devices: spec.devices ?? [],
    backends: spec.backends ?? [],
  };
}

async function productDisk(lab: Lab, spec: HostSpec): Promise<string> {
  if ((spec.daemon ?? "ours") === "ours") return findProductDisk(lab.spec.broken_by ?? null);
  const file = lab.scratch.file("product");
  makeDiskFile(file, PRODUCT_DISK_MB);
  return file;
}

/** Starts a guest out of the snapshot, and gives it its name and its disks. */
async function startLife(
  lab: Lab,
  spec: HostSpec,
  id: number,
  name: string,
  disks: readonly SharedDisk[],
): Promise<Guest> {
  const machine = await machineOf(spec);
  const snapshot = await findSnapshot(machine);
  const product_disk = await productDisk(lab, spec);
  const place = { directory: lab.scratch.path, name, id, network_path: lab.network.path, product_disk };
  if (lab.ending.over()) throw new Error("The cluster has ended");
  const guest = await startGuest(machine, place, snapshot);
  lab.guests.add(guest);
  void guest.ended.then(() => {
    lab.guests.delete(guest);
    lab.spent.cpu_ms += guest.cpu_ms();
  });
  try {
    if (lab.ending.over()) throw new Error("The cluster has ended");
    await awaitStatus(guest, ["paused"], start_ms_max);
    await guest.qmp.execute("cont");
    const { rc, stderr } = await guest.agent.run(identityScript(id, name, spec), start_ms_max);
    if (rc !== 0) throw new Error(`${name} can't be set up (${rc}): ${stderr}`);
    for (const disk of disks) await disk.attach(id, guest);
    await guest.agent.run("udevadm settle", start_ms_max);
    return guest;
  } catch (error) {
    await guest.kill();
    throw error;
  }
}

async function startOne(
  lab: Lab,
  spec: HostSpec,
  id: number,
  name: string,
  disks: readonly SharedDisk[],
): Promise<Host> {
  let self: Host | null = null;
  const start = (): Promise<Guest> => {
    const host = self;
    // After its next boot it has all that was plugged into it in this life.
    const own = host === null ? disks : lab.disks.filter((disk) => disk.hosts().includes(host));
    return startLife(lab, spec, id, name, own);
  };
  const host = await startHost({ name, id, transcript: lab.transcript, ending: lab.ending, start });
  self = host;
  for (const disk of disks) disk.belongsTo(host);
  return host;
}

function newDisk(lab: Lab, spec: DiskSpec): SharedDisk {
  const number = lab.disks.length;
  const file = lab.scratch.file(`disk${number}`);
  if (spec.kind === undefined || spec.kind === "file") makeDiskFile(file, spec.size_mb);
  const disk = createSharedDisk(spec, number, file, lab);
  lab.disks.push(disk);
  return disk;
}

function apiOf(lab: Lab): Cluster {
  const close = async (): Promise<void> => {
    lab.ending.end();
    await Promise.all([...lab.guests].map((guest) => guest.kill()));
    lab.network.close();
    lab.scratch.remove();
  };
  const host: Cluster["host"] = (id) => {
    const found = lab.hosts.find((candidate) => candidate.id === id);
    if (found === undefined) throw new Error(`There is no host ${id}`);
    return found;
  };
  const disk: Cluster["disk"] = (number) => {
    const found = lab.disks[number];
    if (found === undefined) throw new Error(`There is no disk ${number}`);
    return found;
  };
  const addHost = async (spec: AddedHost): Promise<Host> => {
    const id = Math.max(0, ...lab.hosts.map((other) => other.id)) + 1;
    const disks = lab.disks.filter((candidate) => spec.disks?.includes(candidate) === true);
    const added = await startOne(lab, { ...lab.spec, ...spec }, id, spec.name ?? `host${id}`, disks);
    lab.hosts.push(added);
    return added;
  };
  const plug = async (spec: DiskSpec, hosts: readonly Host[]): Promise<Disk> => {
    const added = newDisk(lab, spec);
    for (const target of hosts) {
      await added.attach(target.id, target.guest());
      added.belongsTo(target);
    }
    return added;
  };
  return {
    hosts: lab.hosts,
    network: lab.network,
    transcript: lab.transcript,
    host,
    disk,
    file: lab.scratch.file,
    addHost: (spec = {}) => lab.ending.hold(() => addHost(spec)),
    plug: (spec, hosts = lab.hosts) => lab.ending.hold(() => plug(spec, hosts)),
    cpu_ms: () => [...lab.guests].reduce((sum_ms, guest) => sum_ms + guest.cpu_ms(), lab.spent.cpu_ms),
    abandon: lab.ending.end,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Starts the hosts at the same time; the first use on a machine builds the image, the snapshot and our daemon. */
export async function cluster(spec: ClusterSpec): Promise<Cluster> {
  bringRunPackages();
  // Before the hosts: these take time and are made once.
  await findSnapshot(await machineOf(spec));
  const scratch = makeScratch();
  const network = await openNetwork(scratch.file("network"));
  const lab: Lab = {
    ...{ spec, scratch, network, transcript: openTranscript(), ending: openEnding() },
    ...{ hosts: [], disks: [], guests: new Set(), spent: { cpu_ms: 0 } },
  };
  const api = apiOf(lab);
  try {
    for (const disk of spec.disks ?? []) newDisk(lab, disk);
    const ids = Array.from({ length: spec.hosts }, (_, index) => index + 1);
    const started = await Promise.all(ids.map((id) => startOne(lab, spec, id, `host${id}`, lab.disks)));
    lab.hosts.push(...started);
    return api;
  } catch (error) {
    await api.close();
    throw error;
  }
}
