import { errnoName } from "../native/errno.ts";
import type { FailedOutcome } from "./exchange.ts";
import type { PrRefusal } from "./reservable.ts";

/** What an errno of open or ioctl says about a device. */
const KIND_OF_ERRNO: Readonly<Record<string, PrRefusal["kind"]>> = {
  EACCES: "denied",
  EPERM: "denied",
  ENODEV: "gone",
  ENXIO: "gone",
  ENOENT: "gone",
  ESHUTDOWN: "gone",
  ETIMEDOUT: "gone",
  // The ioctl reached a driver that has no such commands.
  ENOTTY: "unsupported",
  EINVAL: "unsupported",
  EOPNOTSUPP: "unsupported",
};

/** The refusal for a system call that failed. */
export function refusalOfErrno(
  failed: FailedOutcome,
  { device, command }: { device: string; command: string },
): PrRefusal {
  const kind = KIND_OF_ERRNO[errnoName(failed.errno)] ?? "failed";
  const why = {
    denied: "not allowed",
    gone: "the device is gone",
    unsupported: "its driver takes no such commands",
    conflict: "",
    failed: "the system could not send it",
  }[kind];
  return { kind, detail: `${device}: ${command}: ${why} (${failed.call}: ${failed.detail})` };
}
