import { defineStruct } from "../native/structs.ts";

/*
 * The structs of libdlm and libdlmcontrol, from the headers of libdlm-dev 4.2.0 (those of 4.3.0 are the same). A test compares
 * each offset with what the C compiler makes of the installed headers.
 */

/** DLM_LVB_LEN: bytes of a value block. */
export const VALUE_BLOCK_BYTES = 32;
/** DLM_LOCKSPACE_LEN, the longest name of a lockspace. */
export const LOCKSPACE_NAME_BYTES = 64;
/** DLMC_RUN_UUID_LEN and DLMC_RUN_COMMAND_LEN, with their NUL. */
export const RUN_UUID_BYTES = 64;
export const RUN_COMMAND_BYTES = 1024;

/** What the library writes a request's result to. */
export const LKSB = defineStruct("struct dlm_lksb", "libdlm.h", 24, {
  sb_status: ["i32", 0],
  sb_lkid: ["u32", 4],
  sb_flags: ["i8", 8],
  sb_lvbptr: ["pointer", 16],
});

export const NODE = defineStruct("struct dlmc_node", "libdlmcontrol.h", 40, {
  nodeid: ["i32", 0],
  flags: ["u32", 4],
  added_seq: ["u32", 8],
  removed_seq: ["u32", 12],
  fail_reason: ["i32", 16],
  fail_walltime: ["u64", 24],
  fail_monotime: ["u64", 32],
});

/** cg_prev is the last completed change of the lockspace's members, cg_next the one under way. */
export const LOCKSPACE = defineStruct("struct dlmc_lockspace", "libdlmcontrol.h", 140, {
  "cg_prev.member_count": ["i32", 0],
  "cg_next.member_count": ["i32", 32],
  "cg_next.wait_condition": ["i32", 48],
  "cg_next.wait_messages": ["i32", 52],
  "cg_next.seq": ["u32", 56],
  flags: ["u32", 64],
  global_id: ["u32", 68],
  name: [{ text: LOCKSPACE_NAME_BYTES + 1 }, 72],
});

/** Every layout of this file, for the test that compares them with the C compiler's. */
export const DLM_LAYOUTS = [LKSB, NODE, LOCKSPACE] as const;
