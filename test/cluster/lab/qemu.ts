/** One guest: the QEMU process, its machine protocol and its agent. */
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Agent, openAgent } from "./agent.ts";
import { atEnd } from "./ends.ts";
import { openQmp, type Qmp } from "./qmp.ts";

/** What a guest is made of. A snapshot fits guests of the same machine only. */
export interface Machine {
  /** The directory of the image. */
  readonly image: string;
  readonly memory_mb: number;
  readonly cpus: number;
  /** Further QEMU arguments for devices, e.g. ["-device", "virtio-net-pci,netdev=outside,romfile="]. They are part of the machine. */
  readonly devices: readonly string[];
  /** Further QEMU arguments for what is behind them, e.g. ["-netdev", "user,id=outside,..."]; they may differ from guest to guest. */
  readonly backends: readonly string[];
}

export interface Guest {
  readonly qmp: Qmp;
  readonly agent: Agent;
  readonly pid: number;
  /** What the kernel and the init of the guest printed. */
  readonly console_path: string;
  /** What the emulation has used of the machine's processors. */
  cpu_ms(): number;
  /** Resolves when the process has ended, whoever ended it. */
  readonly ended: Promise<void>;
  running(): boolean;
  /** SIGSTOP and SIGCONT; SIGKILL through `kill`. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void;
  kill(): Promise<void>;
}

export interface GuestPlace {
  readonly directory: string;
  /** Names the files in the directory, at most 8 characters. */
  readonly name: string;
  /** 1 to 99: the last byte of its address. */
  readonly id: number;
  readonly network_path: string;
  /** The image behind /dev/vdb: see product.ts. */
  readonly product_disk: string;
}

/** Software emulation is what every machine has; KVM is faster by far where it works: LVMLOCKD_CLUSTER_ACCEL=kvm. */
export const accelerator = process.env.LVMLOCKD_CLUSTER_ACCEL ?? "tcg";
/**
 * Bun needs AVX2, and this is the model that boots fastest under emulation (11.0 s; `max` takes 13.7 s). With erms a kernel clears and
 * copies memory by `rep stosb` and `rep movsb`, which are emulated byte by byte: a process and a `vgcreate --shared` took 1.3 to 2 times
 * as long with it.
 */
const CPU = accelerator === "kvm" ? "host" : "Haswell-noTSX,-erms";
/**
 * Without no_timer_check a kernel counts ticks while it starts, and panics when a crowded machine gives its guest too few (seen).
 *
 * norandmaps: QEMU keeps what it has translated by address, so that a program that lies elsewhere each time is translated anew each
 * time. Large pages cost it all that it knows of them whenever one page of them goes; memory is cleared twice for init_on_alloc. Of
 * the machine's time `true`, `vgs` and ten processes took 137, 478 and 802 ms before these three, and 50, 200 and 240 with them.
 */
const KERNEL_ARGUMENTS =
  "console=ttyS0 quiet loglevel=4 mitigations=off nokaslr no_timer_check norandmaps transparent_hugepage=never init_on_alloc=0 apparmor=0 panic=-1";

/** USER_HZ of every Linux on x86-64. */
const clock_ticks_hz = 100;
const microseconds_per_ms = 1000;

/** The arguments that say what the machine is, so that they decide whether a snapshot fits. */
export function machineArguments(machine: Machine): string[] {
  return [
    ...["-M", "q35", "-cpu", CPU, "-m", String(machine.memory_mb), "-smp", String(machine.cpus)],
    ...["-accel", accelerator === "kvm" ? "kvm" : "tcg,thread=multi,tb-size=512"],
    ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-rtc", "base=utc,clock=host"],
    ...["-append", KERNEL_ARGUMENTS],
    ...["-serial", "chardev:console", "-device", "virtio-rng-pci", "-device", "virtio-serial-pci"],
    ...["-device", "virtserialport,chardev=agent,name=agent"],
    ...["-device", "virtio-blk-pci,drive=root", "-device", "virtio-blk-pci,drive=product"],
    ...["-device", "virtio-scsi-pci,id=scsi0"],
    // Clones of one snapshot would draw the same random numbers, so the same UUIDs; a new generation id makes the kernel reseed.
    ...["-device", "vmgenid,guid=auto"],
    ...machine.devices,
  ];
}

/** The last byte names the guest: the switch goes by it. */
export function macAddress(id: number): string {
  return `52:54:00:77:00:${id.toString(16).padStart(2, "0")}`;
}

function readOnlyDrive(id: string, file: string): string[] {
  return ["-drive", `if=none,id=${id},file=${file},format=raw,readonly=on,file.locking=off`];
}

function allArguments(machine: Machine, place: GuestPlace, incoming: string | null): string[] {
  const file = (suffix: string): string => join(place.directory, `${place.name}.${suffix}`);
  return [
    ...["-name", `lvmlockd-${place.name}`],
    ...["-kernel", join(machine.image, "vmlinuz"), "-initrd", join(machine.image, "initrd.img")],
    ...["-chardev", `file,id=console,path=${file("console")}`],
    ...["-chardev", `socket,id=agent,path=${file("agent")},server=on,wait=off`],
    ...["-qmp", `unix:${file("qmp")},server=on,wait=off`],
    ...readOnlyDrive("root", join(machine.image, "root.img")),
    ...readOnlyDrive("product", place.product_disk),
    ...["-netdev", `stream,id=n0,server=off,addr.type=unix,addr.path=${place.network_path}`],
    ...machine.backends,
    ...machineArguments(machine),
    ...["-device", `virtio-net-pci,netdev=n0,mac=${macAddress(place.id)},romfile=`],
    ...(incoming === null ? [] : ["-incoming", incoming]),
  ];
}

/** Of user and system, in the 14th and 15th field of proc(5)'s stat; the name before them may hold anything but a closing bracket. */
function runningCpu_ms(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ").at(-1)?.split(" ") ?? [];
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / clock_ticks_hz;
}

/** Starts QEMU. With `incoming` the guest comes out of a snapshot and stands still until QMP `cont`, else it boots. */
export async function startGuest(
  machine: Machine,
  place: GuestPlace,
  incoming: string | null,
): Promise<Guest> {
  const words = allArguments(machine, place, incoming);
  const file = (suffix: string): string => join(place.directory, `${place.name}.${suffix}`);
  writeFileSync(file("command"), words.join(" "));
  const log = openSync(file("log"), "w");
  // The kernel ends the guest when this process ends without a chance to do so itself.
  const child = Bun.spawn(["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", ...words], {
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  const killNow = atEnd(() => child.kill("SIGKILL"));
  let isRunning = true;
  const ended = child.exited.then(() => {
    isRunning = false;
  });
  const running = (): boolean => isRunning;
  const kill = async (): Promise<void> => {
    killNow();
    await ended;
  };
  try {
    const qmp = await openQmp(file("qmp"), running);
    const agent = await openAgent(file("agent"), running);
    void ended.then(() => {
      qmp.close();
      agent.close();
    });
    return {
      qmp,
      agent,
      pid: child.pid,
      cpu_ms: () =>
        isRunning
          ? runningCpu_ms(child.pid)
          : Number(child.resourceUsage()?.cpuTime.total ?? 0) / microseconds_per_ms,
      console_path: file("console"),
      ended,
      running,
      signal: (signal) => child.kill(signal),
      kill,
    };
  } catch (error) {
    await kill();
    throw new Error(`QEMU does not start: ${readFileSync(file("log"), "utf8")}`, { cause: error });
  }
}

/** Waits until the machine of a guest is in one of the states. */
export async function awaitStatus(
  guest: Guest,
  states: readonly string[],
  timeout_ms: number,
): Promise<void> {
  const end_ms = performance.now() + timeout_ms;
  for (;;) {
    const { status } = (await guest.qmp.execute("query-status")) as { readonly status: string };
    if (states.includes(status)) return;
    if (performance.now() > end_ms) throw new Error(`The guest is ${status}, not ${states.join(" or ")}`);
    await Bun.sleep(10);
  }
}
