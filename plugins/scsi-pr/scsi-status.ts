import type { FailedOutcome, ScsiOutcome } from "./exchange.ts";
import { refusalOfErrno } from "./refusals.ts";
import type { PrRefusal } from "./reservable.ts";
import { parseSense, SENSE_KEYS, type Sense, senseInWords } from "./sense.ts";

/* What to make of the end of a SCSI command: its status (SAM-5 clause 5.3.1), its sense data, and the transport's status. */

const STATUS = {
  good: 0x00,
  check_condition: 0x02,
  condition_met: 0x04,
  busy: 0x08,
  reservation_conflict: 0x18,
  task_set_full: 0x28,
  aca_active: 0x30,
  task_aborted: 0x40,
} as const;

/** The kernel's host bytes (include/scsi/scsi_status.h). */
const HOST_WORDS: Readonly<Record<number, string>> = {
  1: "no connection to the device",
  2: "the bus stayed busy",
  3: "no answer in time",
  4: "no such target",
  5: "the command was aborted",
  6: "parity error",
  7: "internal error of the host adapter",
  8: "the device was reset",
  9: "unexpected interrupt",
  11: "temporary error of the host adapter",
  12: "temporary error of the transport",
  13: "the command was put back",
  14: "the transport was disrupted",
  15: "the transport gave up the device",
  16: "permanent failure of the target",
  17: "reservation conflict of the nexus",
  18: "allocation failure of the target",
  19: "medium error",
  20: "the transport is marginal",
};
const HOST_NEXUS_FAILURE = 17;
/** The device can't be reached through this path now, and perhaps not later either. */
const HOST_GONE = [1, 3, 4, 15, 16];
/** The command never reached the device: safe to send again, whatever it is. */
const HOST_NOT_SENT = [2, 12, 13];
/** It is not known whether the device carried the command out: safe to send again only when it changes nothing. */
const HOST_UNCLEAR = [5, 6, 7, 8, 11, 14];

/**
 * `good`: carried out. `again`: not carried out, send it again; at once when the device only had news (a unit attention is
 * over once told), after a pause when it was busy. The sentence goes into the refusal when the tries are used up.
 */
export type Verdict =
  | { readonly kind: "good" }
  | { readonly kind: "again"; readonly pause: boolean; readonly detail: string }
  | PrRefusal;

const GOOD: Verdict = { kind: "good" };
const CONFLICT = "the device answered RESERVATION CONFLICT";

/** What was asked, for sentences: the device's path as the user gave it, the command's name, whether it changes anything. */
export interface Asked {
  readonly device: string;
  readonly command: string;
  readonly changes: boolean;
}

/** Decides what the end of a command means. */
export function judgeScsi(outcome: ScsiOutcome | FailedOutcome, asked: Asked): Verdict {
  if (outcome.kind === "failed") return refusalOfErrno(outcome, asked);
  const refuse = (kind: PrRefusal["kind"], why: string): PrRefusal => ({
    kind,
    detail: `${asked.device}: ${asked.command}: ${why}`,
  });
  switch (outcome.status) {
    case STATUS.reservation_conflict:
      return refuse("conflict", CONFLICT);
    case STATUS.busy:
    case STATUS.task_set_full:
    case STATUS.aca_active:
      return { kind: "again", pause: true, detail: "the device is busy" };
    case STATUS.task_aborted:
      return asked.changes
        ? refuse("failed", "another initiator aborted it")
        : { kind: "again", pause: false, detail: "another initiator aborted it" };
    case STATUS.check_condition:
      return judgeSense(outcome.sense, asked, refuse);
  }
  if (outcome.host_status !== 0) return judgeHost(outcome.host_status, asked, refuse);
  if (outcome.status === STATUS.good || outcome.status === STATUS.condition_met) return GOOD;
  return refuse("failed", `the device answered with the unknown status 0x${outcome.status.toString(16)}`);
}

type Refuse = (kind: PrRefusal["kind"], why: string) => PrRefusal;

function judgeHost(host_status: number, asked: Asked, refuse: Refuse): Verdict {
  const words = HOST_WORDS[host_status] ?? `host status ${host_status}`;
  if (host_status === HOST_NEXUS_FAILURE) return refuse("conflict", CONFLICT);
  if (HOST_GONE.includes(host_status)) return refuse("gone", words);
  if (HOST_NOT_SENT.includes(host_status)) return { kind: "again", pause: true, detail: words };
  if (!HOST_UNCLEAR.includes(host_status)) return refuse("failed", words);
  if (!asked.changes) return { kind: "again", pause: true, detail: words };
  return refuse("failed", `${words}; whether the device carried it out is not known, read its state`);
}

function judgeSense(bytes: Uint8Array, asked: Asked, refuse: Refuse): Verdict {
  const sense = parseSense(bytes);
  if (sense === null) return refuse("failed", "the device reported an error without sense data");
  const words = senseInWords(sense);
  // Deferred sense is about an earlier command; this one was not carried out (SAM-5) and may be sent again.
  if (sense.deferred) return { kind: "again", pause: false, detail: words };
  switch (sense.key) {
    case SENSE_KEYS.no_sense:
    case SENSE_KEYS.recovered_error:
      return GOOD;
    // It is told once for each nexus and then over; the command that brought it was not carried out.
    case SENSE_KEYS.unit_attention:
      return { kind: "again", pause: false, detail: words };
    case SENSE_KEYS.not_ready:
      return judgeNotReady(sense, words, refuse);
    case SENSE_KEYS.aborted_command:
      return asked.changes ? refuse("failed", words) : { kind: "again", pause: true, detail: words };
    case SENSE_KEYS.illegal_request:
      return refuse(kindOfIllegalRequest(sense), words);
    default:
      return refuse("failed", words);
  }
}

/** Becoming ready and a change of the access state are over in a moment; everything else lasts. */
function judgeNotReady(sense: Sense, words: string, refuse: Refuse): Verdict {
  if (sense.asc !== 0x04) return refuse("failed", words);
  if (sense.ascq === 0x01 || sense.ascq === 0x0a) return { kind: "again", pause: true, detail: words };
  // Standby and unavailable: the device is there, but not through this port.
  return refuse(sense.ascq === 0x0b || sense.ascq === 0x0c ? "gone" : "failed", words);
}

/**
 * 20/00 is a command that the device does not know, 24/00 a service action (we set nothing else in the CDB wrong), and 25/00 a
 * logical unit that the target does not have any more.
 */
function kindOfIllegalRequest({ asc, ascq }: Sense): PrRefusal["kind"] {
  if (asc === 0x25) return "gone";
  return ascq === 0 && (asc === 0x20 || asc === 0x24) ? "unsupported" : "failed";
}
