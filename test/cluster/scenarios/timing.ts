/**
 * Wall time of lvm commands with our lvmlockd and with the C one. Both run on the same hosts at the same time, each with a socket and a
 * VG of its own, and their commands take turns: what else the machine does slows both down, and the ratios of pairs stay true.
 */
import type { Cluster } from "../lab/cluster.ts";
import type { Host } from "../lab/host.ts";
import { type Steps, scenario } from "../scenario.ts";
import { startDlm } from "../services/dlm.ts";
import { startLvmlockd } from "../services/lvmlockd.ts";
import { IO_TIMEOUT_S, startSanlock } from "../services/sanlock.ts";

interface Timed {
  readonly name: string;
  readonly command: string;
  /** Done before each run, not timed. */
  readonly before?: string;
  readonly refused?: true;
}

interface Manager {
  readonly name: "sanlock" | "dlm";
  readonly start: (hosts: readonly Host[]) => Promise<unknown>;
  readonly daemon_arguments: string;
  readonly disk_mb: number;
  /** Of the commands that take seconds, because they wait for the lock manager's clocks or write leases. */
  readonly slow_rounds: number;
  /** Commands that only this manager has. */
  readonly own: readonly Timed[];
}

/**
 * The spare disk is for commands that make and take away. The second VG stays started, so that no stop takes the global lock with it: of
 * the dlm's lockspace for it a host has one, and the other daemon still uses it.
 */
const SIDES = {
  C: { vg: "vgc", socket: "/run/lvm/c.socket", disk: 0, spare: 1, second: 2 },
  ours: { vg: "vgo", socket: "/run/lvm/lvmlockd.socket", disk: 3, spare: 4, second: 5 },
};
type Side = keyof typeof SIDES;
const SIDE_NAMES = ["C", "ours"] as const;
const rounds = 25;
const contended_s = 15;
const contended_rounds = 2;

/** What people type most, in an order in which each leaves what the next one needs. The other host has $vg/busy active. */
const COMMANDS: readonly Timed[] = [
  { name: "vgs VG", command: "vgs $vg" },
  { name: "lvcreate -an", command: "lvcreate -q -an -n t -L 4M $vg" },
  { name: "lvchange -aey", command: "lvchange -aey $vg/t" },
  { name: "lvextend of an active LV", command: "lvextend -q -L +4M $vg/t" },
  { name: "lvchange -an", command: "lvchange -an $vg/t" },
  { name: "lvchange -asy", command: "lvchange -asy $vg/t" },
  { name: "lvremove", command: "lvremove -q -y $vg/t", before: "lvchange -an $vg/t" },
  { name: "lvchange -aey, refused", command: "lvchange -aey $vg/busy", refused: true },
];
const SLOW: readonly Timed[] = [
  { name: "pvcreate", command: "pvcreate -q -y $spare" },
  { name: "vgextend", command: "vgextend -q $vg $spare" },
  { name: "vgreduce", command: "vgreduce -q $vg $spare" },
  { name: "vgcreate --shared", command: "vgcreate -q --shared --locktype $manager new$vg $spare" },
  { name: "vgrename", command: "vgrename -q new$vg old$vg" },
  // A renamed VG is being started when vgrename has ended; who starts it once more waits for that.
  { name: "vgremove", command: "vgremove -q -y old$vg", before: "vgchange -q --lockstart old$vg" },
  { name: "vgchange --lockstop", command: "vgchange -q --lockstop $vg" },
  { name: "vgchange --lockstart", command: "vgchange -q --lockstart $vg" },
];
/** With the other host, which has the LV active as well. */
const REFRESH: Timed = {
  name: "lvextend of a shared LV, refreshed on the other host",
  command: "lvextend -q --lockopt shupdate -L +4M $vg/shared",
};

/** For the client, the program whose daemon it shall talk to. */
function environment(side: Side, lab: Cluster, manager: Manager): string {
  const { socket, vg, spare } = SIDES[side];
  return `export LVM_LVMLOCKD_SOCKET=${socket} vg=${vg} spare=${lab.disk(spare).path} manager=${manager.name}`;
}

/** Prints one line "side:command:microseconds" for each run; who begins alternates. */
function script(commands: readonly Timed[], times: number, environment: (side: Side) => string): string {
  const turns = commands.map(({ name, command, before = "true", refused }) => {
    const expected = refused === true ? `! ${command}` : command;
    return `for side in $order; do
if [ $side = C ]; then ${environment("C")}; else ${environment("ours")}; fi
${before} >/dev/null || exit 1
run $side "${name}" "${expected}"; done`;
  });
  return `exec 2>/run/timing.err
run() { local t=\${EPOCHREALTIME/./}; eval "$3" >/dev/null || exit 1; echo "$1:$2:$((\${EPOCHREALTIME/./}-t))"; }
for i in $(seq ${times}); do
if [ $((i % 2)) = 0 ]; then order="C ours"; else order="ours C"; fi
${turns.join("\n")}
done`;
}

/** How many metadata changes a host gets done, and how many are refused, while the other one does the same. */
function contended(environment: string): string {
  return `${environment}; good=0; bad=0; end=$((SECONDS+${contended_s}))
while [ $SECONDS -lt $end ]; do
if vgchange -q --addtag t$RANDOM $vg >/dev/null 2>&1; then good=$((good+1)); else bad=$((bad+1)); fi
done; echo $good $bad`;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const [below, above] = [Math.floor((sorted.length - 1) / 2), Math.floor(sorted.length / 2)];
  return ((sorted[below] ?? Number.NaN) + (sorted[above] ?? Number.NaN)) / 2;
}

async function startBoth(lab: Cluster, manager: Manager): Promise<void> {
  const [first, second] = [lab.host(1), lab.host(2)];
  const cDaemon = `/opt/c/lvmlockd -s ${SIDES.C.socket} -p /run/lvm/c.pid ${manager.daemon_arguments}`;
  await Promise.all(
    lab.hosts.map((host) => host.must(`${cDaemon}; until test -S ${SIDES.C.socket}; do sleep 0.1; done`)),
  );
  await Promise.all(lab.hosts.map((host) => startLvmlockd(host, { arguments: manager.daemon_arguments })));
  for (const side of SIDE_NAMES) {
    const set = environment(side, lab, manager);
    const make = "vgcreate --shared --locktype $manager";
    const { disk, second: second_disk } = SIDES[side];
    await first.must(`${set}; ${make} $vg ${lab.disk(disk).path}`, { timeout_ms: 120_000 });
    await first.must(`${set}; ${make} second$vg ${lab.disk(second_disk).path}`, { timeout_ms: 120_000 });
    await second.must(`${set}; vgchange --lockstart $vg`, { timeout_ms: 120_000 });
    await second.must(`${set}; lvcreate -q -aey -n busy -L 4M $vg`);
    await first.must(`${set}; lvcreate -q -an -n shared -L 4M $vg`);
    for (const host of lab.hosts) await host.must(`${set}; lvchange -asy $vg/shared`);
  }
}

/** A row of the table in docs/performance.md for each command. */
async function rows(
  lab: Cluster,
  manager: Manager,
  commands: readonly Timed[],
  times: number,
): Promise<readonly string[]> {
  const host = lab.host(1);
  const text = script(commands, times, (side) => environment(side, lab, manager));
  const { rc, stdout } = await host.run(text, { timeout_ms: 1_800_000 });
  if (rc !== 0) throw new Error(`${stdout}\n${(await host.must("tail /run/timing.err")).stdout}`);
  const runs = stdout
    .trim()
    .split("\n")
    .map((line) => line.split(":"));
  return commands.map(({ name }) => {
    const [c, ours] = SIDE_NAMES.map((side) =>
      runs.filter(([by, what]) => by === side && what === name).map(([, , us]) => Number(us) / 1000),
    ) as [number[], number[]];
    const ratios = c.map((value, index) => (ours[index] ?? Number.NaN) / value);
    return `| \`${name}\` | ${median(c).toFixed(0)} ms | ${median(ours).toFixed(0)} ms | ${median(ratios).toFixed(2)} |`;
  });
}

async function compare({ cluster, step, say }: Steps, manager: Manager): Promise<void> {
  const disks = [1, 2, 3, 4, 5, 6].map(() => ({ size_mb: manager.disk_mb }));
  const lab = await cluster({ hosts: 2, disks, memory_mb: 640 });
  const table = [`| ${manager.name} | C | ours | median of the ratios of pairs |`, "|---|---:|---:|---:|"];
  await step("both daemons run on both hosts, each with a VG of its own", async () => {
    await manager.start(lab.hosts);
    await startBoth(lab, manager);
  });
  await step(`commands of one host, ${rounds} times each`, async () => {
    table.push(...(await rows(lab, manager, [...COMMANDS, ...manager.own], rounds)));
  });
  for (let round = 1; round <= contended_rounds; round++) {
    for (const side of SIDE_NAMES) {
      await step(`two hosts change one VG for ${contended_s} s with ${side}`, async () => {
        const counts = await Promise.all(
          lab.hosts.map((host) =>
            host.must(contended(environment(side, lab, manager)), { timeout_ms: 120_000 }),
          ),
        );
        say(`${side}: done and refused: ${counts.map(({ stdout }) => stdout.trim()).join(" | ")}`);
      });
    }
  }
  await step(`what takes seconds, ${manager.slow_rounds} times each`, async () => {
    for (const host of lab.hosts)
      for (const side of SIDE_NAMES)
        await host.must(`${environment(side, lab, manager)}; lvchange -an $vg/shared`);
    table.push(...(await rows(lab, manager, SLOW, manager.slow_rounds)));
  });
  console.log(["", ...table, ""].join("\n"));
}

function timing(manager: Manager) {
  return scenario(
    `${manager.name}-timing`,
    {
      about: `Wall time of lvm commands on ${manager.name} with our lvmlockd and with the C one.`,
      guests: 2,
      only_by_name: true,
      timeout_ms: 3_600_000,
    },
    (steps) => compare(steps, manager),
  );
}

export default [
  timing({
    name: "sanlock",
    start: (hosts) => Promise.all(hosts.map((host) => startSanlock(host))),
    daemon_arguments: `-o ${IO_TIMEOUT_S}`,
    disk_mb: 512,
    slow_rounds: 5,
    own: [],
  }),
  timing({
    name: "dlm",
    start: (hosts) => startDlm(hosts, { transport: "knet" }),
    daemon_arguments: "",
    disk_mb: 256,
    slow_rounds: 10,
    own: [REFRESH],
  }),
];
