/** A team whose disks work side by side for one thread; what has no such way goes to another team. */
import { runSideBySide } from "../many-devices.ts";
import { openScripted } from "../open-device.ts";
import type { PrAnswer } from "../reservable.ts";
import type { ScriptedDevice } from "../scripted-device.ts";
import { type JobAnswer, jobScript } from "./job.ts";
import type { DeviceTeam, Task } from "./team.ts";
import { tracedCommands } from "./trace.ts";

type Opened = PrAnswer<{ device: ScriptedDevice }>;

export interface SideBySideOptions {
  /** Takes a line about each command sent to a device; null for none. */
  readonly trace: ((text: string) => void) | null;
  /** Makes the team for devices that a thread has to wait for: NVMe namespaces, and disks without sg device. */
  readonly others: (paths: readonly string[]) => DeviceTeam;
  readonly open?: (path: string) => Opened;
}

/** The devices that work here, by their index among all, and the places of the others in the other team. */
interface Members {
  readonly here: Map<number, Opened>;
  readonly elsewhere: Map<number, number>;
}

/** Opens the devices and makes a team of them. One that can't be opened is tried again at its next task. */
export function sideBySideTeam(paths: readonly string[], options: SideBySideOptions): DeviceTeam {
  const { others, open = openScripted } = options;
  const { here, elsewhere } = divide(paths, open);
  const other_team =
    elsewhere.size === 0 ? null : others([...elsewhere.keys()].map((device) => paths[device] ?? ""));
  const reopen = (device: number): Opened => {
    const known = here.get(device);
    if (known?.kind === "done") return known;
    const opened = open(paths[device] ?? "");
    here.set(device, opened);
    return opened;
  };
  return {
    paths,
    async run(tasks, answered = () => undefined) {
      const away = tasks.filter(({ device }) => elsewhere.has(device));
      const there = other_team === null ? [] : runElsewhere(other_team, elsewhere, away, answered);
      const mine = tasks.filter(({ device }) => !elsewhere.has(device));
      const answers = await runHere(mine, reopen, options.trace, answered);
      for (const [index, answer] of (await there).entries()) {
        const task = away[index];
        if (task !== undefined) answers.set(task, answer);
      }
      return tasks.map((task) => answers.get(task) ?? { kind: "failed", detail: "no answer" });
    },
    async close() {
      for (const opened of here.values()) if (opened.kind === "done") opened.device.close();
      await other_team?.close();
    },
  };
}

function divide(paths: readonly string[], open: (path: string) => Opened): Members {
  const members: Members = { here: new Map(), elsewhere: new Map() };
  for (const [device, path] of paths.entries()) {
    const opened = open(path);
    if (opened.kind !== "done" || worksAside(opened.device)) members.here.set(device, opened);
    else {
      opened.device.close();
      members.elsewhere.set(device, members.elsewhere.size);
    }
  }
  return members;
}

/** True for a device whose commands need not be waited for one by one: a disk, or a map over disks, with sg devices. */
function worksAside(device: ScriptedDevice): boolean {
  return device.fds().length === 0 || device.fds().every((_, path) => device.channel(path) !== null);
}

async function runHere(
  tasks: readonly Task[],
  reopen: (device: number) => Opened,
  trace: SideBySideOptions["trace"],
  answered: (task: Task) => void,
): Promise<Map<Task, JobAnswer>> {
  const answers = new Map<Task, JobAnswer>();
  const ready: { readonly task: Task; readonly device: ScriptedDevice }[] = [];
  for (const task of tasks) {
    const opened = reopen(task.device);
    if (opened.kind === "done") ready.push({ task, device: opened.device });
    else answers.set(task, opened);
  }
  for (const task of answers.keys()) answered(task);
  const scripts = ready.map(({ task, device }) => {
    const { path, transport } = device;
    const commands = trace === null ? device.commands : tracedCommands(path, device.commands, trace);
    return { device, script: jobScript({ transport, commands }, task.job) };
  });
  const results = await runSideBySide(scripts, (index) => {
    const task = ready[index]?.task;
    if (task !== undefined) answered(task);
  });
  for (const [index, { task }] of ready.entries()) {
    const result = results[index];
    if (result !== undefined) answers.set(task, result);
  }
  return answers;
}

/** Gives tasks to the other team, under its own indices, and tells of them under ours. */
function runElsewhere(
  team: DeviceTeam,
  elsewhere: ReadonlyMap<number, number>,
  tasks: readonly Task[],
  answered: (task: Task) => void,
): Promise<readonly JobAnswer[]> {
  const moved = new Map(tasks.map((task) => [{ ...task, device: elsewhere.get(task.device) ?? 0 }, task]));
  return team.run([...moved.keys()], (task) => answered(moved.get(task) ?? task));
}
