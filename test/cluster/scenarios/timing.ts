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
  /** False where stopping the last VG of one daemon takes away what the other one still uses: lvm_global, which dlm hosts have once. */
  readonly stops_alone: boolean;
}

const SIDES = {
  C: { vg: "vgc", socket: "/run/lvm/c.socket" },
  ours: { vg: "vgo", socket: "/run/lvm/lvmlockd.socket" },
};
type Side = keyof typeof SIDES;
const SIDE_NAMES = ["C", "ours"] as const;
const rounds = 25;
// A start or stop waits for the lock manager's clocks, so that few runs say as much.
const start_rounds = 4;
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
const STARTING: readonly Timed[] = [
  { name: "vgchange --lockstop", command: "vgchange -q --lockstop $vg" },
  { name: "vgchange --lockstart", command: "vgchange -q --lockstart $vg" },
];

/** For the client, the program whose daemon it shall talk to. */
function environment(side: Side): string {
  return `export LVM_LVMLOCKD_SOCKET=${SIDES[side].socket} vg=${SIDES[side].vg}`;
}

/** Prints one line "side:command:microseconds" for each run; who begins alternates. */
function script(commands: readonly Timed[], times: number): string {
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
function contended(side: Side): string {
  return `${environment(side)}; good=0; bad=0; end=$((SECONDS+${contended_s}))
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
  for (const [index, side] of SIDE_NAMES.entries()) {
    const make = `vgcreate --shared --locktype ${manager.name} $vg ${lab.disk(index).path}`;
    await first.must(`${environment(side)}; ${make}`, { timeout_ms: 120_000 });
    await second.must(`${environment(side)}; vgchange --lockstart $vg`, { timeout_ms: 120_000 });
    await second.must(`${environment(side)}; lvcreate -q -aey -n busy -L 4M $vg`);
  }
}

/** A row of the table in docs/performance.md for each command. */
async function rows(host: Host, commands: readonly Timed[], times: number): Promise<readonly string[]> {
  const { rc, stdout } = await host.run(script(commands, times), { timeout_ms: 1_200_000 });
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
  const disk = { size_mb: manager.disk_mb };
  const lab = await cluster({ hosts: 2, disks: [disk, disk], memory_mb: 640 });
  const table = [`| ${manager.name} | C | ours | median of the ratios of pairs |`, "|---|---:|---:|---:|"];
  await step("both daemons run on both hosts, each with a VG of its own", async () => {
    await manager.start(lab.hosts);
    await startBoth(lab, manager);
  });
  await step(`commands of one host, ${rounds} times each`, async () => {
    table.push(...(await rows(lab.host(1), COMMANDS, rounds)));
  });
  for (let round = 1; round <= contended_rounds; round++) {
    for (const side of SIDE_NAMES) {
      await step(`two hosts change one VG for ${contended_s} s with ${side}`, async () => {
        const counts = await Promise.all(
          lab.hosts.map((host) => host.must(contended(side), { timeout_ms: 120_000 })),
        );
        say(`${side}: done and refused: ${counts.map(({ stdout }) => stdout.trim()).join(" | ")}`);
      });
    }
  }
  if (manager.stops_alone)
    await step(`stop and start of a VG, ${start_rounds} times each`, async () => {
      table.push(...(await rows(lab.host(1), STARTING, start_rounds)));
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
    stops_alone: true,
  }),
  timing({
    name: "dlm",
    start: (hosts) => startDlm(hosts, { transport: "knet" }),
    daemon_arguments: "",
    disk_mb: 256,
    stops_alone: false,
  }),
];
