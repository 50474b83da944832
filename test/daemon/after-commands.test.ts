import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { afterCommands } from "../../core/daemon/after-commands.ts";
import { commandsWriting } from "../../core/daemon/command-locks.ts";
import type { Log } from "../../core/daemon/log/log.ts";
import type { Ask, ManagerAnswer } from "../../core/locking/api.ts";
import { makeScratch, type Scratch } from "../rig/scratch.ts";
import { lockLv, report, resultOf, startInProcess, startVg, tryInProcess, until } from "./kit/in-process.ts";

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

/** The join of an adoption, or another call, by itself. */
function joinOf(adopt: string): Ask {
  const identity = { vg_name: "vg0", lockspace_name: "lvm_vg0" };
  const target = { kind: "lockspace", lock_type: "sanlock", key: 7, identity, method: "join" };
  return { kind: "ask", call_id: 1, target, args: { adopt } } as unknown as Ask;
}

function managersUnder(connected: readonly number[]) {
  const asked: Ask[] = [];
  const forgotten: number[] = [];
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
  });
  return { managers, asked, forgotten, done };
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
