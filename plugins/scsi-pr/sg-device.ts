import { constants, openSync, readdirSync, readSync, writeSync } from "node:fs";
import { constants as system } from "node:os";
import { errnoText } from "../native/errno.ts";
import type { BlockDeviceFacts } from "./block-device.ts";
import type { FailedOutcome, ScsiExchange, ScsiOutcome } from "./exchange.ts";
import { SG_IO_HDR } from "./layouts.ts";
import { type ScsiRequest, scsiOutcome, scsiRequest } from "./passthrough.ts";

/*
 * A disk's sg device takes a command by write, tells by poll when it has ended, and gives its end by read, so that one thread has
 * commands of many disks under way. A start of 64 disks, measured in a guest with one emulated processor: 2.0 to 2.2 s this way at
 * either distance (one disk: 0.8 to 1.0 s), 13 s by sg_persist in a loop, 20 s where disks are 10 ms away, and 6 to 69 s with
 * workers, whose start costs more than all of their commands.
 */

/**
 * Opens the sg device of a SCSI disk; null when there is none (the module sg is not loaded) or it can't be opened, and commands
 * are then sent through the disk itself. Opening it for writing sets nothing off: udev does not watch character devices.
 */
export function openSgDevice({ kernel_name, scsi_type }: BlockDeviceFacts): number | null {
  if (scsi_type === null) return null;
  try {
    const directory = `/sys/block/${kernel_name.replaceAll("/", "!")}/device/scsi_generic`;
    const name = readdirSync(directory).find((entry) => /^sg\d+$/.test(entry));
    return name === undefined ? null : openSync(`/dev/${name}`, constants.O_RDWR | constants.O_NONBLOCK);
  } catch {
    return null;
  }
}

function failure(call: string, error: unknown): FailedOutcome {
  const code = error instanceof Error && "code" in error ? String(error.code) : "EIO";
  const errno = (system.errno as Readonly<Record<string, number>>)[code] ?? system.errno.EIO;
  return { kind: "failed", call, errno, detail: errnoText(errno) };
}

/** Hands a command to the disk. At most one may be under way through a descriptor. */
export function submitScsi(sg_fd: number, exchange: ScsiExchange): ScsiRequest | FailedOutcome {
  const request = scsiRequest(exchange);
  try {
    writeSync(sg_fd, request.header.bytes);
    return request;
  } catch (error) {
    return failure("write to the sg device", error);
  }
}

/** Takes the end of a command that poll has announced. */
export function collectScsi(sg_fd: number, request: ScsiRequest): ScsiOutcome | FailedOutcome {
  try {
    readSync(sg_fd, request.header.bytes, 0, SG_IO_HDR.size_bytes, null);
    return scsiOutcome(request);
  } catch (error) {
    return failure("read from the sg device", error);
  }
}
