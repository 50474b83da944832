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

/** Who may do what was denied, as a clause: to root, something else than its user id is in the way. */
export function deniedText(is_root: boolean): string {
  return is_root
    ? "root was refused too, so a container, a unit file or a security module keeps it from this device: " +
        "it has to allow the device and the capabilities CAP_SYS_RAWIO and, for NVMe, CAP_SYS_ADMIN"
    : "only root may";
}

export function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

/** The refusal for a system call that failed. */
export function refusalOfErrno(
  failed: FailedOutcome,
  { device, command }: { device: string; command: string },
  is_root = isRoot(),
): PrRefusal {
  const kind = KIND_OF_ERRNO[errnoName(failed.errno)] ?? "failed";
  const why = {
    denied: "not allowed",
    gone: "the device is gone",
    unsupported: "its driver takes no such commands",
    conflict: "",
    failed: "the system could not send it",
  }[kind];
  const more = kind === "denied" ? `; ${deniedText(is_root)}` : "";
  return { kind, detail: `${device}: ${command}: ${why} (${failed.call}: ${failed.detail})${more}` };
}
