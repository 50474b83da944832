/** Time from starting a daemon's process to its reply to the first hello. */
import { rmSync } from "node:fs";
import { timeStartup } from "./generator.ts";
import { type Line, makeFigure, type Samples, type Target } from "./line.ts";
import type { Plan } from "./plan.ts";
import { type RivalName, rivalCommand, scratchDirectory } from "./rivals.ts";

const NAME = "startup";
/** `bun run` reads and compiles TypeScript; the executable carries bytecode. */
const LIMITS_MS: Partial<Record<RivalName, number>> = { ours: 100, compiled: 40 };

export async function measureStartup(plan: Plan): Promise<Line[]> {
  if (!plan.wants(NAME)) return [];
  plan.say("start-up to the first hello reply");
  const samples: Partial<Record<RivalName, number[]>> = {};
  for (let round = 0; round < plan.startup_rounds; round++) {
    for (const rival of plan.rivals) {
      const soFar = samples[rival] ?? [];
      soFar.push(await timeOne(rival));
      samples[rival] = soFar;
    }
  }
  const forms = [
    { name: `${NAME}-run`, title: "first hello reply after `bun run`", rival: "ours" },
    { name: `${NAME}-compiled`, title: "first hello reply, compiled", rival: "compiled" },
  ] as const;
  return forms.map(({ name, title, rival }) => toLine(name, title, rival, samples));
}

/** Each form has its own limit, so each is a line of its own that leaves the other form out. */
function toLine(name: string, title: string, rival: RivalName, samples: Samples): Line {
  const limit_ms = LIMITS_MS[rival];
  const target: Target | null =
    limit_ms === undefined ? null : { of: "value", bound: "at-most", limit: limit_ms };
  const shown: Samples = {
    ...(samples.c && { c: samples.c }),
    ...(samples.floor && { floor: samples.floor }),
    ...(samples[rival] && { [rival]: samples[rival] }),
  };
  return { name, title, figure: makeFigure("ms", shown, target), cpu: null };
}

async function timeOne(rival: RivalName): Promise<number> {
  const scratch = scratchDirectory();
  try {
    return await timeStartup(scratch.socket_path, rivalCommand(rival, scratch.path));
  } finally {
    rmSync(scratch.path, { recursive: true, force: true });
  }
}
