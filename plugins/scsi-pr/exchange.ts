/*
 * What the commands ask of the outside world, as plain data: a script (a generator) yields exchanges and is resumed with their
 * outcomes. So the order of commands, their retries and the reading of answers are the same whether one thread performs them
 * one after another or a pool of workers performs those of many devices at once, and tests can play the device.
 */

/** One SCSI command by SG_IO. `answer_size_bytes` is the room for data from the device; 0 when data goes to it. */
export interface ScsiExchange {
  readonly kind: "scsi";
  /** Which of the device's descriptors: a multipath map has one for each path. */
  readonly path: number;
  readonly cdb: Uint8Array;
  readonly data_out: Uint8Array | null;
  readonly answer_size_bytes: number;
  readonly timeout_ms: number;
}

/** One NVMe command by passthrough; `admin` commands go to the controller's other queue. */
export interface NvmeExchange {
  readonly kind: "nvme";
  readonly path: number;
  readonly queue: "io" | "admin";
  readonly opcode: number;
  readonly cdw10: number;
  readonly cdw11: number;
  readonly data_out: Uint8Array | null;
  readonly answer_size_bytes: number;
  readonly timeout_ms: number;
}

/** One command of multipathd's socket, in its words ("getprkey map mpatha"). */
export interface MultipathdExchange {
  readonly kind: "multipathd";
  readonly command: string;
}

/** A wait before something is tried again. */
export interface PauseExchange {
  readonly kind: "pause";
  readonly pause_ms: number;
}

export type Exchange = ScsiExchange | NvmeExchange | MultipathdExchange | PauseExchange;

/** How a SCSI command ended: the device's status, the transport's, sense data, and as much data as was transferred. */
export interface ScsiOutcome {
  readonly kind: "scsi";
  readonly status: number;
  readonly host_status: number;
  readonly sense: Uint8Array;
  readonly answer: Uint8Array;
}

/** How an NVMe command ended: its status field without the phase bit (0: success), its first result dword, its data. */
export interface NvmeOutcome {
  readonly kind: "nvme";
  readonly status: number;
  readonly result: number;
  readonly answer: Uint8Array;
}

/** The system did not carry the command to the device at all. */
export interface FailedOutcome {
  readonly kind: "failed";
  readonly call: string;
  readonly errno: number;
  /** errno's name and words. */
  readonly detail: string;
}

/** `absent`: multipathd does not run. */
export type MultipathdOutcome =
  | { readonly kind: "multipathd"; readonly reply: string }
  | { readonly kind: "absent"; readonly detail: string };

export type Outcome =
  | ScsiOutcome
  | NvmeOutcome
  | FailedOutcome
  | MultipathdOutcome
  | { readonly kind: "paused" };

/** A sequence of exchanges that ends with `Result`. */
export type Script<Result> = Generator<Exchange, Result, Outcome>;

/** The outcomes that an exchange of each kind can have. */
interface OutcomesByKind {
  readonly scsi: ScsiOutcome | FailedOutcome;
  readonly nvme: NvmeOutcome | FailedOutcome;
  readonly multipathd: MultipathdOutcome;
  readonly pause: { readonly kind: "paused" };
}

/** Yields one exchange and gives its outcome with the type that belongs to it; the performers keep to that. */
export function* ask<Asked extends Exchange>(exchange: Asked): Script<OutcomesByKind[Asked["kind"]]> {
  return (yield exchange) as OutcomesByKind[Asked["kind"]];
}
