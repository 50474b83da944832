/**
 * `bun run bench`: our daemon against the C daemon of lvm2 and against the bare loop of this Bun, interleaved in one run.
 * Exits 1 when a judged line misses its target; --quick only shows that everything runs.
 */
import { writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { parseArgs } from "node:util";
import { measureInfo } from "./info-lines.ts";
import type { BenchResult, Line } from "./line.ts";
import { measureLoads } from "./load-lines.ts";
import { measureMemory } from "./memory-lines.ts";
import { FULL, type Plan, QUICK } from "./plan.ts";
import { anyMissed, formatText } from "./report.ts";
import { requireProgram } from "./requirements.ts";
import { presentRivals, RIVAL_NAMES, type RivalName } from "./rivals.ts";
import { SCENARIOS } from "./scenarios.ts";
import { measureStartup } from "./startup-lines.ts";

const NAMES = [
  ...SCENARIOS.flatMap((scenario) => scenario.loads.map((load) => load.name)),
  "info",
  "startup",
  "memory",
];

const HELP = `usage: bun run bench [options]
  --quick               a short run that shows that everything works, without judgement
  --only NAME           measure this one (may be given several times): ${NAMES.join(", ")}
  --rivals NAME,...     measure these only: ${RIVAL_NAMES.join(", ")}
  --rounds N            interleaved rounds [${FULL.rounds}]
  --reportformat json   print the result as JSON instead of a table
  --output FILE         write the JSON there as well
`;

function parseCommandLine(): { plan: Plan; json: boolean; output: string | null } {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string", multiple: true, default: [] },
      rivals: { type: "string" },
      rounds: { type: "string" },
      reportformat: { type: "string", default: "basic" },
      output: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    process.exit(0);
  }
  const unknown = values.only.find((name) => !NAMES.includes(name));
  if (unknown !== undefined) throw new Error(`there is no '${unknown}'; the names are ${NAMES.join(", ")}`);
  if (values.reportformat !== "basic" && values.reportformat !== "json")
    throw new Error(`--reportformat is basic or json, not '${values.reportformat}'`);
  const base = values.quick ? QUICK : FULL;
  const plan: Plan = {
    ...base,
    rounds: values.rounds === undefined ? base.rounds : positiveInteger(values.rounds),
    rivals: chooseRivals(values.rivals),
    wants: (name) => values.only.length === 0 || values.only.includes(name),
    say: (message) => process.stderr.write(`${message}\n`),
  };
  return { plan, json: values.reportformat === "json", output: values.output ?? null };
}

function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`'${text}' is not a number of rounds`);
  return value;
}

function chooseRivals(list: string | undefined): RivalName[] {
  const present = presentRivals();
  if (list === undefined) return present;
  return list.split(",").map((word) => {
    const rival = present.find((name) => name === word);
    if (rival === undefined)
      throw new Error(`there is no rival '${word}' here; there are ${present.join(", ")}`);
    return rival;
  });
}

async function measureAll(plan: Plan): Promise<BenchResult> {
  const lines: Line[] = [];
  lines.push(...(await measureLoads(plan)));
  lines.push(...(await measureInfo(plan)));
  lines.push(...(await measureStartup(plan)));
  lines.push(...(await measureMemory(plan)));
  return { ...describeMachine(), rounds: plan.rounds, quick: plan.quick, lines };
}

function describeMachine(): Pick<BenchResult, "machine" | "bun" | "c_daemon"> {
  const processors = cpus();
  const version = Bun.spawnSync([requireProgram("c_daemon"), "--version"])
    .stdout.toString()
    .trim();
  return {
    machine: `${processors.length} CPUs ${processors[0]?.model.trim() ?? ""}, Linux ${release()}`,
    bun: Bun.version,
    c_daemon: version,
  };
}

try {
  const { plan, json, output } = parseCommandLine();
  const result = await measureAll(plan);
  const text = `${JSON.stringify(result, null, 2)}\n`;
  if (output !== null) writeFileSync(output, text);
  process.stdout.write(json ? text : formatText(result));
  process.exitCode = anyMissed(result) ? 1 : 0;
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
