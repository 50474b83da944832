/** Wall time per lvm command, the C daemon and ours in the same guests, one after the other. */
import type { Cluster } from "../lab/cluster.ts";
import type { Daemon } from "../lab/identity.ts";
import { type Steps, scenario } from "../scenario.ts";
import { startDaemonsOnAll } from "../services/sanlock-hosts.ts";

/** One line of the table: where it runs and what is typed. */
export interface TimedCommand {
  readonly host: 1 | 2;
  readonly command: string;
  /** It is refused: that is what is timed. */
  readonly refused?: true;
  /** Done before each run and not timed. */
  readonly before?: string;
}

export interface TimedManager {
  readonly name: string;
  readonly start: (lab: Cluster) => Promise<void>;
  readonly vgcreate: string;
}

const REPEATS = 5;

/** What people type most, on a VG that both hosts have started. */
export const TIMED: readonly TimedCommand[] = [
  { host: 1, command: "vgs vg0" },
  { host: 1, command: "vgs" },
  {
    host: 1,
    command: "lvcreate -an -n new -L 4M vg0",
    before: "lvs vg0/new >/dev/null 2>&1 && lvremove -y vg0/new",
  },
  {
    host: 1,
    command: "lvremove -y vg0/new",
    before: "lvs vg0/new >/dev/null 2>&1 || lvcreate -an -n new -L 4M vg0",
  },
  { host: 1, command: "lvchange -aey vg0/lv", before: "lvchange -an vg0/lv" },
  { host: 1, command: "lvchange -an vg0/lv", before: "lvchange -aey vg0/lv" },
  { host: 1, command: "lvchange -asy vg0/lv", before: "lvchange -an vg0/lv" },
  { host: 1, command: "lvextend -L +4M vg0/lv", before: "lvchange -aey vg0/lv" },
  { host: 2, command: "lvchange -aey vg0/busy", refused: true },
  {
    host: 2,
    command: "lvcreate -an -n other -L 4M vg0",
    before: "lvs vg0/other >/dev/null 2>&1 && lvremove -y vg0/other",
  },
];

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

async function timeOne(lab: Cluster, timed: TimedCommand): Promise<number> {
  const host = lab.host(timed.host);
  const times: number[] = [];
  for (let run = 0; run < REPEATS; run++) {
    if (timed.before !== undefined) await host.run(timed.before);
    const { rc, elapsed_ms, stderr } = await host.run(timed.command);
    if ((rc !== 0) !== (timed.refused === true)) throw new Error(`${timed.command}: ${rc} ${stderr}`);
    times.push(elapsed_ms);
  }
  return median(times);
}

/** Starts a cluster, makes a VG of it, and times every command; the slow ones that can be done once, once. */
async function timeDaemon(
  { cluster, step }: Steps,
  manager: TimedManager,
  daemon: Daemon,
): Promise<Map<string, number>> {
  const times = new Map<string, number>();
  const lab = await cluster({ hosts: 2, disks: [{ size_mb: 1024 }], daemon });
  await step(`${manager.name}, ${daemon}: a VG is created and started`, async () => {
    await manager.start(lab);
    times.set(manager.vgcreate, (await lab.host(1).must(manager.vgcreate)).elapsed_ms);
    times.set("vgchange --lockstart vg0", (await lab.host(2).must("vgchange --lockstart vg0")).elapsed_ms);
    await lab.host(1).must("lvcreate -an -n lv -L 4M vg0 && lvcreate -aey -n busy -L 4M vg0");
  });
  await step(`${manager.name}, ${daemon}: commands`, async () => {
    for (const timed of TIMED) times.set(timed.command, await timeOne(lab, timed));
  });
  await step(`${manager.name}, ${daemon}: the other host stops`, async () => {
    times.set(
      "vgchange --lockstop vg0",
      (await lab.host(2).must("lvchange -an vg0; vgchange --lockstop vg0")).elapsed_ms,
    );
  });
  await lab.close();
  return times;
}

/** Prints a table for docs/performance.md. */
export async function compareDaemons(steps: Steps, manager: TimedManager): Promise<void> {
  const c = await timeDaemon(steps, manager, "c");
  const ours = await timeDaemon(steps, manager, "ours");
  const rows = [...c].map(([command, c_ms]) => {
    const ours_ms = ours.get(command) ?? Number.NaN;
    return `| \`${command}\` | ${c_ms.toFixed(0)} | ${ours_ms.toFixed(0)} | ${(ours_ms / c_ms).toFixed(2)} |`;
  });
  const head = [`| ${manager.name} | C, ms | ours, ms | ours / C |`, "|---|---|---|---|"];
  console.log(["", ...head, ...rows, ""].join("\n"));
}

export default scenario(
  "sanlock-timing",
  { about: "Wall time per lvm command on sanlock, the C daemon and ours.", guests: 2, only_by_name: true },
  (steps) =>
    compareDaemons(steps, {
      name: "sanlock, io_timeout 2",
      start: (lab) => startDaemonsOnAll(lab),
      vgcreate: "vgcreate --shared vg0 /dev/sda",
    }),
);
