import { planClear } from "../../../plugins/scsi-pr/actions/clear.ts";
import type { JobAnswer } from "../../../plugins/scsi-pr/actions/job.ts";
import type { RunWatch } from "../../../plugins/scsi-pr/actions/phase.ts";
import type { Inspections, Plan } from "../../../plugins/scsi-pr/actions/plan.ts";
import { planRemove } from "../../../plugins/scsi-pr/actions/remove.ts";
import type { RunReport } from "../../../plugins/scsi-pr/actions/report.ts";
import { carryOut, inspectAll } from "../../../plugins/scsi-pr/actions/run.ts";
import { planStart, typeForAccess } from "../../../plugins/scsi-pr/actions/start.ts";
import { planStop } from "../../../plugins/scsi-pr/actions/stop.ts";
import { planTakeOver } from "../../../plugins/scsi-pr/actions/take-over.ts";
import { type DeviceTeam, inlineTeam, type Task } from "../../../plugins/scsi-pr/actions/team.ts";
import type { PrRefusal, ReservationType } from "../../../plugins/scsi-pr/reservable.ts";
import { type FakeDisk, fakeDisk } from "./fake-device.ts";

export const A = { name: "a" };
export const B = { name: "b" };
export const C = { name: "c" };
/** Keys of lvm's making: host_id 1 to 3, generation 1, and host 2's next generation. */
export const KEY_A = 0x1000000000010001n;
export const KEY_B = 0x1000000000010002n;
export const KEY_B2 = 0x1000000000020002n;
export const KEY_C = 0x1000000000010003n;
export const GONE: PrRefusal = { kind: "gone", detail: "the device does not answer" };
export const CONFLICT: PrRefusal = { kind: "conflict", detail: "reservation conflict" };

/** So many disks that nobody has done anything to. */
export const disksOf = (count: number): FakeDisk[] => Array.from({ length: count }, () => fakeDisk());
/** Who is registered and what is reserved, a line for each disk. */
export const prints = (disks: readonly FakeDisk[]): string[] => disks.map((disk) => disk.print());
/** What the report says of each device. */
export const results = (report: { devices: readonly { result: string }[] }): string[] =>
  report.devices.map(({ result }) => result);

/** A host that runs actions on disks through one nexus each, or several where `paths` says so. */
export interface TestHost {
  readonly name: string;
  readonly paths?: number;
  readonly watch?: Partial<RunWatch>;
  /** What its threads make of the answers. */
  readonly disturb?: (task: Task, answer: JobAnswer) => JobAnswer;
}

export type Planner = (inspections: Inspections) => Plan;

const QUIET: RunWatch = { progress: () => {}, interrupted: () => null };

/** Inspects, plans and carries out, as the program does. */
export async function act(
  disks: readonly FakeDisk[],
  host: TestHost,
  planner: Planner,
): Promise<RunReport & { readonly plan: Plan }> {
  const names = disks.map((_, index) => `/dev/disk${index}`);
  const nexus = Array.from({ length: host.paths ?? 1 }, (_, path) =>
    path === 0 ? host.name : `${host.name}.${path}`,
  );
  const calm = inlineTeam(names, (path) => {
    const disk = disks[names.indexOf(path)];
    return disk === undefined
      ? { kind: "gone", detail: `${path} is missing` }
      : { kind: "done", device: disk.device(path, nexus) };
  });
  const { disturb = (_, answer) => answer } = host;
  const team: DeviceTeam = {
    ...calm,
    async run(tasks, answered) {
      const answers = await calm.run(tasks, answered);
      return answers.map((answer, index) => disturb(tasks[index] as Task, answer));
    },
  };
  const watch = { ...QUIET, ...host.watch };
  const inspections = await inspectAll(team, { capabilities: true, full_status: false }, watch);
  const plan = planner(inspections);
  return { ...(await carryOut(team, { plan, inspections, watch })), plan };
}

export const start = (
  our_key: bigint,
  access: "ex" | "sh" | ReservationType = "ex",
  aptpl = false,
): Planner =>
  planStart.bind(null, {
    our_key,
    aptpl,
    typeOf: access === "ex" || access === "sh" ? typeForAccess(access) : () => access,
  });
export const takeOver = (our_key: bigint, remove_key: bigint, access: "ex" | "sh" = "ex"): Planner =>
  planTakeOver.bind(null, { our_key, remove_key, aptpl: false, typeOf: typeForAccess(access) });
export const stop = (our_key: bigint): Planner => planStop.bind(null, { our_key });
export const remove = (our_key: bigint, remove_key: bigint): Planner =>
  planRemove.bind(null, { our_key, remove_key });
export const clear = (our_key: bigint): Planner => planClear.bind(null, { our_key });

/** Refuses the n-th (from 0) arrival of a command at a disk, for good from then on when `stays`. */
export function refuseAt(
  disk: FakeDisk,
  command: string,
  refusal: PrRefusal,
  { nth = 0, stays = false, loses_answer = false } = {},
): void {
  let seen = 0;
  disk.fault = (arrival) => {
    if (command !== "any" && arrival.command !== command) return null;
    const at = seen++;
    if (at !== nth && !(stays && at > nth)) return null;
    return { kind: loses_answer ? "lose-answer" : "refuse", refusal };
  };
}
