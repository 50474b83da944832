/** The runner of scenarios: which, when, and what a command line means. */
import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cached } from "../image/cache.ts";
import { mergeLvmConfig, printLvmConfig } from "../lab/lvm-config.ts";
import { parseArguments } from "../runner/arguments.ts";
import { runJobs } from "../runner/schedule.ts";

test("a machine of 2 cores and 24 GB gets 6 guests, one with little memory at least 3", () => {
  expect(parseArguments([], 2, 24_000)).toMatchObject({ guests: 6, names: [] });
  expect(parseArguments([], 8, 1000)).toMatchObject({ guests: 3 });
});

test("names and options may stand in any order; an unknown option is answered with the usage", () => {
  expect(parseArguments(["life", "--guests", "4", "dlm", "--verbose"], 2, 24_000)).toMatchObject({
    names: ["life", "dlm"],
    guests: 4,
    verbose: true,
  });
  expect(parseArguments(["--what"], 2, 24_000)).toStartWith("Usage:");
  expect(parseArguments(["--guests", "none"], 2, 24_000)).toStartWith("--guests");
});

test("jobs run beside each other as far as their guests fit, and too large ones alone", async () => {
  let now = 0;
  let most = 0;
  const job = (guests: number) => ({
    guests,
    run: async () => {
      now += guests;
      most = Math.max(most, now <= 4 ? now : 0);
      const alone = now === guests;
      await Bun.sleep(1);
      now -= guests;
      return alone;
    },
  });
  const alone = await runJobs([job(2), job(2), job(9), job(1)], 4);
  expect(most).toBe(4);
  expect(alone[2]).toBe(true);
});

test("results come in the order of the jobs", async () => {
  const job = (delay_ms: number) => ({ guests: 1, run: () => Bun.sleep(delay_ms).then(() => delay_ms) });
  expect(await runJobs([job(9), job(1), job(5)], 3)).toEqual([9, 1, 5]);
});

test("settings of a scenario replace those of the lab one by one", () => {
  const merged = mergeLvmConfig(
    { global: { a: 1, b: "x" } },
    { global: { b: ['q"'] }, local: { host_id: 2 } },
  );
  expect(printLvmConfig(merged)).toBe(
    'global {\n\ta = 1\n\tb = [ "q\\"" ]\n}\n\nlocal {\n\thost_id = 2\n}\n',
  );
});

test("a cache entry is made once for all who ask, and not kept when making it fails", async () => {
  const directory = mkdtempSync(join(tmpdir(), "cache-"));
  const before = process.env.LVMLOCKD_CLUSTER_CACHE;
  process.env.LVMLOCKD_CLUSTER_CACHE = directory;
  try {
    let made = 0;
    const make = async (path: string): Promise<void> => {
      made++;
      await Bun.sleep(5);
      writeFileSync(join(path, "file"), "");
    };
    const entry = { kind: "thing", key: "k", make };
    await Promise.all([cached(entry), cached(entry)]);
    await cached(entry);
    expect(made).toBe(1);
    const failing = { kind: "thing", key: "bad", make: () => Promise.reject(new Error("no")) };
    await expect(cached(failing)).rejects.toThrow("no");
    expect(readdirSync(join(directory, "thing")).filter((name) => !name.endsWith(".lock"))).toEqual(["k"]);
  } finally {
    process.env.LVMLOCKD_CLUSTER_CACHE = before;
    if (before === undefined) delete process.env.LVMLOCKD_CLUSTER_CACHE;
    rmSync(directory, { recursive: true });
  }
});
