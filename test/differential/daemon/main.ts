/**
 * The C daemon and ours get the same generated requests from several clients; every reply must agree or be an intended
 * difference.
 *
 *   bun run test/differential/daemon/main.ts [--seed N] [--only PART[:INDEX]] [--control] [--percent P] [--keep-going]
 *
 * --only dlm:17 runs that one sequence on a pair of its own; --control compares the C daemon with itself, which shows that
 * the harness and not chance decides; --percent runs that share of every part; --keep-going reports
 * every kind of difference once instead of ending with the first.
 */
import { parseArgs } from "node:util";
import type { Flavour } from "../../rig/daemon.ts";
import { chooseSeed } from "../../rig/random.ts";
import { comparable, type Exchange } from "./compare.ts";
import { PARTS, type Part, sequencesOf, VGS } from "./plan.ts";
import type { Outcome } from "./run-sequence.ts";
import { openSession, type Session } from "./session.ts";
import { shrink } from "./shrink.ts";
import { type Sequence, showStep } from "./steps.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    only: { type: "string" },
    control: { type: "boolean", default: false },
    "keep-going": { type: "boolean", default: false },
    percent: { type: "string", default: "100" },
  },
});

const seed = chooseSeed();
const flavours: readonly [Flavour, Flavour] = values.control ? ["c", "c"] : ["c", "ours"];
const [onlyPart, onlyIndex] = values.only?.split(":") ?? [];

const SHRINK_MS = 60_000;
const HISTORY_SHOWN = 12;

const say = (text: string): void => console.log(text);
const open = ({ lock_type, lockspaces }: Part): Promise<Session> =>
  openSession({ lock_type, flavours, vgs: VGS, lockspaces });

/** Differences that look like this were reported already. */
const reported = new Set<string>();
const kindOf = ({ request, c, ours }: Exchange): string =>
  [
    request.request,
    request.keys.mode,
    c?.get("op_result"),
    ours?.get("op_result"),
    c?.get("result_flags"),
  ].join(" ");

interface Tally {
  sequences: number;
  exchanges: number;
  readonly intended: Map<string, number>;
}

async function runAlone(part: Part, sequence: Sequence): Promise<Outcome> {
  const session = await open(part);
  try {
    return await session.run(sequence);
  } finally {
    await session.destroy();
  }
}

function showExchange({ client, request, c, ours }: Exchange): string {
  const keys = Object.entries(request.keys).filter(([key]) => key !== "pid" && key !== "cmd");
  const who = client < 0 ? "the harness" : `client ${client}`;
  return [
    `${who}: ${request.request} ${keys.map(([key, value]) => `${key}=${value}`).join(" ")}`,
    `    C:    ${comparable(c)}`,
    `    ${values.control ? "C:   " : "ours:"} ${comparable(ours)}`,
  ].join("\n");
}

async function reportFailure(
  part: Part,
  index: number,
  sequence: Sequence,
  outcome: Outcome & { kind: "differed" },
): Promise<void> {
  say(`\nDIFFERENT in sequence ${part.name}:${index}, seed ${seed}`);
  say(outcome.history.slice(-HISTORY_SHOWN).map(showExchange).join("\n"));
  say(`-> ${showExchange(outcome.exchange)}`);
  const fails = async (candidate: Sequence): Promise<boolean> => {
    const found = await runAlone(part, candidate);
    return found.kind === "differed" && kindOf(found.exchange) === kindOf(outcome.exchange);
  };
  if (!(await fails(sequence))) {
    say("Alone, on a new pair of daemons, it agrees: it needs what ran before. Replay with:");
    say(`  bun run test/differential/daemon/main.ts --seed ${seed} --only ${part.name}`);
    return;
  }
  const small = await shrink(sequence, fails, Date.now() + SHRINK_MS);
  say(`\nThe shortest sequence found (${small.steps.length} of ${sequence.steps.length} steps):`);
  say(small.steps.map(showStep).join("\n"));
  const again = await runAlone(part, small);
  if (again.kind === "differed") say(`-> ${showExchange(again.exchange)}`);
  say(`Replay with:\n  bun run test/differential/daemon/main.ts --seed ${seed} --only ${part.name}:${index}`);
}

/** Runs one part; false when a sequence differed (the first one is reported). */
async function runPart(part: Part, tally: Tally): Promise<boolean> {
  const count = Math.ceil((part.sequences * Number(values.percent)) / 100);
  const began = Date.now();
  let session: Session | null = null;
  let inSession = 0;
  let index = -1;
  let agreed = true;
  try {
    for (const sequence of sequencesOf(part, seed)) {
      index++;
      if (index >= count) break;
      if (onlyIndex !== undefined && index !== Number(onlyIndex)) continue;
      if (session !== null && (session.spent() || inSession === part.per_session)) {
        await session.destroy();
        session = null;
        inSession = 0;
      }
      session ??= await open(part);
      const outcome = await session.run(sequence);
      inSession++;
      if (outcome.kind === "differed") {
        agreed = false;
        const kind = kindOf(outcome.exchange);
        if (!reported.has(kind)) await reportFailure(part, index, sequence, outcome);
        reported.add(kind);
        if (!values["keep-going"]) break;
        continue;
      }
      tally.sequences++;
      tally.exchanges += outcome.exchanges;
      for (const name of outcome.intended) tally.intended.set(name, (tally.intended.get(name) ?? 0) + 1);
    }
  } catch (error) {
    say(`\nsequence ${part.name}:${index}, seed ${seed}:`);
    throw error;
  } finally {
    await session?.destroy();
  }
  say(`${part.name}: done in ${((Date.now() - began) / 1000).toFixed(1)} s`);
  return agreed;
}

say(`seed ${seed}${values.control ? ", the C daemon against itself" : ""}`);
const tally: Tally = { sequences: 0, exchanges: 0, intended: new Map() };
let allAgree = true;
for (const part of PARTS)
  if (onlyPart === undefined || onlyPart === part.name) allAgree = (await runPart(part, tally)) && allAgree;
say(`${tally.sequences} sequences, ${tally.exchanges} replies compared`);
for (const [name, count] of tally.intended) say(`intended difference: ${name} (${count} times)`);
if (!allAgree) process.exitCode = 1;
