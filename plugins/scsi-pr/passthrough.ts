import { ptr } from "bun:ffi";
import { checkFd } from "../native/arguments.ts";
import { errnoText, lastErrno, prepareErrno } from "../native/errno.ts";
import { libc } from "../native/libc.ts";
import { type Struct, stableMemory } from "../native/structs.ts";
import type { FailedOutcome, NvmeExchange, NvmeOutcome, ScsiExchange, ScsiOutcome } from "./exchange.ts";
import { IOCTLS, NVME_COMMAND, SG_IO_HDR } from "./layouts.ts";

/* The two ioctls that carry a command to a device. Both block their thread until the device or its driver has answered. */

const SG_INTERFACE_ID = "S".charCodeAt(0);
const SG_DXFER_TO_DEV = -2;
const SG_DXFER_FROM_DEV = -3;
/** Room for sense data: the driver gives 96 bytes at most, and 252 is all that SPC lets a device say. */
const SENSE_SIZE_BYTES = 252;

function failed(call: string): FailedOutcome {
  const errno = lastErrno();
  return { kind: "failed", call, errno, detail: errnoText(errno) };
}

/** The caller keeps `memory` alive until the call that uses the address is over. */
function addressOf(memory: Uint8Array): bigint {
  return BigInt(ptr(memory));
}

/** A SCSI command in memory that the kernel may read and write: it has to live until the command has ended. */
export interface ScsiRequest {
  readonly header: Struct<typeof SG_IO_HDR.fields>;
  readonly cdb: Uint8Array;
  readonly data: Uint8Array;
  readonly sense: Uint8Array;
  readonly has_answer: boolean;
}

/** Lays a command out for the kernel. */
export function scsiRequest({ cdb, data_out, answer_size_bytes, timeout_ms }: ScsiExchange): ScsiRequest {
  const request = {
    header: SG_IO_HDR.allocate(),
    cdb: stableMemory(cdb.length),
    data: stableMemory(data_out === null ? answer_size_bytes : data_out.length),
    sense: stableMemory(SENSE_SIZE_BYTES),
    has_answer: data_out === null,
  };
  request.cdb.set(cdb);
  if (data_out !== null) request.data.set(data_out);
  const { header } = request;
  header.set("interface_id", SG_INTERFACE_ID);
  header.set("dxfer_direction", data_out === null ? SG_DXFER_FROM_DEV : SG_DXFER_TO_DEV);
  header.set("cmd_len", cdb.length);
  header.set("mx_sb_len", SENSE_SIZE_BYTES);
  header.set("dxfer_len", request.data.length);
  header.set("dxferp", addressOf(request.data));
  header.set("cmdp", addressOf(request.cdb));
  header.set("sbp", addressOf(request.sense));
  header.set("timeout", timeout_ms);
  return request;
}

/** How a command ended, from what the kernel wrote into its header. */
export function scsiOutcome({ header, data, sense, has_answer }: ScsiRequest): ScsiOutcome {
  // What did not come is counted by the driver; a count outside of the buffer is a driver's defect and counts as nothing.
  const resid = Math.min(Math.max(header.get("resid"), 0), data.length);
  return {
    kind: "scsi",
    status: header.get("status"),
    host_status: header.get("host_status"),
    sense: sense.slice(0, Math.min(header.get("sb_len_wr"), SENSE_SIZE_BYTES)),
    answer: has_answer ? data.slice(0, data.length - resid) : new Uint8Array(),
  };
}

/** Sends one SCSI command through `fd`, a disk's block device or sg device, and waits for its end. */
export function performScsi(fd: number, exchange: ScsiExchange): ScsiOutcome | FailedOutcome {
  prepareErrno();
  const request = scsiRequest(exchange);
  if (libc().ioctl(checkFd(fd), IOCTLS.SG_IO, request.header.bytes) !== 0) return failed("ioctl(SG_IO)");
  return scsiOutcome(request);
}

/** Sends one NVMe command through `fd`, a namespace's block device. */
export function performNvme(fd: number, exchange: NvmeExchange): NvmeOutcome | FailedOutcome {
  const { queue, opcode, cdw10, cdw11, data_out, answer_size_bytes, timeout_ms } = exchange;
  prepareErrno();
  // The namespace's number is asked for each time: it costs no command, and a number of an earlier namespace would be worse.
  const namespace = libc().ioctl(checkFd(fd), IOCTLS.NVME_IOCTL_ID, null);
  if (namespace <= 0) return failed("ioctl(NVME_IOCTL_ID)");
  const data = stableMemory(data_out === null ? answer_size_bytes : data_out.length);
  if (data_out !== null) data.set(data_out);
  const command = NVME_COMMAND.allocate();
  command.set("opcode", opcode);
  command.set("nsid", namespace);
  command.set("addr", data.length === 0 ? 0n : addressOf(data));
  command.set("data_len", data.length);
  command.set("cdw10", cdw10);
  command.set("cdw11", cdw11);
  command.set("timeout_ms", timeout_ms);
  const request = queue === "io" ? IOCTLS.NVME_IOCTL_IO_CMD : IOCTLS.NVME_IOCTL_ADMIN_CMD;
  const status = libc().ioctl(fd, request, command.bytes);
  if (status < 0) return failed(queue === "io" ? "ioctl(NVME_IOCTL_IO_CMD)" : "ioctl(NVME_IOCTL_ADMIN_CMD)");
  return {
    kind: "nvme",
    status,
    result: command.get("result"),
    answer: data_out === null ? data : new Uint8Array(),
  };
}
