/**
 * lvmpersist as a program whose devices are models: what it says to a terminal, to a pipe and to syslog can be seen without a SCSI
 * disk. Words are those of lvmpersist; what else there is to say comes in the environment, as JSON.
 */
import { writeFileSync } from "node:fs";
import type { NamedDevice } from "../../cli/lvmpersist/devices.ts";
import { main } from "../../cli/lvmpersist/main.ts";
import { type DeviceTeam, inlineTeam } from "../../plugins/scsi-pr/actions/team.ts";
import { tracedDevice } from "../../plugins/scsi-pr/actions/trace.ts";
import { fakeDisk } from "../plugins/scsi-pr/fake-device.ts";

/** The variable with the settings. */
export const MODEL_VARIABLE = "LVMPERSIST_TEST_MODEL";

export interface ModelSettings {
  /** Keys by the hosts that have registered them on every disk, before the run; we are "us". */
  readonly registered: Readonly<Record<string, string>>;
  /** Every command of a run takes so long. */
  readonly pause_ms: number;
  /** A device of this name is away. */
  readonly gone: string;
  readonly syslog_path: string;
  /** Where the disks' states are written at the end, one line each. */
  readonly states_path: string;
}

async function run(words: readonly string[], settings: ModelSettings): Promise<number> {
  const disks = new Map<string, ReturnType<typeof fakeDisk>>();
  const open = (path: string): ReturnType<typeof fakeDisk> => {
    const disk = disks.get(path) ?? fakeDisk();
    if (disks.has(path)) return disk;
    disks.set(path, disk);
    for (const [host, key] of Object.entries(settings.registered))
      disk.device(path, [host]).register({ from: 0n, to: BigInt(key), aptpl: false });
    return disk;
  };
  const teamFor = async ({
    devices,
    trace,
  }: {
    readonly devices: readonly NamedDevice[];
    readonly trace: ((text: string) => void) | null;
  }): Promise<DeviceTeam> => {
    const team = inlineTeam(
      devices.map(({ path }) => path),
      (path) => {
        if (path === settings.gone) return { kind: "gone", detail: `${path} does not exist` };
        const device = open(path).device(path, ["us"]);
        return { kind: "done", device: trace === null ? device : tracedDevice(device, trace) };
      },
    );
    return {
      ...team,
      async run(tasks, answered) {
        const answers = [];
        for (const task of tasks) {
          await Bun.sleep(settings.pause_ms);
          answers.push(...(await team.run([task], answered)));
        }
        return answers;
      },
    };
  };
  const exit_status = await main(words, { teamFor, syslog_path: settings.syslog_path });
  writeFileSync(settings.states_path, [...disks.values()].map((disk) => `${disk.print()}\n`).join(""));
  return exit_status;
}

if (import.meta.main) {
  const settings = JSON.parse(process.env[MODEL_VARIABLE] ?? "") as ModelSettings;
  process.exit(await run(process.argv.slice(2), settings));
}
