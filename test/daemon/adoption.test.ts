import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { activeLvs, deviceStates } from "../../core/daemon/active-lvs.ts";
import { connectAndGreet } from "../rig/connection.ts";
import { makeScratch, type Scratch } from "../rig/scratch.ts";
import { type Child, startChild } from "./kit/child.ts";
import {
  lockLv,
  lvUuid,
  report,
  resultOf,
  startInProcess,
  startVg,
  tryInProcess,
  until,
  vgUuid,
} from "./kit/in-process.ts";
import { makeDevice } from "./kit/sysfs.ts";

let scratch: Scratch;
let child: Child | null = null;
beforeEach(() => {
  scratch = makeScratch("adopt");
});
afterEach(async () => {
  child?.kill("SIGKILL");
  await child?.exited;
  child = null;
  scratch.remove();
});

/** What is held, as "vg/lv mode", sorted. */
async function held(socket_path: string): Promise<string[]> {
  const { lock } = await report(socket_path);
  return lock
    .filter(({ kind }) => kind === "lv")
    .map(({ vg_name, lv_uuid, mode }) => `${vg_name}/${lv_uuid.replace(/^LVLVLV-|l+$/g, "")} ${mode}`)
    .sort();
}

/** A daemon with locks ex on lv0 and sh on lv1, left as kill -9 leaves it. */
async function leaveLocks(): Promise<void> {
  const ours = await startInProcess({ scratch });
  const client = await ours.connect();
  await startVg(client, "vg0");
  for (const [lv, mode] of [
    ["lv0", "ex"],
    ["lv1", "sh"],
  ] as const)
    expect(resultOf(await client.ask(lockLv("vg0", lv, mode)))).toBe(0);
  ours.daemon.leave();
  await ours.daemon.ended;
}

describe("a restarted daemon", () => {
  test("holds what the earlier one held, and says so", async () => {
    await leaveLocks();
    const ours = await startInProcess({ scratch });
    expect(await held(ours.config.socket_path)).toEqual(["vg0/lv0 ex", "vg0/lv1 sh"]);
    expect(ours.logged.join("\n")).toContain("2 locks adopted, 0 released, 0 failed");
    const client = await ours.connect();
    expect(resultOf(await client.ask(lockLv("vg0", "lv0", "ex")))).toBe(-114);
    expect(resultOf(await client.ask(lockLv("vg0", "lv0", "un")))).toBe(0);
    expect(await held(ours.config.socket_path)).toEqual(["vg0/lv1 sh"]);
    ours.daemon.leave();
    await ours.daemon.ended;
  });

  test("releases the locks of LVs that device-mapper does not have", async () => {
    await leaveLocks();
    mkdirSync(scratch.file("sys/class/misc/device-mapper"), { recursive: true });
    mkdirSync(scratch.file("sys/block/dm-0/dm"), { recursive: true });
    const uuid = (vgUuid("vg0") + lvUuid("lv1")).replaceAll("-", "");
    writeFileSync(scratch.file("sys/block/dm-0/dm/uuid"), `LVM-${uuid.slice(0, 64)}\n`);
    const ours = await startInProcess({ scratch, surroundings: { sys: scratch.file("sys") } });
    // The test's uuids are not 64 letters long without dashes, so none of them is found active.
    expect(ours.logged.join("\n")).toContain("0 locks adopted, 2 released, 0 failed");
    expect(await held(ours.config.socket_path)).toEqual([]);
    ours.daemon.leave();
    await ours.daemon.ended;
    const next = await startInProcess({ scratch });
    expect(await held(next.config.socket_path)).toEqual([]);
    next.daemon.leave();
    await next.daemon.ended;
  });

  test("with --adopt 0 sets the record aside and begins empty", async () => {
    await leaveLocks();
    const ours = await startInProcess({ scratch, config: { adopt: false } });
    expect(await held(ours.config.socket_path)).toEqual([]);
    const kept = readdirSync(scratch.path).filter((name) => name.startsWith("journal."));
    expect(kept.length).toBe(1);
    expect(readFileSync(scratch.file(kept[0] ?? ""), "utf8")).toContain("lv0");
    ours.daemon.leave();
    await ours.daemon.ended;
  });

  test("after a boot adopts nothing", async () => {
    await leaveLocks();
    const ours = await startInProcess({ scratch, surroundings: { boot_id: "another" } });
    expect(await held(ours.config.socket_path)).toEqual([]);
    expect(ours.logged.join("\n")).toContain("earlier boot");
    ours.daemon.leave();
    await ours.daemon.ended;
  });

  test("takes over from the C daemon's adopt file", async () => {
    const lines = [
      "lvmlockd adopt_version 1.0 pid 1 updates 2 Sat Nov 22 15:00:00 2025",
      `VG: ${vgUuid("vg0")} vg0 dlm 1.0.0:test`,
      `LV: ${vgUuid("vg0")} ${lvUuid("lv0")} dlm ex 3`,
    ];
    writeFileSync(scratch.file("journal"), `${lines.join("\n")}\n`);
    const ours = await startInProcess({ scratch });
    expect(await held(ours.config.socket_path)).toEqual(["vg0/lv0 ex"]);
    ours.daemon.leave();
    await ours.daemon.ended;
  });

  test("does not start on a file of somebody else, and leaves it as it is", async () => {
    writeFileSync(scratch.file("journal"), "root:x:0:0\n");
    const { answer } = await tryInProcess({ scratch });
    expect(answer).toMatchObject({ kind: "failed" });
    expect(readFileSync(scratch.file("journal"), "utf8")).toBe("root:x:0:0\n");
    expect(readdirSync(scratch.path)).not.toContain("pid");
  });
});

describe("active LVs", () => {
  const vg = "A".repeat(32);
  const lv = "B".repeat(32);

  test("are found by their device's uuid, hidden layers included", () => {
    makeDevice(scratch.path, "dm-0", `LVM-${vg}${lv}-tpool`);
    makeDevice(scratch.path, "dm-1", "CRYPT-LUKS2-abc");
    mkdirSync(scratch.file("block/sda"));
    expect(activeLvs(scratch.path)).toEqual(new Set([vg + lv]));
  });

  test("are unknown where there is no device-mapper", () => {
    expect(activeLvs(scratch.path)).toBeNull();
  });

  test("are told of each LV that is asked about", () => {
    const dashed = (letter: string) => [6, 4, 4, 4, 4, 4, 6].map((count) => letter.repeat(count)).join("-");
    const [active_lv, other_lv] = [dashed("B"), dashed("C")];
    const states = () => [...deviceStates(dashed("A"), [active_lv, other_lv], scratch.path)];
    expect(states()).toEqual([]);
    makeDevice(scratch.path, "dm-0", `LVM-${vg}${lv}`);
    expect(states()).toEqual([
      [active_lv, "active"],
      [other_lv, "inactive"],
    ]);
  });
});

test("killed again and again while clients lock, it holds after each restart what was granted", async () => {
  const granted = new Map<string, "ex" | "sh">();
  /** Asked for, and the daemon died before the answer: either outcome is right. */
  const undecided = new Map<string, "ex" | "sh" | "un">();
  let lock_number = 0;

  /** Kills the daemon after so many replies, not after a time: a slow machine has then done as much as a fast one. */
  async function lockUntilDeath(daemon: Child, replies_before_death: number): Promise<void> {
    const client = await connectAndGreet(scratch.file("socket"));
    await startVg(client, "vg0");
    for (let replies = 0; ; replies++) {
      // The next request is on its way while the signal is.
      if (replies === replies_before_death) daemon.kill("SIGKILL");
      const drop = granted.size > 20 && lock_number % 3 === 0;
      const name = drop ? (granted.keys().next().value ?? "") : `lv${lock_number}`;
      const mode = drop ? "un" : lock_number % 2 === 0 ? "ex" : "sh";
      lock_number++;
      undecided.set(name, mode);
      const reply = await client.ask(lockLv("vg0", name, mode)).catch(() => null);
      if (reply === null) return;
      undecided.delete(name);
      // ESTARTING: a daemon that died before its first grant left a VG, and no lock to wait for, to be adopted.
      if (resultOf(reply) === -211) continue;
      expect(resultOf(reply)).toBe(0);
      if (mode === "un") granted.delete(name);
      else granted.set(name, mode);
    }
  }

  for (let round = 0; round < 6; round++) {
    child = await startChild(scratch);
    await until(async () => (await held(scratch.file("socket"))).length >= granted.size);
    const found = new Map(
      (await held(scratch.file("socket"))).map((entry) => entry.split(" ") as [string, string]),
    );
    for (const [name, mode] of granted) {
      if (undecided.get(name) !== "un") expect([name, found.get(`vg0/${name}`)]).toEqual([name, mode]);
    }
    for (const entry of found.keys()) {
      const name = entry.slice("vg0/".length);
      expect(granted.has(name) || undecided.has(name)).toBe(true);
      if (!granted.has(name)) granted.set(name, found.get(entry) as "ex" | "sh");
    }
    for (const [name, mode] of undecided)
      if (mode === "un" && !found.has(`vg0/${name}`)) granted.delete(name);
    undecided.clear();
    await lockUntilDeath(child, 11 + round * 5);
    await child.exited;
  }
  expect(lock_number).toBeGreaterThan(50);
}, 30_000);

test("a grant that can't be recorded is refused, and locks are given out again once there is room", async () => {
  // The size limit stands for a full file system; ignored, its signal becomes an error of the write.
  child = await startChild(scratch, { before: "trap '' XFSZ; ulimit -f 16;" });
  const client = await connectAndGreet(scratch.file("socket"));
  await startVg(client, "vg0");
  const results: number[] = [];
  for (let i = 0; i < 200; i++) results.push(resultOf(await client.ask(lockLv("vg0", `lv${i}`, "ex"))));
  const first_refused = results.indexOf(-28);
  expect(first_refused).toBeGreaterThan(20);
  expect(results.slice(first_refused).every((result) => result === -28)).toBe(true);
  expect(child.output()).toContain("LV locks are refused until it can");
  expect((await held(scratch.file("socket"))).length).toBe(first_refused);
  for (let i = 0; i < 20; i++) expect(resultOf(await client.ask(lockLv("vg0", `lv${i}`, "un")))).toBe(0);
  await until(async () => resultOf(await client.ask(lockLv("vg0", "late", "ex"))) === 0);
  const before = await held(scratch.file("socket"));
  child.kill("SIGKILL");
  await child.exited;
  child = await startChild(scratch);
  await until(async () => (await held(scratch.file("socket"))).length >= before.length);
  expect(await held(scratch.file("socket"))).toEqual(before);
}, 20_000);
