/**
 * Many VGs on one host, and one of them on a disk that hangs: a block device of the loop driver over a frozen file system, so that
 * sanlock's I/O really waits in the kernel. Where no such device can be made, sanlock's own calls are made to lose the I/O.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { wireResult } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { MIB } from "./cluster.ts";
import { type Daemons, initVg, startDaemons, startThrough, startVg } from "./daemons.ts";
import { makeHangingDevice } from "./loop-device.ts";
import { hangDisk, mendDisk } from "./sanlock-daemon.ts";

setDefaultTimeout(180_000);

/** A worker with its own engine takes 3 to 4 MB (measured); twice that would be a leak or a library loaded twice. */
const MEMORY_PER_VG_MB = 8;
const VGS = 64;
const names = Array.from({ length: VGS }, (_, index) => `many${index}`);
const [hung = "", ...sound] = names;

/** A start waits for at least two I/O timeouts, of one second here. */
const START_LEAST_S = 2;

/** Longer than every deadline of lvmlockd for a start. */
const PATIENT_MS = 100_000;

let daemons: Daemons;
/** The disk of the VG `hung`. */
let isRealDisk = true;
let disk: { hang(): void; goOn(): void; remove(): void };

/** A number of /proc/<pid>/status: threads, or memory in KiB. */
function status(name: "Threads" | "RssAnon" | "VmRSS"): number {
  const text = readFileSync(`/proc/${daemons.daemons[0]?.pid}/status`, "utf8");
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1]);
}

beforeAll(async () => {
  daemons = await startDaemons(1, {
    sanlock: { disks_can_hang: true, worker_threads: VGS + 16 },
  });
  disk = makeDisk();
  for (const name of names) await initVg(daemons, name, [0], 1);
});
afterAll(async () => {
  disk?.goOn();
  await daemons.close();
  disk?.remove();
});

function makeDisk(): typeof disk {
  const { cluster } = daemons;
  const made = makeHangingDevice(68 * MIB);
  if (made.kind === "made") {
    cluster.useDevice(hung, made.device.path);
    return made.device;
  }
  isRealDisk = false;
  console.error(
    `NO REAL DISK THAT HANGS (${made.reason}): sanlock is made to lose its I/O on a plain file instead`,
  );
  const path = cluster.leaseFile(hung);
  return { hang: () => hangDisk(path), goOn: () => mendDisk(path), remove() {} };
}

/** One lock and unlock in a VG: op_result of the lock, and how long both took. */
async function lockOnce(vg_name: string): Promise<{ readonly result: number; readonly ms: number }> {
  const client = await daemons.client(0, PATIENT_MS);
  const began_ms = performance.now();
  const result = await client.result("lock_vg", { mode: "ex", vg_name });
  if (result === 0) await client.result("lock_vg", { mode: "un", vg_name });
  client.close();
  return { result, ms: performance.now() - began_ms };
}

test(`${VGS} VGs are started in parallel; the one with the hung disk delays none of the others`, async () => {
  const before = { threads: status("Threads"), anon_mb: status("RssAnon") / 1024 };
  disk.hang();
  let hungEnded = false;
  const began_ms = performance.now();
  const patient = await daemons.client(0, PATIENT_MS);
  const starting = startThrough(patient, 0, hung).then(
    () => "started",
    (error: Error) => {
      hungEnded = true;
      return error.message;
    },
  );
  await Promise.all(sound.map((name) => startVg(daemons, 0, name)));
  const took_s = (performance.now() - began_ms) / 1000;
  expect(hungEnded).toBe(false);
  // One after the other they would take four times as long at least.
  expect(took_s).toBeLessThan((sound.length * START_LEAST_S) / 4);
  const results = await Promise.all(sound.map(lockOnce));
  expect(results.every(({ result }) => result === 0)).toBe(true);
  // Each VG has a worker of its own, up to a bound; Bun's own threads and those for manager calls come on top.
  const threads = status("Threads");
  expect(threads - before.threads).toBeLessThan(4 * (LIMITS.plugin_workers + LIMITS.plugin_manager_workers));
  // sanlock waits for its I/O as long as the disk hangs. When it works again, that start ends as well, one way or the other.
  expect(hungEnded && isRealDisk).toBe(false);
  disk.goOn();
  console.error(`the start on the disk that hung: ${await starting}`);
  const rss_mb = status("VmRSS") / 1024;
  const anon_mb = status("RssAnon") / 1024;
  expect((anon_mb - before.anon_mb) / sound.length).toBeLessThan(MEMORY_PER_VG_MB);
  console.error(
    `${sound.length} VGs started in ${took_s.toFixed(1)} s; threads ${before.threads} -> ${threads}, ` +
      `RSS ${rss_mb.toFixed(0)} MB, of it anonymous ${before.anon_mb.toFixed(0)} -> ${anon_mb.toFixed(0)} MB`,
  );
});

/** Starts a VG whose disk works again. A start that was given up goes on meanwhile, and may be the one that succeeds. */
async function startAgain(vg_name: string): Promise<void> {
  const client = await daemons.client(0);
  while ((await client.result("query_lock_vg", { vg_name })) === wireResult("ESTARTING"))
    await Bun.sleep(100);
  if ((await client.result("query_lock_vg", { vg_name })) !== 0) await startVg(daemons, 0, vg_name);
  client.close();
}

test("a disk that hangs under a started VG delays the requests of that VG and no others", async () => {
  // It works again, so that the VG can be started, and hangs once more.
  disk.goOn();
  await startAgain(hung);
  expect((await lockOnce(hung)).result).toBe(0);
  disk.hang();
  let answered = false;
  const stuck = lockOnce(hung).then(({ result }) => {
    answered = true;
    return result;
  });
  await Bun.sleep(50);
  let before = 0;
  const times = await Promise.all(
    sound.map(async (name) => {
      const { ms, result } = await lockOnce(name);
      expect(result).toBe(0);
      if (!answered) before += 1;
      return ms;
    }),
  );
  // If they waited for the one that hangs, none of them would be served before sanlock gives that one up after its I/O timeout.
  expect(before).toBeGreaterThan(0);
  expect(await stuck).toBeLessThan(0);
  console.error(
    `${before} of ${times.length} other VGs were served meanwhile, the slowest in ${Math.max(...times).toFixed(0)} ms`,
  );
});
