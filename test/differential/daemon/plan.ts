import { makeRandom } from "../../rig/random.ts";
import { generateSequence, type SharedType, type Wishes } from "./generate.ts";
import type { SessionOptions } from "./session.ts";
import type { Sequence } from "./steps.ts";

/** A kind of sequences, how many of them, and how many one pair of daemons runs. */
export interface Part {
  readonly name: string;
  readonly lock_type: SharedType;
  readonly lockspaces: SessionOptions["lockspaces"];
  readonly endings: Wishes["endings"];
  readonly sequences: number;
  readonly per_session: number;
}

export const VGS = 3;

/** Some thousands of sequences; the C daemon's sleeps (3 s for each sanlock start) decide how they are shared out. */
export const PARTS: readonly Part[] = [
  { name: "dlm", lock_type: "dlm", lockspaces: "kept", endings: "vg", sequences: 3600, per_session: 600 },
  {
    name: "sanlock",
    lock_type: "sanlock",
    lockspaces: "shared",
    endings: "none",
    sequences: 750,
    per_session: 375,
  },
  {
    name: "sanlock-ends",
    lock_type: "sanlock",
    lockspaces: "shared",
    endings: "vg",
    sequences: 8,
    per_session: 1,
  },
  { name: "empty", lock_type: "dlm", lockspaces: "empty", endings: "all", sequences: 120, per_session: 1 },
];

/** The sequences of a part, made again from the seed one after the other. */
export function* sequencesOf(part: Part, seed: number): Generator<Sequence> {
  const nameHash = Number(Bun.hash.crc32(part.name));
  const random = makeRandom((seed ^ nameHash) >>> 0);
  const { lock_type, endings } = part;
  for (let index = 0; index < part.sequences; index++)
    yield generateSequence(random.fork(), { lock_type, vgs: VGS, endings });
}
