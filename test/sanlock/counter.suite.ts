/** No update of a shared counter is ever lost, whatever happens to those who count. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Cluster, startCluster } from "./cluster.ts";
import type { Counting } from "./host.ts";
import { type Member, memberOf, startedVg, VG } from "./vg.ts";

setDefaultTimeout(120_000);
const ROUNDS = 1500;

let cluster: Cluster;
let members: Member[];

beforeAll(async () => {
  cluster = await startCluster(2);
  members = await startedVg(cluster, "vg0", [0, 1]);
});
afterAll(() => cluster.close());

function count(index: number, member: Member | undefined, counter_path: string, rounds = ROUNDS): Counting {
  const host = cluster.hosts[index];
  if (host === undefined || member === undefined) throw new RangeError(`there is no host ${index}`);
  const { key, identity } = member;
  return host.count({ key, identity, resource: VG, counter_path, rounds });
}

function newCounter(name: string): string {
  const path = join(cluster.directory, name);
  writeFileSync(path, "0");
  return path;
}

const counted = (path: string): number => Number(readFileSync(path, "utf8"));

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await Bun.sleep(2);
}

test(`${2 * ROUNDS} increments by two hosts`, async () => {
  const path = newCounter("plain");
  const counts = members.map((member, index) => count(index, member, path));
  for (const { done } of counts) expect(await done).toMatchObject({ rounds: ROUNDS, problem: "" });
  expect(counted(path)).toBe(2 * ROUNDS);
});

test("with one sanlock daemon stopped for two seconds, several times", async () => {
  const path = newCounter("stopped");
  const counts = members.map((member, index) => count(index, member, path));
  for (const [index, counting] of counts.entries()) {
    await until(() => counting.rounds > ROUNDS / 5);
    cluster.sanlock[index]?.signal("SIGSTOP");
    await Bun.sleep(2000);
    cluster.sanlock[index]?.signal("SIGCONT");
  }
  for (const { done } of counts) expect(await done).toMatchObject({ rounds: ROUNDS, problem: "" });
  expect(counted(path)).toBe(2 * ROUNDS);
});

test("with one of the hosts' processes killed again and again", async () => {
  const path = newCounter("killed");
  const kills = 3;
  const counts = [count(0, members[0], path)];
  let told = 0;
  for (let kill = 0; kill < kills; kill++) {
    const doomed = count(1, members[1], path, Number.MAX_SAFE_INTEGER);
    await until(() => doomed.rounds > 50);
    await cluster.restartHost(1);
    // What it told last may have been followed by one more write, but by no more: each is told before the lock is released.
    told += doomed.rounds;
    const member = memberOf(cluster, 1, "vg0");
    await member.start("if-orphan");
    members[1] = member;
  }
  counts.push(count(1, members[1], path, 300));
  for (const { done } of counts) expect(await done).toMatchObject({ problem: "" });
  const sure = ROUNDS + 300 + told;
  expect(counted(path)).toBeGreaterThanOrEqual(sure);
  expect(counted(path)).toBeLessThanOrEqual(sure + kills * 2);
});
