import { closeSync, constants, openSync, readdirSync, readSync, writeSync } from "node:fs";
import { constants as system } from "node:os";
import { errnoText } from "../native/errno.ts";
import type { BlockDeviceFacts } from "./block-device.ts";
import type { FailedOutcome, ScsiExchange, ScsiOutcome } from "./exchange.ts";
import { SG_IO_HDR } from "./layouts.ts";
import { scsiRequest } from "./passthrough.ts";

/*
 * A disk's sg device takes a command by write, tells by poll when it has ended, and gives its end by read, so that one thread has
 * commands of many disks under way. docs/performance.md has what that comes to. Workers took 6 to 69 s for 64 disks in a guest
 * where this way takes one or two: to start one costs more than all of its commands.
 */

/** A way to a disk on which a command need not be waited for. At most one may be under way at a time. */
export interface SgChannel {
  /** What poll tells of: readable when the command has ended. */
  readonly fd: number;
  /** Hands a command to the disk; null when it is under way. */
  submit(exchange: ScsiExchange): FailedOutcome | null;
  /** Takes the end of the command that poll has announced. */
  collect(): ScsiOutcome | FailedOutcome;
  close(): void;
}

/**
 * Opens the sg device of a SCSI disk; null when there is none (the module sg is not loaded) or it can't be opened, and commands
 * are then sent through the disk itself. Opening it for writing sets nothing off: udev does not watch character devices.
 */
export function openSgDevice({ kernel_name, scsi_type }: BlockDeviceFacts): SgChannel | null {
  if (scsi_type === null) return null;
  try {
    const directory = `/sys/block/${kernel_name.replaceAll("/", "!")}/device/scsi_generic`;
    const name = readdirSync(directory).find((entry) => /^sg\d+$/.test(entry));
    if (name === undefined) return null;
    return sgChannel(openSync(`/dev/${name}`, constants.O_RDWR | constants.O_NONBLOCK));
  } catch {
    return null;
  }
}

/** The channel of an open sg device, which closes it. */
export function sgChannel(fd: number): SgChannel {
  const request = scsiRequest();
  return {
    fd,
    submit(exchange) {
      request.lay(exchange);
      try {
        writeSync(fd, request.header());
        return null;
      } catch (error) {
        return failure("write to the sg device", error);
      }
    },
    collect() {
      try {
        readSync(fd, request.header(), 0, SG_IO_HDR.size_bytes, null);
        return request.outcome();
      } catch (error) {
        return failure("read from the sg device", error);
      }
    },
    close: () => closeSync(fd),
  };
}

function failure(call: string, error: unknown): FailedOutcome {
  const code = error instanceof Error && "code" in error ? String(error.code) : "EIO";
  const errno = (system.errno as Readonly<Record<string, number>>)[code] ?? system.errno.EIO;
  return { kind: "failed", call, errno, detail: errnoText(errno) };
}
