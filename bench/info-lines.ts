/** How much of its speed a VG client keeps while another asks for info over many LV locks without a pause. */
import { prepare, runInfoLoop, runLoad } from "./generator.ts";
import { type Line, makeFigure, type Samples, type Target } from "./line.ts";
import type { Plan } from "./plan.ts";
import { type RivalName, startRival } from "./rivals.ts";
import { MANY_LVS } from "./scenarios.ts";

const NAME = "info";
const TARGET: Target = { of: "value", bound: "at-least", limit: 60 };
/** The reader starts before the client's measured time and goes on behind it. */
const LEAD_SECONDS = 0.2;

export async function measureInfo(plan: Plan): Promise<Line[]> {
  if (!plan.wants(NAME)) return [];
  const title = `VG client's speed kept while info is read in a loop over ${MANY_LVS} LV locks, all CPUs`;
  plan.say(title);
  const shares: Partial<Record<RivalName, number[]>> = {};
  for (let round = 0; round < plan.rounds; round++) {
    // The bare loop has no info to send.
    for (const rival of plan.rivals.filter((name) => name !== "floor")) {
      const soFar = shares[rival] ?? [];
      soFar.push(await measureShare(rival, plan));
      shares[rival] = soFar;
    }
  }
  const samples: Samples = shares;
  return [{ name: NAME, title, figure: makeFigure("%", samples, TARGET), cpu: null }];
}

/** Percent: the client's requests/s with the reader, of those without it, on one daemon. */
async function measureShare(rival: RivalName, plan: Plan): Promise<number> {
  const daemon = await startRival(rival, "all");
  const command = { socket_path: daemon.socket_path, cpus: "all" } as const;
  const times = ["--warmup", String(plan.warmup_seconds), "--seconds", String(plan.seconds)];
  try {
    await prepare({ ...command, args: ["--vgs", "1", "--lvs", String(MANY_LVS / plan.lv_divisor)] });
    const alone = await runLoad("vg", { ...command, args: times });
    const readerSeconds = plan.warmup_seconds + plan.seconds + 2 * LEAD_SECONDS;
    const reader = runInfoLoop({ ...command, args: ["--seconds", String(readerSeconds)] });
    await Bun.sleep(LEAD_SECONDS * 1000);
    const [together, infos] = await Promise.all([runLoad("vg", { ...command, args: times }), reader]);
    if (infos.infos === 0) throw new Error(`${rival} answered no info request`);
    return (100 * together.requests_per_s) / alone.requests_per_s;
  } finally {
    await daemon.stop();
  }
}
