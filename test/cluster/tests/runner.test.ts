/** The runner of scenarios: which, when, and what a command line means. */
import { expect, spyOn, test } from "bun:test";
import { AssertionError } from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cached } from "../image/cache.ts";
import { openEnding } from "../lab/ending.ts";
import { Late, NotRefused } from "../lab/failures.ts";
import { mergeLvmConfig, printLvmConfig } from "../lab/lvm-config.ts";
import { parseArguments, type RunnerOptions } from "../runner/arguments.ts";
import { type Outcome, runScenario } from "../runner/run-scenario.ts";
import { runJobs } from "../runner/schedule.ts";
import { type Scenario, scenario } from "../scenario.ts";

test("a machine of 2 cores and 24 GB gets 8 guests, one with little memory at least 3", () => {
  expect(parseArguments([], 2, 24_000)).toMatchObject({ guests: 8, names: [], control: false });
  expect(parseArguments([], 8, 1000)).toMatchObject({ guests: 3 });
});

test("names and options may stand in any order; an unknown option is answered with the usage", () => {
  expect(parseArguments(["life", "--guests", "4", "dlm", "--verbose"], 2, 24_000)).toMatchObject({
    names: ["life", "dlm"],
    guests: 4,
    verbose: true,
  });
  expect(parseArguments(["life", "--control"], 2, 24_000)).toMatchObject({ names: ["life"], control: true });
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

/** A cache directory of the test's own, for as long as it runs. */
async function withCache(use: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "cache-"));
  const before = process.env.LVMLOCKD_CLUSTER_CACHE;
  process.env.LVMLOCKD_CLUSTER_CACHE = directory;
  try {
    await use(directory);
  } finally {
    process.env.LVMLOCKD_CLUSTER_CACHE = before;
    if (before === undefined) delete process.env.LVMLOCKD_CLUSTER_CACHE;
    rmSync(directory, { recursive: true });
  }
}

test("a cache entry is made once for all who ask, and not kept when making it fails", () =>
  withCache(async (directory) => {
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
  }));

const OPTIONS = parseArguments([], 2, 24_000) as RunnerOptions;

/** Runs it, and for a while longer for what it does behind its end; the lines are those of the runner. */
async function runAndWait(
  subject: Scenario,
  wait_ms: number,
): Promise<{ outcome: Outcome; lines: string[] }> {
  const lines: string[] = [];
  const log = spyOn(console, "log").mockImplementation((line: string) => void lines.push(line));
  try {
    const outcome = await runScenario(subject, OPTIONS, 1);
    lines.push("the end");
    await Bun.sleep(wait_ms);
    return { outcome, lines };
  } finally {
    log.mockRestore();
  }
}

test("a scenario that is late fails, and its later steps neither begin nor are printed nor fail", () =>
  withCache(async () => {
    const begun: string[] = [];
    const late = scenario("late", { about: "", guests: 0, timeout_ms: 20 }, async ({ step, say }) => {
      await step("waits too long", () => Bun.sleep(40));
      say("goes on");
      await step("comes later", () => {
        begun.push("comes later");
        throw new Error("late");
      });
    });
    const { outcome, lines } = await runAndWait(late, 60);
    expect(outcome.failure).toBe("not done after 0.0 s, in: waits too long");
    expect(outcome.steps).toBe(0);
    expect(begun).toEqual([]);
    expect(lines.at(-1)).toBe("the end");
    expect(lines.filter((line) => line.includes("goes on") || line.includes("comes later"))).toEqual([]);
  }));

test("a second try is for commands that failed and times that were missed, not for what was granted or found wrong", () =>
  withCache(async () => {
    const forgivable = async (error: Error, options: { readonly unforgiving?: boolean } = {}) => {
      const failing = scenario("failing", { about: "", guests: 0, ...options }, ({ step }) =>
        step("fails", () => {
          throw error;
        }),
      );
      return (await runAndWait(failing, 0)).outcome.forgivable;
    };
    expect(await forgivable(new Error("This must succeed within 1 ms"))).toBe(true);
    expect(await forgivable(new Late("still there after 1 ms"))).toBe(true);
    expect(await forgivable(new Error("This must succeed"), { unforgiving: true })).toBe(false);
    expect(await forgivable(new NotRefused("This must be refused"))).toBe(false);
    expect(await forgivable(new AssertionError({ message: "active on two hosts" }))).toBe(false);
  }));

test("a wrong grant beside another failure is what a scenario fails with", () =>
  withCache(async () => {
    const fail = (error: Error) => () => Promise.reject(error);
    const both = scenario("both", { about: "", guests: 0 }, ({ together }) =>
      together([fail(new Late("not there")), fail(new NotRefused("granted")), fail(new Error("failed"))]),
    );
    const { outcome } = await runAndWait(both, 0);
    expect(outcome).toMatchObject({ failure: "granted", forgivable: false });
  }));

test("after a failed step, what runs beside it begins nothing new", () =>
  withCache(async () => {
    const begun: string[] = [];
    const failing = scenario("failing", { about: "", guests: 0 }, async ({ step }) => {
      void Bun.sleep(30).then(() => step("beside it", () => void begun.push("beside it")));
      await step("fails", () => Promise.reject(new Error("no")));
    });
    const { outcome } = await runAndWait(failing, 60);
    expect(outcome.failure).toBe("no");
    expect(begun).toEqual([]);
  }));

test("what is over gives no answer any more, not even that it failed", async () => {
  const ending = openEnding();
  let settled = 0;
  const count = (): number => settled++;
  const slow = Promise.withResolvers<void>();
  void ending.hold(() => slow.promise).then(count, count);
  expect(await ending.hold(async () => "before")).toBe("before");
  await expect(ending.hold(() => Promise.reject(new Error("before")))).rejects.toThrow("before");
  ending.end();
  slow.reject(new Error("late"));
  void ending.hold(async () => count()).then(count, count);
  await Bun.sleep(1);
  expect(settled).toBe(0);
});
