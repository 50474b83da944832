import { toArrayBuffer } from "bun:ffi";
import { describe, expect, test } from "bun:test";
import { closeSync, constants, openSync } from "node:fs";
import { sideBySideTeam } from "../../../plugins/scsi-pr/actions/side-by-side-team.ts";
import { inlineTeam, type Task } from "../../../plugins/scsi-pr/actions/team.ts";
import type { Exchange, Script } from "../../../plugins/scsi-pr/exchange.ts";
import { SG_IO_HDR } from "../../../plugins/scsi-pr/layouts.ts";
import { runSideBySide } from "../../../plugins/scsi-pr/many-devices.ts";
import { scsiRequest } from "../../../plugins/scsi-pr/passthrough.ts";
import { runScript, syncDevice } from "../../../plugins/scsi-pr/perform.ts";
import type { ScriptedDevice } from "../../../plugins/scsi-pr/scripted-device.ts";
import { scsiCommands } from "../../../plugins/scsi-pr/scsi-scripts.ts";
import { sgChannel } from "../../../plugins/scsi-pr/sg-device.ts";
import { makeScratch } from "../../rig/scratch.ts";
import { type ModelTarget, modelPaths, modelTarget } from "./model-target.ts";

/** A device over a model, whose every command takes so many turns of the side-by-side loop. */
function slowDevice(path: string, target: ModelTarget, turns: number): ScriptedDevice {
  const performed = modelPaths(target, [1]);
  const plain = scsiCommands({ path: 0, device: path });
  // The model answers at once; the pauses stand for the disk's time, as the kernel would have it.
  const slow = function* <Result>(script: Script<Result>): Script<Result> {
    let step = script.next();
    while (!step.done) {
      for (let turn = 0; turn < turns; turn += 1) yield { kind: "pause", pause_ms: 1 };
      step = script.next(performed(step.value as Exchange));
    }
    return step.value;
  };
  const commands = { ...plain };
  for (const name of ["readKeys", "readReservation", "registerAndIgnore"] as const) {
    const command = plain[name] as (...call: never[]) => Script<never>;
    Object.assign(commands, { [name]: (...call: never[]) => slow(command(...call)) });
  }
  return {
    path,
    transport: "scsi",
    commands,
    fds: () => [],
    channel: () => null,
    close: () => undefined,
  };
}

describe("scripts of many devices", () => {
  test("go on side by side: a quick one ends before a slow one that began first", async () => {
    const order: number[] = [];
    const devices = [slowDevice("/dev/slow", modelTarget(), 30), slowDevice("/dev/quick", modelTarget(), 1)];
    const tasks = devices.map((device) => ({ device, script: device.commands.readKeys() }));
    const results = await runSideBySide(tasks, (index) => order.push(index));
    expect(order).toEqual([1, 0]);
    expect(results).toEqual([
      { kind: "done", generation: 0, keys: [] },
      { kind: "done", generation: 0, keys: [] },
    ]);
  });

  test("let the event loop have its turns meanwhile", async () => {
    const device = slowDevice("/dev/slow", modelTarget(), 20);
    let turns = 0;
    const timer = setInterval(() => {
      turns += 1;
    }, 1);
    await runSideBySide([{ device, script: device.commands.readKeys() }]);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(0);
  });

  test("may be none", async () => {
    expect(await runSideBySide([])).toEqual([]);
  });
});

const inspect = { kind: "inspect", capabilities: false, full_status: false } as const;
const register = {
  kind: "command",
  command: { op: "registerAndIgnore", to: 7n, aptpl: false },
  read_back: "all",
} as const;

describe("a team of disks side by side", () => {
  test("gives answers in the order of the tasks, and one refusal does not stop the others", async () => {
    const targets = [modelTarget(), modelTarget()];
    const team = sideBySideTeam(["/dev/a", "/dev/none", "/dev/b"], {
      trace: null,
      others: () => {
        throw new Error("there are no others");
      },
      open: (path) =>
        path === "/dev/none"
          ? { kind: "gone", detail: "/dev/none does not exist" }
          : {
              kind: "done",
              device: slowDevice(path, targets[path === "/dev/a" ? 0 : 1] ?? modelTarget(), 1),
            },
    });
    const told: number[] = [];
    const tasks: Task[] = [2, 1, 0].map((device) => ({ device, job: register }));
    const answers = await team.run(tasks, ({ device }) => told.push(device));
    expect(answers.map(({ kind }) => kind)).toEqual(["commanded", "gone", "commanded"]);
    expect(told.toSorted()).toEqual([0, 1, 2]);
    expect(targets.map(({ registrations }) => [...registrations.values()])).toEqual([[7n], [7n]]);
    await team.close();
  });

  test("hands on what a thread has to wait for, and tells of it under its own index", async () => {
    const target = modelTarget();
    const commands = scsiCommands({ path: 0, device: "/dev/nvme0n1" });
    const performed = modelPaths(target, [1]);
    const close = (): void => undefined;
    const handed: string[] = [];
    const team = sideBySideTeam(["/dev/a", "/dev/nvme0n1"], {
      trace: null,
      others: (paths) => {
        handed.push(...paths);
        return inlineTeam(paths, (path) => ({
          kind: "done",
          device: syncDevice({ path, transport: "nvme", commands, performed, close }),
        }));
      },
      open: (path) => ({
        kind: "done",
        device: { ...slowDevice(path, target, 1), ...(path === "/dev/a" ? {} : { fds: () => [3] }) },
      }),
    });
    expect(handed).toEqual(["/dev/nvme0n1"]);
    const told: number[] = [];
    const answers = await team.run(
      [1, 0].map((device) => ({ device, job: inspect })),
      ({ device }) => told.push(device),
    );
    expect(answers).toMatchObject([
      { kind: "inspected", transport: "nvme" },
      { kind: "inspected", transport: "scsi" },
    ]);
    expect(told.toSorted()).toEqual([0, 1]);
  });
});

test("a script is run to its end by a performer that answers at once", () => {
  const target = modelTarget();
  const { readKeys } = scsiCommands({ path: 0, device: "/dev/x" });
  expect(runScript(readKeys(), modelPaths(target, [1]))).toMatchObject({ kind: "done", keys: [] });
});

/** A channel over a FIFO, which gives each header back as it came: a disk that answers at once, with zeros. */
function fifoDevice(path: string): ScriptedDevice {
  expect(Bun.spawnSync(["mkfifo", path]).success).toBe(true);
  const channel = sgChannel(openSync(path, constants.O_RDWR | constants.O_NONBLOCK));
  const commands = scsiCommands({ path: 0, device: path });
  return {
    path,
    transport: "scsi",
    commands,
    fds: () => [channel.fd],
    channel: () => channel,
    close: channel.close,
  };
}

describe("channels that poll tells of", () => {
  test("are each given their commands one after the other, and a descriptor that went wrong fails by itself", async () => {
    const scratch = makeScratch("channels");
    const devices = [0, 1, 2].map((number) => fifoDevice(scratch.file(`fifo${number}`)));
    const closed = devices[1]?.channel(0)?.fd ?? -1;
    closeSync(closed);
    const twice = function* ({ commands }: ScriptedDevice) {
      const keys = yield* commands.readKeys();
      return [keys.kind, (yield* commands.reserve({ key: 1n, type: "WE" })).kind];
    };
    const results = await runSideBySide(devices.map((device) => ({ device, script: twice(device) })));
    expect(results).toEqual([
      ["done", "done"],
      ["failed", "failed"],
      ["done", "done"],
    ]);
    for (const device of [devices[0], devices[2]]) device?.close();
    scratch.remove();
  });
});

describe("the memory of a command", () => {
  const exchange = { kind: "scsi", path: 0, data_out: null, timeout_ms: 1000 } as const;
  const cdb = new Uint8Array(10);
  /** What a device would write: data, where the header says that it goes to. */
  const answer = (header: Uint8Array, bytes: readonly number[]): void => {
    const at = new DataView(header.buffer, header.byteOffset).getBigUint64(SG_IO_HDR.fields.dxferp[1], true);
    new Uint8Array(toArrayBuffer(Number(at) as never, 0, bytes.length)).set(bytes);
  };

  test("shows nothing of an earlier command: neither its answer nor its status and sense", () => {
    const request = scsiRequest();
    request.lay({ ...exchange, cdb, answer_size_bytes: 8 });
    answer(request.header(), [1, 2, 3, 4]);
    request.header()[SG_IO_HDR.fields.status[1]] = 2;
    request.header()[SG_IO_HDR.fields.sb_len_wr[1]] = 18;
    expect(request.outcome()).toMatchObject({ status: 2, answer: new Uint8Array([1, 2, 3, 4, 0, 0, 0, 0]) });
    expect(request.outcome().sense).toHaveLength(18);
    request.lay({ ...exchange, cdb, answer_size_bytes: 8 });
    const { status, sense, answer: second } = request.outcome();
    expect([status, sense.length, [...second]]).toEqual([0, 0, [0, 0, 0, 0, 0, 0, 0, 0]]);
  });

  test("grows for an answer that is longer than the usual ones", () => {
    const request = scsiRequest();
    const before = request.header();
    request.lay({ ...exchange, cdb, answer_size_bytes: 0xffff });
    expect(request.header()).not.toBe(before);
    answer(request.header(), [7]);
    expect(request.outcome().answer).toHaveLength(0xffff);
    expect(request.outcome().answer[0]).toBe(7);
  });
});
