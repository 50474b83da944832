/** lvmpersist on 64 devices against one, and against sg_persist in a loop: the figures of docs/performance.md. */
import assert from "node:assert/strict";
import type { Host } from "../lab/host.ts";
import { type Steps, scenario } from "../scenario.ts";
import { STORAGE_TARGET, startStorage } from "../services/lio.ts";
import { startInitiator } from "../services/multipath.ts";

const KEY = "0x1000000000010001";
const DEVICES = 64;
const ROUNDS = 3;
/** One way, so that a command takes twice as long: storage in the next building, and slower than our own processor by far. */
const DELAY_MS = 10;

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

async function measure(host: Host, devices: readonly string[], say: Steps["say"]): Promise<void> {
  const words = (paths: readonly string[]): string => paths.map((path) => `--device ${path}`).join(" ");
  const [all, one] = [words(devices), words(devices.slice(0, 1))];
  const stop = (): Promise<unknown> => host.must(`lvmpersist stop --ourkey ${KEY} ${all}`);
  const times = { one: [] as number[], all: [] as number[], loop: [] as number[] };
  const read = { one: [] as number[], all: [] as number[] };
  await host.must(`lvmpersist read ${all}`);
  for (let round = 0; round < ROUNDS; round++) {
    times.one.push(await time(host, `lvmpersist start --ourkey ${KEY} ${one}`));
    await stop();
    times.all.push(await time(host, `lvmpersist start --ourkey ${KEY} ${all}`));
    read.one.push(await time(host, `lvmpersist read ${one}`));
    read.all.push(await time(host, `lvmpersist read ${all}`));
    await stop();
    times.loop.push(await time(host, `DEVICES='${devices.join(" ")}'; ${LOOP}`));
    assert.equal(
      (await host.read("/tmp/said")).trim(),
      String(devices.length),
      "devices that the loop reserved",
    );
    await stop();
  }
  const [single, many, loop] = [median(times.one), median(times.all), median(times.loop)];
  const ms = (value: number): string => `${Math.round(value)} ms`;
  say(
    `start: one device ${ms(single)}, ${devices.length} devices ${ms(many)} (${(many / single).toFixed(2)} times as long)`,
  );
  say(`sg_persist in a loop: ${ms(loop)} (${(loop / many).toFixed(1)} times as long as lvmpersist)`);
  say(`read: one device ${ms(median(read.one))}, ${devices.length} devices ${ms(median(read.all))}`);
}

export default scenario(
  "pr-lvmpersist-many",
  {
    about: "lvmpersist on 64 devices against one, and against sg_persist in a loop.",
    guests: 2,
    only_by_name: true,
    timeout_ms: 1_200_000,
  },
  async ({ cluster, step, say }) => {
    const lab = await cluster({ hosts: 1, disks: [] });
    const host = lab.host(1);
    const storage = await startStorage(lab, { luns: DEVICES, size_mb: 1, reached_by: "guests" });
    await startInitiator(host);
    // udev would probe each disk for seconds, on the one processor that is to be measured.
    const { stdout } = await host.must(
      `udevadm control --stop-exec-queue
N="iscsiadm -m node -T ${STORAGE_TARGET} -p ${storage.host.address}"; $N -o new >&2 && $N --login >&2
for ((i = 0; i < 600; i++)); do [ $(ls -d /sys/class/scsi_disk/*/device/block/* | wc -l) = ${DEVICES} ] && break; sleep 0.5; done
ls -d /sys/class/scsi_disk/*/device/block/* | sed 's,.*/,/dev/,' | sort`,
      { timeout_ms: 400_000 },
    );
    const devices = stdout.trim().split("\n");
    assert.equal(devices.length, DEVICES);
    await step("64 devices over the cluster's own network", () => measure(host, devices, say));
    await step(`64 devices that are ${DELAY_MS} ms away`, async () => {
      lab.network.delay(DELAY_MS);
      await measure(host, devices, say);
      lab.network.delay(0);
    });
  },
);
