/** Many VGs on one host, and one of them on a disk that hangs. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { LIMITS } from "../../core/limits.ts";
import { type Daemons, initVg, startDaemons, startVg } from "./daemons.ts";
import { hangDisk } from "./sanlock-daemon.ts";

setDefaultTimeout(120_000);

/** A worker with its own engine takes 3 to 4 MB (measured); twice that would be a leak or a library loaded twice. */
const MEMORY_PER_VG_MB = 8;
const VGS = 64;
const names = Array.from({ length: VGS }, (_, index) => `many${index}`);
const [hung = "", ...sound] = names;

let daemons: Daemons;

/** A number of /proc/<pid>/status: threads, or memory in KiB. */
function status(name: "Threads" | "RssAnon" | "VmRSS"): number {
  const text = readFileSync(`/proc/${daemons.daemons[0]?.pid}/status`, "utf8");
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1]);
}

beforeAll(async () => {
  daemons = await startDaemons(1, {
    sanlock: { disks_can_hang: true, worker_threads: VGS + 16 },
  });
  for (const name of names) await initVg(daemons, name, [0], 1);
});
afterAll(() => daemons.close());

/** One lock and unlock in a VG: op_result of the lock, and how long both took. */
async function lockOnce(vg_name: string): Promise<{ readonly result: number; readonly ms: number }> {
  const client = await daemons.client(0);
  const began_ms = performance.now();
  const result = await client.result("lock_vg", { mode: "ex", vg_name });
  if (result === 0) await client.result("lock_vg", { mode: "un", vg_name });
  client.close();
  return { result, ms: performance.now() - began_ms };
}

test(`${VGS} VGs are started in parallel; the one with the hung disk delays none of the others`, async () => {
  const before = { threads: status("Threads"), anon_mb: status("RssAnon") / 1024 };
  hangDisk(daemons.cluster.leaseFile(hung));
  let hungEnded = false;
  const began_ms = performance.now();
  const starting = startVg(daemons, 0, hung).then(
    () => "started",
    (error: Error) => {
      hungEnded = true;
      return error.message;
    },
  );
  await Promise.all(sound.map((name) => startVg(daemons, 0, name)));
  const took_s = (performance.now() - began_ms) / 1000;
  expect(hungEnded).toBe(false);
  const results = await Promise.all(sound.map(lockOnce));
  expect(results.every(({ result }) => result === 0)).toBe(true);
  // Each VG has a worker of its own, up to a bound; Bun's own threads and those for manager calls come on top.
  const threads = status("Threads");
  expect(threads - before.threads).toBeLessThan(4 * (LIMITS.plugin_workers + LIMITS.plugin_manager_workers));
  expect(await starting).toMatch(/-225|-214|-11[0-9]|-218/);
  const rss_mb = status("VmRSS") / 1024;
  const anon_mb = status("RssAnon") / 1024;
  expect((anon_mb - before.anon_mb) / sound.length).toBeLessThan(MEMORY_PER_VG_MB);
  console.error(
    `${sound.length} VGs started in ${took_s.toFixed(1)} s; threads ${before.threads} -> ${threads}, ` +
      `RSS ${rss_mb.toFixed(0)} MB, of it anonymous ${before.anon_mb.toFixed(0)} -> ${anon_mb.toFixed(0)} MB`,
  );
});

test("a disk that hangs under a started VG delays the requests of that VG and no others", async () => {
  const [victim = "", ...others] = sound;
  hangDisk(daemons.cluster.leaseFile(victim));
  let answered = false;
  const stuck = lockOnce(victim).then(({ result }) => {
    answered = true;
    return result;
  });
  await Bun.sleep(50);
  let before = 0;
  const times = await Promise.all(
    others.map(async (name) => {
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
