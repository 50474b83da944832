/** The opts string of a request. lvm sends "persistent,", "wait force ", "adopt_onlyadoptrepair": words without a fixed separator. */
import { LIMITS } from "../limits.ts";
import type { RequestOptions } from "./message.ts";

function readOptions(text: string): RequestOptions {
  return Object.freeze({
    persistent: text.includes("persistent"),
    unlock_cancel: text.includes("unlock_cancel"),
    next_version: text.includes("next_version"),
    wait: text.includes("wait"),
    force: text.includes("force"),
    ex_disable: text.includes("ex_disable"),
    enable: text.includes("enable"),
    // "ex_disable" contains the word, so it counts as "disable" too, as it does for the C daemon.
    disable: text.includes("disable"),
    nodelay: text.includes("nodelay"),
    repair: text.includes("repair"),
    adopt: text.includes("adopt_only") ? "only-orphan" : text.includes("adopt") ? "if-orphan" : "no",
  });
}

/** No option at all: what an absent opts and "none" mean. */
export const NO_OPTIONS: RequestOptions = readOptions("");

const known = new Map<string, RequestOptions>([["none", NO_OPTIONS]]);

/** The options that `text` names. The same text gives the same object, which must not be changed. */
export function parseOptions(text: string): RequestOptions {
  const found = known.get(text);
  if (found !== undefined) return found;
  const options = readOptions(text);
  if (known.size < LIMITS.known_opts) known.set(text, options);
  return options;
}
