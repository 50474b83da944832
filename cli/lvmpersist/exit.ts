import { EXIT } from "../../core/errors.ts";
import type { RunResult } from "../../plugins/scsi-pr/actions/report.ts";
import type { ManBlock } from "../option-table.ts";

/**
 * The exit statuses of lvmpersist: those of the other programs where they mean the same for devices, and one of its own. lvm and
 * lvmlockd only tell 0 from the rest; the script of lvm2 ends with 1 for every failure.
 */
export const PERSIST_EXIT = {
  ok: EXIT.ok,
  failure: EXIT.failure,
  usage: EXIT.usage,
  not_started: EXIT.not_running,
  conflict: EXIT.busy,
  not_found: EXIT.not_found,
  config: EXIT.config,
  device: EXIT.manager,
  unsupported: EXIT.unsupported,
  partial: 9,
} as const;

const meanings: Readonly<Record<keyof typeof PERSIST_EXIT, string>> = {
  ok: "Success: every device is as it was wanted, read back from it.",
  failure: "A failure that none of the other statuses names, missing permission, or an end by a signal.",
  usage: "The command line is wrong, a key for instance. No device was looked at.",
  not_started:
    "Persistent reservation is not started: our key, the key looked for, or the reservation is missing.",
  conflict: "Another host holds a reservation that is in the way. Nothing is changed.",
  not_found:
    "There is no such VG, or the key to be removed is not registered on any device. Nothing is changed.",
  config: "LVM_BINARY names a program that can't be trusted, or there is no lvm.",
  device: "A device is missing or does not answer.",
  unsupported: "A device has no persistent reservations, or not this type. Nothing is changed.",
  partial:
    "Some devices are as it was wanted and others are not; the report says which. Run it again when they can be reached.",
};

/** Run results by exit status. */
export function exitOf(result: RunResult): number {
  switch (result) {
    case "done":
    case "nothing":
    case "planned":
      return PERSIST_EXIT.ok;
    case "not-started":
      return PERSIST_EXIT.not_started;
    case "not-found":
      return PERSIST_EXIT.not_found;
    case "gone":
      return PERSIST_EXIT.device;
    case "denied":
    case "failed":
    case "interrupted":
    // A device of which something is not proven is left, and then the run is partial.
    case "unproven":
      return PERSIST_EXIT.failure;
    case "conflict":
    case "unsupported":
    case "partial":
      return PERSIST_EXIT[result];
  }
}

export function persistExitBlock(): ManBlock {
  const names = Object.keys(PERSIST_EXIT) as (keyof typeof PERSIST_EXIT)[];
  return {
    kind: "definitions",
    entries: names.map((name) => [String(PERSIST_EXIT[name]), meanings[name]] as const),
  };
}
