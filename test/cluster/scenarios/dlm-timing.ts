/** Wall time of lvm commands on a shared VG of the dlm, with our lvmlockd and with the C one, on the same hosts. */
import type { Cluster } from "../lab/cluster.ts";
import type { Host } from "../lab/host.ts";
import { scenario } from "../scenario.ts";
import { startDlm } from "../services/dlm.ts";
import { startLvmlockd } from "../services/lvmlockd.ts";

const COMMANDS: Readonly<Record<string, string>> = {
  vgs: "vgs vg0",
  "lvcreate -an": "lvcreate -q -an -n t -L 4M vg0",
  "lvchange -aey": "lvchange -aey vg0/t",
  "lvchange -an": "lvchange -an vg0/t",
  lvremove: "lvremove -q -y vg0/t",
};
const programs = { ours: "/usr/sbin/lvmlockd", C: "/opt/c/lvmlockd" } as const;
type Program = keyof typeof programs;
const rounds = 3;
const times_each_round = 5;
const contended_s = 20;

/** The microseconds of each command, one line for each run. */
const TIMED = `exec 2>/dev/null
for i in $(seq ${times_each_round}); do
${Object.entries(COMMANDS)
  .map(
    ([name, command]) =>
      `t=\${EPOCHREALTIME/./}; ${command} >/dev/null || exit 1; echo "${name}:$((\${EPOCHREALTIME/./}-t))"`,
  )
  .join("\n")}
done`;

/** How many metadata changes a host gets done, and how many are refused, while the other one does the same. */
const CONTENDED = `good=0; bad=0; end=$((SECONDS+${contended_s}))
while [ $SECONDS -lt $end ]; do
if vgchange -q --addtag t$RANDOM vg0 >/dev/null 2>&1; then good=$((good+1)); else bad=$((bad+1)); fi
done; echo $good $bad`;

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

async function start(lab: Cluster, program: Program): Promise<void> {
  await Promise.all(
    lab.hosts.map((host) => startLvmlockd(host, { program: programs[program], arguments: "" })),
  );
}

async function quit(host: Host): Promise<void> {
  await host.must(
    "vgchange --lockstop vg0; lvmlockctl --stop-lockspaces; sleep 1; lvmlockctl --quit; ! pgrep -x lvmlockd || sleep 2",
  );
}

/** Starts the VG everywhere, runs `measure` and takes everything down. */
async function under<T>(lab: Cluster, program: Program, measure: () => Promise<T>): Promise<T> {
  await start(lab, program);
  const [first, ...others] = lab.hosts;
  await first?.must(
    "vgs vg0 >/dev/null 2>&1 || vgcreate --shared --locktype dlm vg0 /dev/sda; vgchange --lockstart vg0",
  );
  for (const host of others) await host.must("vgchange --lockstart vg0");
  const measured = await measure();
  await Promise.all(lab.hosts.map(quit));
  return measured;
}

async function timed(host: Host): Promise<Map<string, number[]>> {
  const { stdout } = await host.must(TIMED, { timeout_ms: 300_000 });
  const times = new Map<string, number[]>();
  for (const line of stdout.trim().split("\n")) {
    const [name = "", us = ""] = line.split(":");
    times.set(name, [...(times.get(name) ?? []), Number(us) / 1000]);
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
    const lab = await cluster({ hosts: 2, disks: [{ size_mb: 512 }] });
    await startDlm(lab.hosts);
    const times: Record<Program, Map<string, number[]>> = { ours: new Map(), C: new Map() };
    for (let round = 1; round <= rounds; round++) {
      for (const program of ["C", "ours"] as const) {
        await step(`round ${round}: commands of one host with ${program}`, async () => {
          const found = await under(lab, program, () => timed(lab.host(1)));
          for (const [name, values] of found)
            times[program].set(name, [...(times[program].get(name) ?? []), ...values]);
        });
      }
    }
    for (const name of Object.keys(COMMANDS)) {
      const [c, ours] = [median(times.C.get(name) ?? []), median(times.ours.get(name) ?? [])];
      say(`${name}: C ${c.toFixed(0)} ms, ours ${ours.toFixed(0)} ms, ratio ${(ours / c).toFixed(2)}`);
    }
    for (const program of ["C", "ours"] as const) {
      await step(`two hosts change one VG for ${contended_s} s with ${program}`, async () => {
        const counts = await under(lab, program, () =>
          Promise.all(lab.hosts.map((host) => host.must(CONTENDED, { timeout_ms: 120_000 }))),
        );
        say(`${program}: done and refused: ${counts.map(({ stdout }) => stdout.trim()).join(" | ")}`);
      });
    }
  },
);
