/** How much of its speed a VG client keeps while another asks for info over many LV locks without a pause. */
import { prepare, runInfoLoop, runLoad } from "./generator.ts";
import { type Line, makeFigure, type Samples, type Target } from "./line.ts";
import type { Plan } from "./plan.ts";
import { type RivalName, type RunningRival, withRivals } from "./rivals.ts";
import { MANY_LVS } from "./scenarios.ts";

const NAME = "info";
const TARGET: Target = { of: "value", bound: "at-least", limit: 60 };
/** The reader starts before the client's measured time and goes on behind it. */
const READER_LEAD_SECONDS = 0.2;

export async function measureInfo(plan: Plan): Promise<Line[]> {
  if (!plan.wants(NAME)) return [];
  const title = `VG client's speed kept while info is read in a loop over ${MANY_LVS} LV locks, all CPUs`;
  plan.say(title);
  // The bare loop has no info to send.
  const rivals = plan.rivals.filter((name) => name !== "floor");
  const shares: Partial<Record<RivalName, number[]>> = {};
  await withRivals(rivals, "all", async (daemons) => {
    for (const [, daemon] of daemons) await prepareDaemon(daemon, plan);
    for (let round = 0; round < plan.rounds; round++) {
      for (const [rival, daemon] of daemons) {
        shares[rival] = [...(shares[rival] ?? []), await measureShare(daemon, plan)];
      }
    }
  });
  const samples: Samples = shares;
  return [{ name: NAME, title, figure: makeFigure("%", samples, TARGET), cpu: null }];
}

async function prepareDaemon(daemon: RunningRival, plan: Plan): Promise<void> {
  const command = { daemon, cpus: "all" } as const;
  await prepare({ ...command, args: ["--vgs", "1", "--lvs", String(MANY_LVS / plan.lv_divisor)] });
  const seconds = String(plan.warmup_ms / 1000);
  await runLoad("vg", { ...command, args: ["--seconds", seconds] });
  await runInfoLoop({ ...command, args: ["--seconds", seconds] });
}

/** Percent: the client's requests/s with the reader, of those without it, on one daemon. */
async function measureShare(daemon: RunningRival, plan: Plan): Promise<number> {
  const command = { daemon, cpus: "all" } as const;
  const times = ["--warmup", String(plan.lead_seconds), "--seconds", String(plan.seconds)];
  const alone = await runLoad("vg", { ...command, args: times });
  const readerSeconds = plan.lead_seconds + plan.seconds + 2 * READER_LEAD_SECONDS;
  const reader = runInfoLoop({ ...command, args: ["--seconds", String(readerSeconds)] });
  await Bun.sleep(READER_LEAD_SECONDS * 1000);
  const [together, infos] = await Promise.all([runLoad("vg", { ...command, args: times }), reader]);
  if (infos.infos === 0) throw new Error(`${daemon.name} answered no info request`);
  return (100 * together.requests_per_s) / alone.requests_per_s;
}
