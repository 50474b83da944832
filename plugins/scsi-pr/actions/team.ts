/** The devices of one run, each behind the thread that has it open. Jobs on different devices go on at the same time. */
import type { PrAnswer, ReservableDevice } from "../reservable.ts";
import { type Job, type JobAnswer, runJob } from "./job.ts";

/** One device, by its index in the list that the team was made for, and its job. */
export interface Task {
  readonly device: number;
  readonly job: Job;
}

export interface DeviceTeam {
  readonly paths: readonly string[];
  /**
   * Does all tasks, at most one for a device, and answers when the last one has been answered; answers stand in the order of
   * the tasks. `answered` is told of each as it comes.
   */
  run(tasks: readonly Task[], answered?: (task: Task) => void): Promise<readonly JobAnswer[]>;
  /** Closes the devices. */
  close(): Promise<void>;
}

/** Opens a device by its path. */
export type OpenDevice = (path: string) => PrAnswer<{ device: ReservableDevice }>;

/** One thread's devices: opened with their first job, used and closed here. */
export interface DeviceShelf {
  run(path: string, job: Job): JobAnswer;
  close(): void;
}

/** A shelf that opens devices with `open`. A device that could not be opened is tried again at its next job. */
export function deviceShelf(open: OpenDevice): DeviceShelf {
  const devices = new Map<string, ReservableDevice>();
  return {
    run(path, job) {
      const known = devices.get(path);
      if (known !== undefined) return runJob(known, job);
      const opened = open(path);
      if (opened.kind !== "done") return opened;
      devices.set(path, opened.device);
      return runJob(opened.device, job);
    },
    close() {
      for (const device of devices.values()) device.close();
      devices.clear();
    },
  };
}

/** A team whose devices all answer in this thread, one after the other: for one device, and for tests. */
export function inlineTeam(paths: readonly string[], open: OpenDevice): DeviceTeam {
  const shelf = deviceShelf(open);
  return {
    paths,
    async run(tasks, answered) {
      return tasks.map((task) => {
        const answer = shelf.run(paths[task.device] ?? "", task.job);
        answered?.(task);
        return answer;
      });
    },
    async close() {
      shelf.close();
    },
  };
}
