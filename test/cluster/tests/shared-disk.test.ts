import { beforeEach, expect, test } from "bun:test";
import { openEnding } from "../lab/ending.ts";
import type { Host } from "../lab/host.ts";
import type { Guest } from "../lab/qemu.ts";
import { createSharedDisk, type SharedDisk } from "../lab/shared-disk.ts";
import { openTranscript } from "../lab/transcript.ts";

/** What QEMU was told to do with the disk of the host. */
let told: string[];
let running: boolean;
let disk: SharedDisk;

function guest(): Guest {
  return {
    qmp: { execute: async (command: string) => void told.push(command), event: async () => undefined },
    agent: { run: async () => ({ rc: 0, stdout: "sda\n", stderr: "", elapsed_ms: 0 }) },
  } as unknown as Guest;
}

beforeEach(async () => {
  told = [];
  running = true;
  const parts = { transcript: openTranscript(), ending: openEnding() };
  disk = createSharedDisk({ size_mb: 1 }, 0, "/dev/null", parts);
  await disk.attach(1, guest());
  disk.belongsTo({ id: 1, name: "host1", running: () => running, guest } as unknown as Host);
});

/** What plugging the disk in takes when nothing is wrong with it. */
async function sound(): Promise<readonly string[]> {
  told = [];
  await disk.attach(1, guest());
  return [...told];
}

test("a disk that failed before its host crashed is broken when that boots, and whole after it was restored", async () => {
  const whole = await sound();
  await disk.fail();
  running = false;
  expect((await sound()).length).toBeGreaterThan(whole.length);
  running = true;
  told = [];
  await disk.restore();
  expect(told.length).toBeGreaterThan(0);
  expect(await sound()).toEqual(whole);
});

test("a disk that fails while its host is down is broken when that boots, unless it is restored before", async () => {
  const whole = await sound();
  running = false;
  told = [];
  await disk.fail();
  expect(told).toEqual([]);
  expect((await sound()).length).toBeGreaterThan(whole.length);
  await disk.restore();
  expect(await sound()).toEqual(whole);
});
