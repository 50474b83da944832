/** lvmpersist on 64 devices against one, against its floor in C, and against sg_persist in a loop: the figures of docs/performance.md. */
import assert from "node:assert/strict";
import { loadavg } from "node:os";
import type { Host } from "../lab/host.ts";
import { type Scenario, type Steps, scenario } from "../scenario.ts";
import { STORAGE_TARGET, startStorage } from "../services/lio.ts";
import { startInitiator } from "../services/multipath.ts";
import { bringFloor } from "./lvmpersist/floor.ts";

const KEY = "0x1000000000010001";
const DEVICES = 64;
const ROUNDS = 3;
/**
 * One way, so that a command takes twice as long. With 0 the emulated processors decide; 10 and 25 ms are storage that takes 20 and
 * 50 ms for a command, as arrays do that write registrations to stable storage.
 */
const DELAYS_MS = [0, 10, 25] as const;

/** What lvmpersist start does, without its checks: one process a command, one device after the other. */
const LOOP = `for d in $DEVICES; do
  sg_persist -n -i -c $d; sg_persist -n -o -I -S ${KEY} $d; sg_persist -n -o -R -K ${KEY} -T 1 $d
  sg_persist -n -i -k $d; sg_persist -n -i -r $d
done >/dev/null && for d in $DEVICES; do sg_persist -n -i -r $d; done | grep -c 'Write Exclusive'`;

/** Milliseconds of a command in the guest, its start and its end included. */
async function time(host: Host, script: string): Promise<number> {
  const { stdout } = await host.must(
    `began=$EPOCHREALTIME; { ${script}; } >/tmp/said || exit 1; ended=$EPOCHREALTIME; echo $((\${ended/./} - \${began/./}))`,
    { timeout_ms: 300_000 },
  );
  return Number(stdout.trim()) / 1000;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** What is measured on one device and on all, and how it is taken back. */
interface Pair {
  readonly name: string;
  readonly command: (devices: readonly string[]) => string;
  readonly one_ms: number[];
  readonly all_ms: number[];
}

function tell({ name, one_ms, all_ms }: Pair, say: Steps["say"]): void {
  const [one, all] = [median(one_ms), median(all_ms)];
  const spread = `${Math.round(Math.min(...all_ms))} to ${Math.round(Math.max(...all_ms))}`;
  say(
    `${name}: one device ${Math.round(one)} ms, ${DEVICES} devices ${Math.round(all)} ms (${spread}), ratio ${(all / one).toFixed(2)}`,
  );
}

interface Measured {
  readonly host: Host;
  readonly devices: readonly string[];
  /** floor.c's program; null where there is none. */
  readonly floor: string | null;
}

async function measure({ host, devices, floor }: Measured, say: Steps["say"]): Promise<void> {
  const words = (paths: readonly string[]): string => paths.map((path) => `--device ${path}`).join(" ");
  const stop = (): Promise<unknown> => host.must(`lvmpersist stop --ourkey ${KEY} ${words(devices)}`);
  const pair = (name: string, command: Pair["command"]): Pair => ({ name, command, one_ms: [], all_ms: [] });
  const changing = [
    pair("start", (paths) => `lvmpersist start --ourkey ${KEY} ${words(paths)}`),
    ...(floor === null
      ? []
      : [pair("floor", (paths) => `${floor} ${KEY.slice("0x".length)} ${paths.join(" ")}`)]),
  ];
  const reading = pair("read", (paths) => `lvmpersist read ${words(paths)}`);
  await host.must(reading.command(devices));
  for (let round = 0; round < ROUNDS; round++) {
    for (const { command, one_ms, all_ms } of changing) {
      one_ms.push(await time(host, command(devices.slice(0, 1))));
      await stop();
      all_ms.push(await time(host, command(devices)));
      await stop();
    }
    reading.one_ms.push(await time(host, reading.command(devices.slice(0, 1))));
    reading.all_ms.push(await time(host, reading.command(devices)));
  }
  const loop_ms = await time(host, `DEVICES='${devices.join(" ")}'; ${LOOP}`);
  assert.equal(
    (await host.read("/tmp/said")).trim(),
    String(devices.length),
    "devices that the loop reserved",
  );
  await stop();
  for (const one of [...changing, reading]) tell(one, say);
  const start_ms = median(changing[0]?.all_ms ?? []);
  say(
    `sg_persist in a loop: ${Math.round(loop_ms)} ms (${(loop_ms / start_ms).toFixed(1)} times as long as lvmpersist)`,
  );
  say(
    `${ROUNDS} rounds, load average of this machine ${loadavg()
      .map((load) => load.toFixed(1))
      .join(" ")}`,
  );
}

function many(cpus: 1 | 2): Scenario {
  const processors = cpus === 1 ? "one emulated processor" : "two emulated processors";
  return scenario(
    cpus === 1 ? "pr-lvmpersist-many" : "pr-lvmpersist-many-2-cpus",
    {
      about: `lvmpersist on ${DEVICES} devices against one, its floor in C and sg_persist in a loop; a host with ${processors}.`,
      guests: 2,
      only_by_name: true,
      timeout_ms: 2_400_000,
    },
    async ({ cluster, step, say }) => {
      const lab = await cluster({ hosts: 1, disks: [], cpus });
      const host = lab.host(1);
      const storage = await startStorage(lab, { luns: DEVICES, size_mb: 1, reached_by: "guests" });
      await startInitiator(host);
      // udev would probe each disk for seconds, on the processor that is to be measured.
      const { stdout } = await host.must(
        `udevadm control --stop-exec-queue
N="iscsiadm -m node -T ${STORAGE_TARGET} -p ${storage.host.address}"; $N -o new >&2 && $N --login >&2
for ((i = 0; i < 600; i++)); do [ $(ls -d /sys/class/scsi_disk/*/device/block/* | wc -l) = ${DEVICES} ] && break; sleep 0.5; done
ls -d /sys/class/scsi_disk/*/device/block/* | sed 's,.*/,/dev/,' | sort`,
        { timeout_ms: 400_000 },
      );
      const devices = stdout.trim().split("\n");
      assert.equal(devices.length, DEVICES);
      const floor = await bringFloor(lab, host);
      if ("missing" in floor) say(`NOT MEASURED: the floor in C: ${floor.missing}`);
      for (const delay_ms of DELAYS_MS) {
        await step(`${DEVICES} devices that are ${delay_ms} ms away`, async () => {
          lab.network.delay(delay_ms);
          await measure({ host, devices, floor: "path" in floor ? floor.path : null }, say);
          lab.network.delay(0);
        });
      }
    },
  );
}

export default [many(1), many(2)];
