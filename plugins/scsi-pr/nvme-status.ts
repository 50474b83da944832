import type { FailedOutcome, NvmeOutcome } from "./exchange.ts";
import { refusalOfErrno } from "./refusals.ts";
import type { PrRefusal } from "./reservable.ts";
import type { Asked, Verdict } from "./scsi-status.ts";

/* What the end of an NVMe command means: NVM Express Base Specification 2.0, clause 3.3.3.2.1 (status codes). */

/** Status code type and code as one number: type << 8 | code. */
export const NVME_STATUS = {
  success: 0x000,
  invalid_opcode: 0x001,
  invalid_field: 0x002,
  aborted_power_loss: 0x005,
  internal_error: 0x006,
  abort_requested: 0x007,
  invalid_namespace: 0x00b,
  host_id_inconsistent: 0x018,
  namespace_not_ready: 0x082,
  reservation_conflict: 0x083,
  access_inaccessible: 0x302,
  access_persistent_loss: 0x301,
  access_transition: 0x303,
  path_error: 0x370,
  path_aborted: 0x371,
} as const;

const WORDS: Readonly<Record<number, string>> = {
  [NVME_STATUS.invalid_opcode]: "the controller does not know the command",
  [NVME_STATUS.invalid_field]: "invalid field in the command",
  [NVME_STATUS.aborted_power_loss]: "aborted because of a power loss notification",
  [NVME_STATUS.internal_error]: "internal error of the controller",
  [NVME_STATUS.abort_requested]: "the command was aborted",
  [NVME_STATUS.invalid_namespace]: "invalid namespace",
  [NVME_STATUS.host_id_inconsistent]: "the host identifier has another length",
  [NVME_STATUS.namespace_not_ready]: "the namespace is not ready",
  [NVME_STATUS.access_inaccessible]: "the namespace can't be reached through this controller",
  [NVME_STATUS.access_persistent_loss]: "the namespace is lost to this controller",
  [NVME_STATUS.access_transition]: "the namespace's access state is changing",
  [NVME_STATUS.path_error]: "the path to the controller failed",
  [NVME_STATUS.path_aborted]: "the host gave the path up",
};

const CODE_MASK = 0x7ff;

/** Status code type and code of an ioctl's result, without the bits "more" and "do not retry". */
export function statusCode(status: number): number {
  return status & CODE_MASK;
}

/** Decides what the end of a command means. */
export function judgeNvme(outcome: NvmeOutcome | FailedOutcome, asked: Asked): Verdict {
  if (outcome.kind === "failed") return refusalOfErrno(outcome, asked);
  const code = statusCode(outcome.status);
  const words = WORDS[code] ?? "the controller answered with an error";
  const refuse = (kind: PrRefusal["kind"]): PrRefusal => ({
    kind,
    detail: `${asked.device}: ${asked.command}: ${words} (status ${code.toString(16).padStart(3, "0")}h)`,
  });
  switch (code) {
    case NVME_STATUS.success:
      return { kind: "good" };
    case NVME_STATUS.reservation_conflict:
      return {
        kind: "conflict",
        detail: `${asked.device}: ${asked.command}: the device answered RESERVATION CONFLICT (status 083h)`,
      };
    case NVME_STATUS.invalid_opcode:
      return refuse("unsupported");
    case NVME_STATUS.invalid_namespace:
    case NVME_STATUS.access_inaccessible:
    case NVME_STATUS.access_persistent_loss:
      return refuse("gone");
    case NVME_STATUS.namespace_not_ready:
    case NVME_STATUS.access_transition:
      return { kind: "again", pause: true, detail: words };
    case NVME_STATUS.path_error:
    case NVME_STATUS.path_aborted:
    case NVME_STATUS.abort_requested:
      // Whether the controller carried it out before the path went is not known, so only reading is tried again.
      return asked.changes ? refuse("gone") : { kind: "again", pause: true, detail: words };
    default:
      return refuse("failed");
  }
}
