import { defineStruct } from "../native/structs.ts";

/*
 * The structs of the two passthrough ioctls, from scsi/sg.h and linux/nvme_ioctl.h. A test compares each offset with what the
 * C compiler makes of the installed headers.
 */

/** One SCSI command for SG_IO. */
export const SG_IO_HDR = defineStruct("struct sg_io_hdr", "scsi/sg.h", 88, {
  interface_id: ["i32", 0],
  dxfer_direction: ["i32", 4],
  cmd_len: ["u8", 8],
  mx_sb_len: ["u8", 9],
  iovec_count: ["u16", 10],
  dxfer_len: ["u32", 12],
  dxferp: ["pointer", 16],
  cmdp: ["pointer", 24],
  sbp: ["pointer", 32],
  timeout: ["u32", 40],
  flags: ["u32", 44],
  pack_id: ["i32", 48],
  usr_ptr: ["pointer", 56],
  status: ["u8", 64],
  masked_status: ["u8", 65],
  msg_status: ["u8", 66],
  sb_len_wr: ["u8", 67],
  host_status: ["u16", 68],
  driver_status: ["u16", 70],
  resid: ["i32", 72],
  duration: ["u32", 76],
  info: ["u32", 80],
});

/** One NVMe command for NVME_IOCTL_IO_CMD and NVME_IOCTL_ADMIN_CMD; `result` is the completion's first dword. */
export const NVME_COMMAND = defineStruct("struct nvme_passthru_cmd", "linux/nvme_ioctl.h", 72, {
  opcode: ["u8", 0],
  flags: ["u8", 1],
  rsvd1: ["u16", 2],
  nsid: ["u32", 4],
  cdw2: ["u32", 8],
  cdw3: ["u32", 12],
  metadata: ["u64", 16],
  addr: ["u64", 24],
  metadata_len: ["u32", 32],
  data_len: ["u32", 36],
  cdw10: ["u32", 40],
  cdw11: ["u32", 44],
  cdw12: ["u32", 48],
  cdw13: ["u32", 52],
  cdw14: ["u32", 56],
  cdw15: ["u32", 60],
  timeout_ms: ["u32", 64],
  result: ["u32", 68],
});

/** Every layout of this file, for the test that compares them with the C compiler's. */
export const PASSTHROUGH_LAYOUTS = [SG_IO_HDR, NVME_COMMAND] as const;

/** ioctl request numbers; the test compares them with the headers as well. */
export const IOCTLS = {
  SG_IO: 0x2285,
  NVME_IOCTL_ID: 0x4e40,
  NVME_IOCTL_ADMIN_CMD: 0xc0484e41,
  NVME_IOCTL_IO_CMD: 0xc0484e43,
} as const;
