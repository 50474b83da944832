/* Sense data: what a SCSI device says about a command that it did not carry out. SPC-4 clause 4.5. */

/** The three numbers that tell what was wrong, whichever format they came in. */
export interface Sense {
  readonly key: number;
  /** Additional sense code and its qualifier. */
  readonly asc: number;
  readonly ascq: number;
  /** Sense about an earlier command, which has nothing to do with the one that brought it. */
  readonly deferred: boolean;
}

export const SENSE_KEYS = {
  no_sense: 0x0,
  recovered_error: 0x1,
  not_ready: 0x2,
  medium_error: 0x3,
  hardware_error: 0x4,
  illegal_request: 0x5,
  unit_attention: 0x6,
  data_protect: 0x7,
  aborted_command: 0xb,
} as const;

const KEY_WORDS: readonly string[] = [
  "no sense",
  "recovered error",
  "not ready",
  "medium error",
  "hardware error",
  "illegal request",
  "unit attention",
  "data protect",
  "blank check",
  "vendor specific",
  "copy aborted",
  "aborted command",
  "reserved",
  "volume overflow",
  "miscompare",
  "completed",
];

/** The additional sense codes that answer our commands, by asc and ascq in hex; the full list has a thousand more. */
const ASC_WORDS: Readonly<Record<string, string>> = {
  "00/00": "no additional sense information",
  "04/00": "not ready, cause not reportable",
  "04/01": "in process of becoming ready",
  "04/02": "not ready, initializing command required",
  "04/03": "not ready, manual intervention required",
  "04/04": "not ready, format in progress",
  "04/09": "not ready, self-test in progress",
  "04/0a": "asymmetric access state transition",
  "04/0b": "target port in standby state",
  "04/0c": "target port in unavailable state",
  "08/00": "logical unit communication failure",
  "08/01": "logical unit communication time-out",
  "0b/00": "warning",
  "10/01": "logical block guard check failed",
  "1a/00": "parameter list length error",
  "20/00": "invalid command operation code",
  "21/00": "logical block address out of range",
  "24/00": "invalid field in CDB",
  "25/00": "logical unit not supported",
  "26/00": "invalid field in parameter list",
  "26/01": "parameter not supported",
  "26/02": "parameter value invalid",
  "26/04": "invalid release of persistent reservation",
  "27/00": "write protected",
  "28/00": "not ready to ready change, medium may have changed",
  "29/00": "power on, reset, or bus device reset occurred",
  "29/01": "power on occurred",
  "29/02": "SCSI bus reset occurred",
  "29/03": "bus device reset function occurred",
  "29/04": "device internal reset",
  "29/05": "transceiver mode changed to single-ended",
  "29/06": "transceiver mode changed to LVD",
  "29/07": "I_T nexus loss occurred",
  "2a/01": "mode parameters changed",
  "2a/02": "log parameters changed",
  "2a/03": "reservations preempted",
  "2a/04": "reservations released",
  "2a/05": "registrations preempted",
  "2a/06": "asymmetric access state changed",
  "2a/07": "implicit asymmetric access state transition failed",
  "2a/09": "capacity data has changed",
  "2f/00": "commands cleared by another initiator",
  "3a/00": "medium not present",
  "3e/00": "logical unit has not self-configured yet",
  "3e/01": "logical unit failure",
  "3f/00": "target operating conditions have changed",
  "3f/01": "microcode has been changed",
  "3f/03": "inquiry data has changed",
  "3f/0e": "reported LUNs data has changed",
  "44/00": "internal target failure",
  "47/00": "SCSI parity error",
  "4b/00": "data phase error",
  "4e/00": "overlapped commands attempted",
  "55/00": "system resource failure",
  "55/03": "insufficient resources",
  "55/04": "insufficient registration resources",
};

const FIXED_FORMATS = [0x70, 0x71];
const DESCRIPTOR_FORMATS = [0x72, 0x73];
const FIXED_SIZE_BYTES_MIN = 8;

/**
 * Reads sense data in fixed (70h, 71h) or descriptor format (72h, 73h). Null when there is none or it is in neither. Fixed
 * sense that ends before the additional codes, as its own length says, has them as 0.
 */
export function parseSense(bytes: Uint8Array): Sense | null {
  const code = (bytes[0] ?? 0) & 0x7f;
  const deferred = code === 0x71 || code === 0x73;
  if (DESCRIPTOR_FORMATS.includes(code)) {
    if (bytes.length < 4) return null;
    return { key: (bytes[1] ?? 0) & 0x0f, asc: bytes[2] ?? 0, ascq: bytes[3] ?? 0, deferred };
  }
  if (!FIXED_FORMATS.includes(code) || bytes.length < 3) return null;
  const stated_size_bytes = FIXED_SIZE_BYTES_MIN + (bytes[7] ?? 0);
  const valid = bytes.subarray(0, stated_size_bytes);
  return { key: (bytes[2] ?? 0) & 0x0f, asc: valid[12] ?? 0, ascq: valid[13] ?? 0, deferred };
}

function hexByte(value: number): string {
  return value.toString(16).padStart(2, "0");
}

/** Sense for a person: "illegal request: invalid field in CDB (5/24/00)". */
export function senseInWords(sense: Sense): string {
  const code = `${hexByte(sense.asc)}/${hexByte(sense.ascq)}`;
  const numbers = `(${sense.key.toString(16)}/${code})`;
  const key = KEY_WORDS[sense.key] ?? "unknown";
  const words = ASC_WORDS[code];
  return words === undefined ? `${key} ${numbers}` : `${key}: ${words} ${numbers}`;
}
