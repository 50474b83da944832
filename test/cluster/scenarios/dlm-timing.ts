/**
 * Wall time of lvm commands on shared VGs of the dlm, with our lvmlockd and with the C one. Both run on the same hosts at the same time,
 * each with a socket and a VG of its own, and their commands take turns: what else the machine does slows both down.
 */
import type { Cluster } from "../lab/cluster.ts";
import type { Host } from "../lab/host.ts";
import { scenario } from "../scenario.ts";
import { startDlm } from "../services/dlm.ts";
import { startLvmlockd } from "../services/lvmlockd.ts";

/** The commands of one round, on the VG of one of the two daemons. */
const COMMANDS: Readonly<Record<string, string>> = {
  vgs: "vgs $vg",
  "lvcreate -an": "lvcreate -q -an -n t -L 4M $vg",
  "lvchange -aey": "lvchange -aey $vg/t",
  "lvchange -an": "lvchange -an $vg/t",
  lvremove: "lvremove -q -y $vg/t",
};
const SIDES = {
  C: { vg: "vgc", socket: "/run/lvm/c.socket" },
  ours: { vg: "vgo", socket: "/run/lvm/lvmlockd.socket" },
};
type Side = keyof typeof SIDES;
const SIDE_NAMES = ["C", "ours"] as const;
const rounds = 25;
const contended_s = 15;
const contended_rounds = 2;

/** For the client, the program whose daemon it shall talk to. */
function environment(side: Side): string {
  return `export LVM_LVMLOCKD_SOCKET=${SIDES[side].socket} vg=${SIDES[side].vg}`;
}

/** One line "side:command:microseconds" for each command; who begins alternates. */
const TIMED = `exec 2>/dev/null
run() { local t=\${EPOCHREALTIME/./}; eval "$3" >/dev/null || exit 1; echo "$1:$2:$((\${EPOCHREALTIME/./}-t))"; }
for i in $(seq ${rounds}); do
if [ $((i % 2)) = 0 ]; then order="C ours"; else order="ours C"; fi
${Object.entries(COMMANDS)
  .map(
    ([name, command]) =>
      `for side in $order; do if [ $side = C ]; then ${environment("C")}; else ${environment("ours")}; fi; run $side "${name}" "${command}"; done`,
  )
  .join("\n")}
done`;

/** How many metadata changes a host gets done, and how many are refused, while the other one does the same. */
function contended(side: Side): string {
  return `${environment(side)}; good=0; bad=0; end=$((SECONDS+${contended_s}))
while [ $SECONDS -lt $end ]; do
if vgchange -q --addtag t$RANDOM $vg >/dev/null 2>&1; then good=$((good+1)); else bad=$((bad+1)); fi
done; echo $good $bad`;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

async function startBoth(lab: Cluster): Promise<void> {
  const cDaemon = `/opt/c/lvmlockd -s ${SIDES.C.socket} -p /run/lvm/c.pid`;
  await Promise.all(
    lab.hosts.map((host) => host.must(`${cDaemon}; until test -S ${SIDES.C.socket}; do sleep 0.1; done`)),
  );
  await Promise.all(lab.hosts.map((host) => startLvmlockd(host, { arguments: "" })));
  for (const [index, side] of SIDE_NAMES.entries()) {
    const [first, ...others] = lab.hosts;
    const device = lab.disk(index).path;
    await first?.must(`${environment(side)}; vgcreate --shared --locktype dlm $vg ${device}`);
    for (const host of others) await host.must(`${environment(side)}; vgchange --lockstart $vg`);
  }
}

/** The milliseconds of each side's runs of each command. */
async function timed(host: Host): Promise<Map<string, number[]>> {
  const { stdout } = await host.must(TIMED, { timeout_ms: 1_200_000 });
  const times = new Map<string, number[]>();
  for (const line of stdout.trim().split("\n")) {
    const [side = "", name = "", us = ""] = line.split(":");
    const key = `${side}:${name}`;
    times.set(key, [...(times.get(key) ?? []), Number(us) / 1000]);
  }
  return times;
}

export default scenario(
  "dlm-timing",
  {
    about: "Wall time of lvm commands on the dlm with our lvmlockd and with the C one.",
    guests: 2,
    only_by_name: true,
    timeout_ms: 3_600_000,
  },
  async ({ cluster, step, say }) => {
    const lab = await cluster({ hosts: 2, disks: [{ size_mb: 256 }, { size_mb: 256 }], memory_mb: 640 });
    await startDlm(lab.hosts);
    await startBoth(lab);
    await step(`commands of one host, ${rounds} times each`, async () => {
      const times = await timed(lab.host(1));
      for (const name of Object.keys(COMMANDS)) {
        const [c, ours] = [times.get(`C:${name}`) ?? [], times.get(`ours:${name}`) ?? []];
        const ratios = c.map((value, index) => (ours[index] ?? Number.NaN) / value);
        const figures = `C ${median(c).toFixed(0)} ms, ours ${median(ours).toFixed(0)} ms`;
        say(`${name}: ${figures}, median of the ratios of pairs ${median(ratios).toFixed(2)}`);
      }
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
  },
);
