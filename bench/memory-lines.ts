/** Resident memory, idle and with many lockspaces and locks. */
import { readFileSync } from "node:fs";
import { prepare } from "./generator.ts";
import { type Line, makeFigure, type Target } from "./line.ts";
import type { Plan } from "./plan.ts";
import { type RivalName, startRival } from "./rivals.ts";
import { MANY_LVS } from "./scenarios.ts";

const NAME = "memory";
const LOCKSPACES = 100;
const IDLE_TARGET: Target = { of: "value", bound: "at-most", limit: 64 };
const LOADED_TARGET: Target = { of: "value", bound: "at-most", limit: 100 };

interface Memory {
  readonly idle_mb: number;
  readonly loaded_mb: number;
}

export async function measureMemory(plan: Plan): Promise<Line[]> {
  if (!plan.wants(NAME)) return [];
  plan.say("resident memory");
  const idle: Partial<Record<RivalName, number[]>> = {};
  const loaded: Partial<Record<RivalName, number[]>> = {};
  for (const rival of plan.rivals) {
    const memory = await measureOne(rival, plan);
    idle[rival] = [memory.idle_mb];
    loaded[rival] = [memory.loaded_mb];
  }
  const loadedTitle = `resident memory right after ${LOCKSPACES} lockspaces and ${MANY_LVS} LV locks`;
  return [
    {
      name: `${NAME}-idle`,
      title: "resident memory, idle",
      figure: makeFigure("MB", idle, IDLE_TARGET),
      cpu: null,
    },
    {
      name: `${NAME}-loaded`,
      title: loadedTitle,
      figure: makeFigure("MB", loaded, LOADED_TARGET),
      cpu: null,
    },
  ];
}

/** The larger of two readings counts under load: at once, with the garbage of the requests, and when things have settled. */
async function measureOne(rival: RivalName, plan: Plan): Promise<Memory> {
  const daemon = await startRival(rival, "all");
  const { pid } = daemon;
  try {
    await Bun.sleep(plan.settle_ms);
    const idle_mb = residentMemory_mb(pid);
    const lvs = String(MANY_LVS / plan.lv_divisor);
    await prepare({ daemon, cpus: "all", args: ["--vgs", String(LOCKSPACES), "--lvs", lvs] });
    const atOnce_mb = residentMemory_mb(pid);
    await Bun.sleep(plan.settle_ms);
    return { idle_mb, loaded_mb: Math.max(atOnce_mb, residentMemory_mb(pid)) };
  } finally {
    await daemon.stop();
  }
}

function residentMemory_mb(pid: number): number {
  const kilobytes = /^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  if (kilobytes === undefined) throw new Error(`process ${pid} has no resident memory to read`);
  return Number(kilobytes) / 1024;
}
