import { EXIT } from "../core/errors.ts";
import type { ManBlock } from "./option-table.ts";

const meanings: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: "Success.",
  failure: "A failure that none of the other statuses names.",
  usage: "The command line is wrong, or makes no sense in this state.",
  not_running: "lvmlockd does not run or does not answer.",
  busy: "Something is in use, or a lock is held by somebody else. Trying later can help.",
  not_found: "There is no such VG, LV or lock here.",
  config: "The configuration is wrong.",
  manager: "The lock manager or its storage has failed.",
  unsupported: "Not supported by this version or this lock manager.",
};

/** The exit statuses of the three programs, for their man pages. */
export function exitStatusBlock(): ManBlock {
  const names = Object.keys(EXIT) as (keyof typeof EXIT)[];
  return { kind: "definitions", entries: names.map((name) => [String(EXIT[name]), meanings[name]] as const) };
}
