import { ptr } from "bun:ffi";
import { LIMITS } from "../../core/limits.ts";
import { checkFd } from "../native/arguments.ts";
import { errnoText, lastErrno, prepareErrno } from "../native/errno.ts";
import { libc } from "../native/libc.ts";
import { stableMemory } from "../native/structs.ts";
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

/** Memory of one SCSI command at a time, which the kernel may read and write from `lay` until the command has ended. */
export interface ScsiRequest {
  /** What the kernel is given: asked for after `lay`, because a longer answer gets other memory. */
  header(): Uint8Array;
  /** Lays a command out for the kernel. */
  lay(exchange: ScsiExchange): void;
  /** How the command ended, from what the kernel wrote; the bytes are copies. */
  outcome(): ScsiOutcome;
}

/** Room for the longest CDB of SG_IO; ours have 10 bytes. */
const CDB_SIZE_BYTES_MAX = 16;
const NO_BYTES = new Uint8Array();

/** The parts of a request's memory, one behind the other: header, CDB, sense data, and what goes to the device or comes from it. */
const CDB_AT = SG_IO_HDR.size_bytes;
const SENSE_AT = CDB_AT + CDB_SIZE_BYTES_MAX;
const DATA_AT = SENSE_AT + SENSE_SIZE_BYTES;

/** Memory for commands. It is made once for each channel to a disk, because that costs as much as some commands do. */
export function scsiRequest(): ScsiRequest {
  let room = layRoom(LIMITS.pr_answer_size_bytes);
  let size_bytes = 0;
  let has_answer = false;
  return {
    header: () => room.header,
    lay(exchange) {
      const { cdb, data_out, timeout_ms } = exchange;
      has_answer = data_out === null;
      size_bytes = data_out === null ? exchange.answer_size_bytes : data_out.length;
      if (size_bytes > room.data.length) room = layRoom(size_bytes);
      const { view, data } = room;
      // A driver that counts wrongly what came must not have us read an earlier answer as this one.
      data.fill(0, 0, size_bytes);
      if (data_out !== null) data.set(data_out);
      room.cdb.set(cdb);
      view.setInt32(AT.dxfer_direction[1], has_answer ? SG_DXFER_FROM_DEV : SG_DXFER_TO_DEV, true);
      view.setUint8(AT.cmd_len[1], cdb.length);
      view.setUint32(AT.dxfer_len[1], size_bytes, true);
      view.setUint32(AT.timeout[1], timeout_ms, true);
      // How an earlier command ended must not be read as this one's end.
      view.setUint8(AT.status[1], 0);
      view.setUint8(AT.sb_len_wr[1], 0);
      view.setUint16(AT.host_status[1], 0, true);
      view.setInt32(AT.resid[1], 0, true);
    },
    outcome() {
      const { view, data, sense } = room;
      // What did not come is counted by the driver; a count outside of the buffer is a driver's defect and counts as nothing.
      const resid = Math.min(Math.max(view.getInt32(AT.resid[1], true), 0), size_bytes);
      const sense_size_bytes = Math.min(view.getUint8(AT.sb_len_wr[1]), SENSE_SIZE_BYTES);
      return {
        kind: "scsi",
        status: view.getUint8(AT.status[1]),
        host_status: view.getUint16(AT.host_status[1], true),
        sense: sense_size_bytes === 0 ? NO_BYTES : sense.slice(0, sense_size_bytes),
        answer: has_answer ? data.slice(0, size_bytes - resid) : NO_BYTES,
      };
    },
  };
}

interface RequestRoom {
  readonly header: Uint8Array;
  readonly view: DataView;
  readonly cdb: Uint8Array;
  readonly sense: Uint8Array;
  readonly data: Uint8Array;
}

/** Memory with what is the same for every command written into it. */
function layRoom(data_size_bytes: number): RequestRoom {
  const memory = stableMemory(DATA_AT + data_size_bytes);
  const { buffer } = memory;
  const view = new DataView(buffer);
  const address = addressOf(memory);
  view.setInt32(AT.interface_id[1], SG_INTERFACE_ID, true);
  view.setUint8(AT.mx_sb_len[1], SENSE_SIZE_BYTES);
  view.setBigUint64(AT.cmdp[1], address + BigInt(CDB_AT), true);
  view.setBigUint64(AT.sbp[1], address + BigInt(SENSE_AT), true);
  view.setBigUint64(AT.dxferp[1], address + BigInt(DATA_AT), true);
  return {
    header: new Uint8Array(buffer, 0, SG_IO_HDR.size_bytes),
    view,
    cdb: new Uint8Array(buffer, CDB_AT, CDB_SIZE_BYTES_MAX),
    sense: new Uint8Array(buffer, SENSE_AT, SENSE_SIZE_BYTES),
    data: new Uint8Array(buffer, DATA_AT, data_size_bytes),
  };
}

/** Where the header's fields are. They are read and written directly: by name it is most of what a command costs here. */
const AT = SG_IO_HDR.fields;

/** Sends one SCSI command through `fd`, a disk's block device or sg device, and waits for its end. */
export function performScsi(fd: number, exchange: ScsiExchange): ScsiOutcome | FailedOutcome {
  prepareErrno();
  const request = scsiRequest();
  request.lay(exchange);
  if (libc().ioctl(checkFd(fd), IOCTLS.SG_IO, request.header()) !== 0) return failed("ioctl(SG_IO)");
  return request.outcome();
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
