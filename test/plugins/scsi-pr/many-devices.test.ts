import { describe, expect, test } from "bun:test";
import { sideBySideTeam } from "../../../plugins/scsi-pr/actions/side-by-side-team.ts";
import { inlineTeam, type Task } from "../../../plugins/scsi-pr/actions/team.ts";
import type { Exchange, Script } from "../../../plugins/scsi-pr/exchange.ts";
import { runSideBySide } from "../../../plugins/scsi-pr/many-devices.ts";
import { runScript, syncDevice } from "../../../plugins/scsi-pr/perform.ts";
import type { ScriptedDevice } from "../../../plugins/scsi-pr/scripted-device.ts";
import { scsiCommands } from "../../../plugins/scsi-pr/scsi-scripts.ts";
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
    asyncFd: () => null,
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
const register = { kind: "command", command: { op: "registerAndIgnore", to: 7n, aptpl: false } } as const;

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
