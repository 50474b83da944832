/** The state of each path of a map, as lvmpersist tells it. */
import { describe, expect, test } from "bun:test";
import type { PersistCommand } from "../../../cli/lvmpersist/command.ts";
import { pathLines, pathRows, pathTable, pathWarnings } from "../../../cli/lvmpersist/paths.ts";
import { runCommand } from "../../../cli/lvmpersist/run-command.ts";
import { inlineTeam } from "../../../plugins/scsi-pr/actions/team.ts";
import { multipathCommands } from "../../../plugins/scsi-pr/multipath-scripts.ts";
import { syncDevice } from "../../../plugins/scsi-pr/perform.ts";
import { scsiCommands } from "../../../plugins/scsi-pr/scsi-scripts.ts";
import { modelMultipathd, modelPaths, modelTarget } from "./model-target.ts";

const KEY = 0x1001n;
const MAP = "/dev/mapper/m";

/** A map over three paths, and what lvmpersist makes of a command on it. */
function mapOverThreePaths() {
  const target = modelTarget();
  const lost = new Set<number>();
  /** The path of each command, in their order. */
  const asked: number[] = [];
  const performed = modelPaths(target, [0, 1, 2], { lost, multipathd: modelMultipathd() });
  const paths = ["sda", "sdb", "sdc"].map((name, path) => ({
    device: `/dev/${name}`,
    commands: scsiCommands({ path, device: `${MAP} through ${name}` }),
  }));
  const device = syncDevice({
    path: MAP,
    transport: "multipath",
    commands: multipathCommands({ device: MAP, kernel_name: "dm-3", paths, needs_multipathd: true }),
    performed: (exchange) => {
      if (exchange.kind === "scsi") asked.push(exchange.path);
      return performed(exchange);
    },
    close: () => undefined,
  });
  const run = async (command: Parameters<typeof runCommand>[0], asks_paths = true) => {
    const report = await runCommand(command, {
      devices: [{ path: MAP, problem: null }],
      trace: null,
      dry_run: false,
      asks_paths,
      teamFor: async () => inlineTeam([MAP], () => ({ kind: "done", device })),
      watch: { progress: () => undefined, interrupted: () => null },
      agree: async () => true,
    });
    if (report === null) throw new Error("it was agreed to");
    return report;
  };
  const start: PersistCommand = { kind: "start", our_key: KEY, aptpl: false, typeOf: () => "WEAR" };
  return { target, lost, asked, run, start };
}

describe("a read of a map", () => {
  test("tells of each path whether it is registered and with which key, unregistered, or lost", async () => {
    const { target, lost, run, start } = mapOverThreePaths();
    // Another host, whose key comes first in the list.
    target.registrations.set(9, 0x2002n);
    await run(start);
    target.registrations.delete(1);
    lost.add(2);
    const report = await run({ kind: "read" });
    expect(pathLines(report)).toEqual([
      `Device ${MAP}: path /dev/sda: registered 0x1001`,
      `Device ${MAP}: path /dev/sdb: unregistered`,
      expect.stringMatching(/^Device \/dev\/mapper\/m: path \/dev\/sdc: lost \(.*through sdc.*\)$/),
    ]);
    expect(pathRows(report).slice(0, 2)).toEqual([
      { device: MAP, path: "/dev/sda", state: "registered", key: "0x1001", detail: "" },
      { device: MAP, path: "/dev/sdb", state: "unregistered", key: null, detail: "" },
    ]);
    expect(pathTable(report)[1]).toMatch(/^DEVICE +PATH +STATE +KEY +WHY$/);
    expect([...target.registrations.values()]).toEqual([0x2002n, KEY, KEY]);
  });

  test("asks a lost path only once, however many keys there are", async () => {
    const { target, lost, asked, run, start } = mapOverThreePaths();
    for (const nexus of [9, 10, 11]) target.registrations.set(nexus, 0x2000n + BigInt(nexus));
    await run(start);
    target.registrations.delete(1);
    lost.add(2);
    asked.length = 0;
    const report = await run({ kind: "read" });
    expect(report.devices[0]?.paths?.map(({ state }) => state)).toEqual([
      "registered",
      "unregistered",
      "lost",
    ]);
    expect(asked.filter((path) => path === 2)).toHaveLength(1);
  });

  test("asks no path for its registration when nobody wants to know, as lvmlockd does not", async () => {
    const { target, lost, asked, run, start } = mapOverThreePaths();
    await run(start, false);
    lost.add(2);
    asked.length = 0;
    const { generation } = target;
    const report = await run({ kind: "read" }, false);
    expect(report.devices[0]).toMatchObject({ problem: null, state: { keys: [KEY, KEY, KEY] } });
    expect(report.devices[0]?.paths).toBeUndefined();
    expect([asked.includes(2), target.generation]).toEqual([false, generation]);
  });

  test("tells lost paths also where nothing is registered", async () => {
    const { lost, run, target } = mapOverThreePaths();
    lost.add(1);
    const report = await run({ kind: "read" });
    expect(report.devices[0]?.paths?.map(({ state }) => state)).toEqual([
      "unregistered",
      "lost",
      "unregistered",
    ]);
    expect([target.registrations.size, target.generation]).toEqual([0, 0]);
  });
});

describe("a start of a map", () => {
  test("warns of the paths that are lost", async () => {
    const { lost, run, start } = mapOverThreePaths();
    lost.add(1);
    const report = await run(start);
    expect(report.result).toBe("done");
    expect(pathWarnings(report)).toEqual([
      expect.stringMatching(
        /the path \/dev\/sdb of \/dev\/mapper\/m is lost .*multipathd registers it when it returns/,
      ),
    ]);
  });

  test("warns of nothing when all paths are registered", async () => {
    const { run, start } = mapOverThreePaths();
    const report = await run(start);
    expect(pathRows(report)).toHaveLength(3);
    expect(pathWarnings(report)).toEqual([]);
  });
});
