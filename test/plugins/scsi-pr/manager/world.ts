/** Hosts that share fake disks: the lock manager with everything real but the devices, lvm and the clock of its timer. */
import type { LockManager, LockspaceIdentity, ManagerNews } from "../../../../plugins/contract.ts";
import type { PvList } from "../../../../plugins/scsi-pr/manager/pv-source.ts";
import { createScsiPrDefinition } from "../../../../plugins/scsi-pr/plugin.ts";
import type { ReservableDevice } from "../../../../plugins/scsi-pr/reservable.ts";
import { createFakeDisk, type FakeDisk } from "../fake-disk.ts";

export interface FakeHost {
  readonly name: string;
  readonly manager: LockManager;
  readonly news: ManagerNews[];
  readonly killed: string[];
  /** Runs what the host's timers would run next. */
  tick(): void;
}

export interface FakeWorld {
  /** The disks of a VG; made when they are first asked for. */
  disks(vg_name: string): FakeDisk[];
  /** Makes a disk that belongs to no VG yet. */
  makeDisk(transport?: ReservableDevice["transport"]): FakeDisk;
  /** What lvm answers next instead of the VG's disks. */
  lvmSays(answer: PvList | null): void;
  /** A daemon of a host. The same nexus and key may be given to several, and a later one of the same host is a restart. */
  host(options: {
    nexus: string;
    settings?: Record<string, string | number | readonly string[]>;
  }): Promise<FakeHost>;
}

export function createWorld({ disks_per_vg = 2 } = {}): FakeWorld {
  const by_path = new Map<string, FakeDisk>();
  const by_vg = new Map<string, FakeDisk[]>();
  const paths = new Map<FakeDisk, string>();
  let answer: PvList | null = null;

  const makeDisk = (transport: ReservableDevice["transport"] = "scsi"): FakeDisk => {
    const path = `/dev/fake${by_path.size}`;
    const disk = createFakeDisk({ path, transport });
    by_path.set(path, disk);
    paths.set(disk, path);
    return disk;
  };
  const disks = (vg_name: string): FakeDisk[] => {
    const found = by_vg.get(vg_name);
    if (found !== undefined) return found;
    const made = Array.from({ length: disks_per_vg }, () => makeDisk());
    by_vg.set(vg_name, made);
    return made;
  };
  const pvsOf = async ({ vg_name }: LockspaceIdentity): Promise<PvList> =>
    answer ?? {
      kind: "pvs",
      pvs: disks(vg_name).map((disk) => ({ id: paths.get(disk) ?? "", path: paths.get(disk) ?? "" })),
    };

  return {
    disks,
    makeDisk,
    lvmSays(wanted) {
      answer = wanted;
    },
    async host({ nexus, settings = {} }) {
      const news: ManagerNews[] = [];
      const killed: string[] = [];
      const timers = new Set<() => void>();
      const definition = createScsiPrDefinition({
        open(path) {
          const disk = by_path.get(path);
          if (disk === undefined) return { kind: "gone", detail: `${path} does not exist` };
          return { kind: "done", device: disk.open(nexus) };
        },
        pvSource: () => pvsOf,
        kill: () => (vg_name) => killed.push(vg_name),
        after(_ms, run) {
          timers.add(run);
          return { cancel: () => timers.delete(run) };
        },
      });
      const opened = await definition.open({
        lock_type: "dlm",
        test_mode: false,
        io_timeout_s: 0,
        lvmlockctl_path: "",
        settings,
        news: (one) => news.push(one),
      });
      if (opened.kind === "refused") throw new Error(opened.detail);
      const tick = (): void => {
        const due = [...timers];
        timers.clear();
        for (const run of due) run();
      };
      return { name: nexus, manager: opened.manager, news, killed, tick };
    },
  };
}
