import { afterEach, beforeEach, expect, spyOn, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { afterCommands } from "../../core/daemon/after-commands.ts";
import { commandsWriting } from "../../core/daemon/command-locks.ts";
import type { Log } from "../../core/daemon/log/log.ts";
import { DEADLINES } from "../../core/deadlines.ts";
import type { Ask, ManagerAnswer } from "../../core/locking/api.ts";
import { encodeRequest, lockRequest, startRequest } from "../rig/requests.ts";
import { makeScratch, type Scratch } from "../rig/scratch.ts";
import { lockLv, report, resultOf, startInProcess, startVg, tryInProcess, until } from "./kit/in-process.ts";
import { makeDevice } from "./kit/sysfs.ts";

const LV_ARGS = { vg_lock_type: "dlm", vg_lock_args: "1.0.0:test", lv_lock_args: "dlm" };
/** A uuid in lvm's form, of one letter. */
const dashed = (letter: string) => [6, 4, 4, 4, 4, 4, 6].map((count) => letter.repeat(count)).join("-");
const flock = Bun.which("flock") ?? "/usr/bin/flock";
let scratch: Scratch;
let command: Bun.Subprocess | null = null;

beforeEach(() => {
  scratch = makeScratch("commands");
});
afterEach(async () => {
  command?.kill("SIGKILL");
  await command?.exited;
  command = null;
  scratch.remove();
});

/** A process that has lvm's file lock, as a command has it that writes (or, shared, only reads). */
async function holdFileLock(name: string, how: "-x" | "-s" = "-x"): Promise<number> {
  const held = scratch.file("held");
  command = Bun.spawn([flock, "-F", how, scratch.file(name), "sh", "-c", `: >'${held}'; exec sleep 60`]);
  await until(() => existsSync(held));
  return command.pid;
}

async function endCommand(): Promise<void> {
  command?.kill("SIGKILL");
  await command?.exited;
}

const place = () => ({ directory: scratch.path, proc_locks: "/proc/locks" });

test("a command that writes to a VG is found by its file lock, one that reads is not, nor one of another VG", async () => {
  expect(commandsWriting("vg0", place())).toEqual([]);
  const pid = await holdFileLock("V_vg0");
  expect(commandsWriting("vg0", place())).toEqual([pid]);
  expect(commandsWriting("vg1", place())).toEqual([]);
  await endCommand();
  expect(commandsWriting("vg0", place())).toEqual([]);
});

test("a command with a shared file lock does not write", async () => {
  await holdFileLock("V_vg0", "-s");
  expect(commandsWriting("vg0", place())).toEqual([]);
  await endCommand();
});

test("the holder of the global file lock may write to any VG", async () => {
  const pid = await holdFileLock("P_global");
  expect(commandsWriting("vg0", place())).toEqual([pid]);
  await endCommand();
});

test("a VG is not taken over before the command that had it under the earlier lvmlockd has ended, and clients are answered meanwhile", async () => {
  const earlier = await startInProcess({ scratch });
  const client = await earlier.connect();
  await startVg(client, "vg0");
  expect(resultOf(await client.ask(lockLv("vg0", "lv0", "ex")))).toBe(0);
  earlier.daemon.leave();
  await earlier.daemon.ended;
  const pid = await holdFileLock("V_vg0");
  const { answer, config, logged } = await tryInProcess({ scratch });
  if (answer.kind === "failed") throw new Error(answer.reason);
  const { daemon } = answer;
  let ready = false;
  void daemon.ready.then(() => {
    ready = true;
  });
  await report(config.socket_path);
  expect(ready).toBe(false);
  expect(logged.join("\n")).toContain(`when the command with pid ${pid} has ended`);
  await endCommand();
  await daemon.ready;
  const after = await report(config.socket_path);
  expect(after.lock.filter(({ kind }) => kind === "lv").length).toBe(1);
  daemon.leave();
  await daemon.ended;
});

test("an LV that the command activates before it ends keeps its lock, and one that is not active does not", async () => {
  const sys = scratch.file("sys");
  makeDevice(sys, "dm-9", "CRYPT-LUKS2-abc");
  const earlier = await startInProcess({ scratch });
  const client = await earlier.connect();
  const started = startRequest("vg0", {
    vg_lock_type: "dlm",
    vg_lock_args: "1.0.0:test",
    vg_uuid: dashed("A"),
    host_id: 0,
  });
  await client.ask(encodeRequest(started));
  await client.ask(encodeRequest({ request: "start_wait", keys: { pid: process.pid } }));
  for (const lv_uuid of [dashed("B"), dashed("C")]) {
    const lv = { kind: "lv", vg_name: "vg0", lv_name: "lv", lv_uuid } as const;
    expect(resultOf(await client.ask(encodeRequest(lockRequest(lv, "ex", "persistent,", LV_ARGS))))).toBe(0);
  }
  earlier.daemon.leave();
  await earlier.daemon.ended;
  await holdFileLock("V_vg0");
  const { answer, config, logged } = await tryInProcess({ scratch, surroundings: { sys } });
  if (answer.kind === "failed") throw new Error(answer.reason);
  await until(() => logged.join("\n").includes("is taken over when the command"));
  makeDevice(sys, "dm-0", `LVM-${dashed("A")}${dashed("B")}`.replaceAll(/(?<=LVM-.*)-/g, ""));
  await endCommand();
  await answer.daemon.ready;
  const after = await report(config.socket_path);
  const locks = after.lock.filter(({ kind }) => kind === "lv").map(({ lv_uuid }) => lv_uuid);
  expect(locks).toEqual([dashed("B")]);
  answer.daemon.leave();
  await answer.daemon.ended;
});

/** The join of an adoption, or another call, by itself. */
function joinOf(adopt: string): Ask {
  const identity = { vg_name: "vg0", lockspace_name: "lvm_vg0" };
  const target = { kind: "lockspace", lock_type: "sanlock", key: 7, identity, method: "join" };
  return { kind: "ask", call_id: 1, target, args: { adopt } } as unknown as Ask;
}

function managersUnder(connected: readonly number[]) {
  const asked: Ask[] = [];
  const forgotten: number[] = [];
  const told: string[] = [];
  const done = { kind: "done" } as ManagerAnswer;
  const managers = afterCommands({
    managers: {
      ask: (effect) => {
        asked.push(effect);
        return done;
      },
      forgetLockspace: (_, key) => void forgotten.push(key),
    },
    place: place(),
    isConnected: (pid) => connected.includes(pid),
    log: { warning() {}, error() {} } as unknown as Log,
    keepsWaiting: (vg_name, text) => void told.push(`${vg_name}: ${text}`),
  });
  return { managers, asked, forgotten, told, done };
}

test("a join that adopts nothing is not held up, nor one beside a command that talks to this daemon", async () => {
  const pid = await holdFileLock("V_vg0");
  const stranger = managersUnder([]);
  expect(stranger.managers.ask(joinOf("no"), () => undefined)).toBe(stranger.done);
  expect(stranger.managers.ask(joinOf("if-orphan"), () => undefined)).toBe(null);
  expect(stranger.asked.length).toBe(1);
  const own = managersUnder([pid]);
  expect(own.managers.ask(joinOf("if-orphan"), () => undefined)).toBe(own.done);
  stranger.managers.forgetLockspace("sanlock", 7);
  await endCommand();
});

test("a join that waits is made once, and not at all when its lockspace has been given up", async () => {
  writeFileSync(scratch.file("V_vg0"), "");
  await holdFileLock("V_vg0");
  const [kept, dropped] = [managersUnder([]), managersUnder([])];
  const answers: ManagerAnswer[] = [];
  expect(kept.managers.ask(joinOf("only-orphan"), (_, answer) => answers.push(answer))).toBe(null);
  expect(dropped.managers.ask(joinOf("only-orphan"), (_, answer) => answers.push(answer))).toBe(null);
  dropped.managers.forgetLockspace("sanlock", 7);
  expect(dropped.forgotten).toEqual([7]);
  await endCommand();
  await until(() => answers.length > 0);
  expect(answers).toEqual([kept.done]);
  expect(kept.asked.length).toBe(1);
  expect(dropped.asked.length).toBe(0);
});

test("a command that does not end is waited for however long it takes, and people are told of it once", async () => {
  const pid = await holdFileLock("V_vg0");
  const { managers, asked, told } = managersUnder([]);
  const now = spyOn(performance, "now");
  let ahead_ms = 0;
  const real = performance.timeOrigin;
  now.mockImplementation(() => Date.now() - real + ahead_ms);
  try {
    expect(managers.ask(joinOf("if-orphan"), () => undefined)).toBe(null);
    await Bun.sleep(2 * DEADLINES.command_end_look_ms);
    expect(told).toEqual([]);
    ahead_ms = 3_600_000;
    await until(() => told.length > 0);
    await Bun.sleep(3 * DEADLINES.command_end_look_ms);
  } finally {
    now.mockRestore();
  }
  expect(told.length).toBe(1);
  expect(told[0]).toContain(`the command with pid ${pid} has lvm's file lock`);
  expect(asked.length).toBe(0);
  managers.forgetLockspace("sanlock", 7);
});
