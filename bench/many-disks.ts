/**
 * `bun run bench/many-disks.ts`: what a start's nine commands take on one disk and on 64, on this machine's own processor, where
 * disks take 0, 20 and 50 ms for each (slow-disks.c stands in for them; it needs gcc). Whole processes are timed. No SCSI is in it:
 * test/cluster/scenarios/pr-lvmpersist-many.ts has that, on an emulated processor.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { SOCKADDR_UN } from "../plugins/native/layouts.ts";
import { openLibrary } from "../plugins/native/library.ts";
import type { Script } from "../plugins/scsi-pr/exchange.ts";
import { runSideBySide } from "../plugins/scsi-pr/many-devices.ts";
import type { ScriptedCommands } from "../plugins/scsi-pr/scripted-device.ts";
import { scsiCommands } from "../plugins/scsi-pr/scsi-scripts.ts";
import { sgChannel } from "../plugins/scsi-pr/sg-device.ts";

const ROUNDS = 11;
const COUNTS = [1, 64] as const;
const DELAYS_MS = [0, 20, 50] as const;
const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;

/** The steps of a start; the stand-ins answer with zeros, so READ KEYS stands for REPORT CAPABILITIES, which must not be empty. */
const STEPS: readonly ((commands: ScriptedCommands) => Script<unknown>)[] = [
  function* ({ readKeys, readReservation }) {
    yield* readKeys();
    yield* readKeys();
    yield* readReservation();
  },
  function* ({ readKeys, registerAndIgnore }) {
    yield* readKeys();
    yield* registerAndIgnore({ to: 7n, aptpl: false });
    yield* readKeys();
  },
  function* ({ reserve, readKeys, readReservation }) {
    yield* reserve({ key: 7n, type: "WE" });
    yield* readKeys();
    yield* readReservation();
  },
];

async function runDisks(socket_path: string, count: number): Promise<void> {
  const library = openLibrary("libc.so.6", {
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
    connect: { args: ["i32", "ptr", "u32"], returns: "i32" },
  });
  if (library.kind === "missing") throw new Error(library.detail);
  const address = SOCKADDR_UN.allocate();
  address.set("sun_family", AF_UNIX);
  address.set("sun_path", new TextEncoder().encode(socket_path));
  const disks = Array.from({ length: count }, (_, number) => {
    const fd = library.symbols.socket(AF_UNIX, SOCK_SEQPACKET, 0);
    if (library.symbols.connect(fd, address.bytes, address.bytes.length) !== 0)
      throw new Error("not connected");
    const channel = sgChannel(fd);
    const path = `disk${number}`;
    const commands = scsiCommands({ path: 0, device: path });
    const close = (): void => channel.close();
    return { path, transport: "scsi", commands, fds: () => [fd], channel: () => channel, close } as const;
  });
  for (const step of STEPS)
    await runSideBySide(disks.map((device) => ({ device, script: step(device.commands) })));
  process.exit(0);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

async function compare(directory: string, delay_ms: number): Promise<void> {
  const socket_path = join(directory, `disks${delay_ms}`);
  const disks = Bun.spawn([join(directory, "slow-disks"), socket_path, String(delay_ms)], { stdout: "pipe" });
  await disks.stdout.getReader().read();
  const times_ms = COUNTS.map((): number[] => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, count] of COUNTS.entries()) {
      const began_ms = performance.now();
      const ran = Bun.spawnSync([process.execPath, import.meta.path, socket_path, String(count)]);
      if (!ran.success) throw new Error(ran.stderr.toString());
      times_ms[index]?.push(performance.now() - began_ms);
    }
  }
  disks.kill();
  const [one = Number.NaN, all = Number.NaN] = times_ms.map(median);
  console.log(
    `${delay_ms} ms: 1 disk ${one.toFixed(0)} ms, 64 disks ${all.toFixed(0)} ms, ratio ${(all / one).toFixed(2)}`,
  );
}

const [socket_path, count] = process.argv.slice(2);
if (socket_path !== undefined) await runDisks(socket_path, Number(count));
const directory = mkdtempSync(join(tmpdir(), "many-disks-"));
const source = join(import.meta.dir, "slow-disks.c");
const built = Bun.spawnSync(["gcc", "-O2", "-o", join(directory, "slow-disks"), source]);
if (!built.success) throw new Error(`NOT MEASURED: slow-disks.c can't be built: ${built.stderr.toString()}`);
for (const delay_ms of DELAYS_MS) await compare(directory, delay_ms);
console.log(`medians of ${ROUNDS}, load average ${loadavg()[0]?.toFixed(1)}`);
rmSync(directory, { recursive: true });
