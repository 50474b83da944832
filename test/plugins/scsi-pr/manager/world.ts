/** Hosts that share fake disks: the lock manager with everything real but the devices, lvm and the clock of its timer. */
import {
  type LockManager,
  type LockspaceIdentity,
  type ManagerNews,
  refuse,
} from "../../../../plugins/contract.ts";
import type { PvList } from "../../../../plugins/scsi-pr/manager/pv-source.ts";
import { createScsiPrDefinition } from "../../../../plugins/scsi-pr/plugin.ts";
import type { PrRefusal, ReservableDevice } from "../../../../plugins/scsi-pr/reservable.ts";
import { DEVICE_COMMANDS } from "../../../../plugins/scsi-pr/scripted-device.ts";
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
  /** Takes disks away: their names are gone, and what is open answers nothing for good. */
  unplug(...disks: FakeDisk[]): void;
  /** Gives a disk a name, under which it can be opened and lvm finds it. */
  plug(path: string, disk: FakeDisk): void;
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
  const ids = new Map<FakeDisk, string>();
  const outages = new Map<FakeDisk, number>();
  let answer: PvList | null = null;

  const makeDisk = (transport: ReservableDevice["transport"] = "scsi"): FakeDisk => {
    const path = `/dev/fake${ids.size}`;
    const disk = createFakeDisk({ path, transport });
    by_path.set(path, disk);
    paths.set(disk, path);
    ids.set(disk, path);
    return disk;
  };
  const disks = (vg_name: string): FakeDisk[] => {
    const found = by_vg.get(vg_name);
    if (found !== undefined) return found;
    const made = Array.from({ length: disks_per_vg }, () => makeDisk());
    by_vg.set(vg_name, made);
    return made;
  };
  const pvsOf = async ({ vg_name }: LockspaceIdentity): Promise<PvList> => {
    const found = disks(vg_name).map((disk) => ({ id: ids.get(disk) ?? "", path: paths.get(disk) ?? "" }));
    if (found.some(({ path }) => path === "")) return answer ?? refuse("EDEVOPEN", "a PV is missing");
    return answer ?? { kind: "pvs", pvs: found };
  };

  return {
    disks,
    makeDisk,
    unplug(...gone) {
      for (const disk of gone) {
        by_path.delete(paths.get(disk) ?? "");
        paths.delete(disk);
        outages.set(disk, (outages.get(disk) ?? 0) + 1);
      }
    },
    plug(path, disk) {
      by_path.set(path, disk);
      paths.set(disk, path);
    },
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
          const outagesOf = (): number => outages.get(disk) ?? 0;
          return {
            kind: "done",
            device: mortal(disk.open(nexus), outagesOf),
            identity: `naa.${ids.get(disk)}`,
          };
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

/** A device whose commands answer ENODEV once its disk has been away, as those of a removed scsi_device do. */
function mortal(device: ReservableDevice, outagesOf: () => number): ReservableDevice {
  const born = outagesOf();
  const gone: PrRefusal = { kind: "gone", detail: `${device.path}: ENODEV` };
  const commands = DEVICE_COMMANDS.map((name) => {
    const command = device[name] as (...call: readonly unknown[]) => unknown;
    return [name, (...call: readonly unknown[]) => (outagesOf() === born ? command(...call) : gone)];
  });
  return { ...device, ...(Object.fromEntries(commands) as Partial<ReservableDevice>) };
}
