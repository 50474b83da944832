import type { RequestSpec, Spelling } from "../../rig/requests.ts";

/**
 * One step of a sequence. Names are parts, not words: `{vg0}` is the sequence's first VG, `{lv0.1}` and `{uuid0.1}` its
 * second LV, `{none}` a VG that nobody started, so that a sequence can be run again on a daemon that has seen the first run.
 */
export type Step =
  | { readonly do: "ask"; readonly client: number; readonly spec: RequestSpec; readonly spelling: Spelling }
  /** Bytes that are no request: nothing the C daemon would answer. */
  | { readonly do: "garbage"; readonly client: number; readonly bytes: string }
  /** The client dies. Its next step opens a new connection. */
  | { readonly do: "close"; readonly client: number };

export interface Sequence {
  readonly vgs: number;
  readonly lvs_per_vg: number;
  readonly steps: readonly Step[];
}

/** Which names the parts stand for in one run of a sequence. */
export interface Cast {
  readonly vg: (index: number) => string;
  readonly unknown_vg: string;
  /** Made different in every run, because the daemons remember LV locks by uuid. */
  readonly uuid: (vg: number, lv: number) => string;
}

const PART = /\{(vg|lv|uuid|none)(\d*)(?:\.(\d+))?\}/g;

function castText(text: string, cast: Cast): string {
  return text.replace(PART, (_part, kind: string, first: string, second: string) => {
    switch (kind) {
      case "vg":
        return cast.vg(Number(first));
      case "lv":
        return `lvol${first}${second}`;
      case "uuid":
        return cast.uuid(Number(first), Number(second));
      default:
        return cast.unknown_vg;
    }
  });
}

/** The request with real names in place of the parts. */
export function castRequest(spec: RequestSpec, cast: Cast): RequestSpec {
  const keys = Object.entries(spec.keys).map(([key, value]) => [
    key,
    typeof value === "string" ? castText(value, cast) : value,
  ]);
  return { request: spec.request, keys: Object.fromEntries(keys) };
}

/** One line for a person; the same text is what `--replay` of a printed sequence reads. */
export function showStep(step: Step): string {
  switch (step.do) {
    case "close":
      return `client ${step.client} dies`;
    case "garbage":
      return `client ${step.client} sends ${JSON.stringify(step.bytes)}`;
    case "ask": {
      const keys = Object.entries(step.spec.keys).filter(([key]) => key !== "pid" && key !== "cmd");
      return `client ${step.client} ${step.spec.request} ${keys.map(([key, value]) => `${key}=${value}`).join(" ")}`;
    }
  }
}
