import type { SymbolTable } from "../native/library.ts";

/**
 * libdlm_lt is libdlm without threads: results are read and handed over in the thread that asks for them. libdlm itself would
 * hand them over from a thread of its own, which may not touch the memory of a worker.
 */
export const DLM_LIBRARY = "libdlm_lt.so.3";

export const DLM_SYMBOLS = {
  dlm_kernel_version: { args: ["ptr", "ptr", "ptr"], returns: "i32" },
  dlm_ls_lock: {
    args: ["ptr", "u32", "ptr", "u32", "ptr", "u32", "u32", "ptr", "ptr", "ptr", "ptr"],
    returns: "i32",
  },
  dlm_ls_lockx: {
    args: ["ptr", "u32", "ptr", "u32", "ptr", "u32", "u32", "ptr", "ptr", "ptr", "ptr", "ptr"],
    returns: "i32",
  },
  dlm_ls_unlock: { args: ["ptr", "u32", "u32", "ptr", "ptr"], returns: "i32" },
  dlm_ls_purge: { args: ["ptr", "i32", "i32"], returns: "i32" },
  dlm_ls_get_fd: { args: ["ptr"], returns: "i32" },
  dlm_dispatch: { args: ["i32"], returns: "i32" },
} as const satisfies SymbolTable;

/** The calls that wait for dlm_controld and the cluster; they run in a thread of their own. */
export const DLM_BLOCKING_SYMBOLS = {
  dlm_new_lockspace: { args: ["ptr", "u32", "u32"], returns: "ptr" },
  dlm_open_lockspace: { args: ["ptr"], returns: "ptr" },
  dlm_release_lockspace: { args: ["ptr", "ptr", "i32"], returns: "i32" },
} as const satisfies SymbolTable;

export const CONTROL_LIBRARY = "libdlmcontrol.so.3";

export const CONTROL_SYMBOLS = {
  dlmc_lockspace_info: { args: ["ptr", "ptr"], returns: "i32" },
  dlmc_lockspace_nodes: { args: ["ptr", "i32", "i32", "ptr", "ptr"], returns: "i32" },
} as const satisfies SymbolTable;

/** Since dlm 4.0.6: commands that dlm_controld runs on the other nodes. */
export const CONTROL_RUN_SYMBOLS = {
  dlmc_run_start: { args: ["ptr", "i32", "i32", "u32", "ptr"], returns: "i32" },
  dlmc_run_check: { args: ["ptr", "i32", "i32", "u32", "ptr"], returns: "i32" },
} as const satisfies SymbolTable;

/** corosync's own library, which dlm_controld is linked with: it is there wherever the dlm is. */
export const QUORUM_LIBRARY = "libquorum.so.5";

export const QUORUM_SYMBOLS = {
  quorum_initialize: { args: ["ptr", "ptr", "ptr"], returns: "i32" },
  quorum_getquorate: { args: ["u64", "ptr"], returns: "i32" },
  quorum_finalize: { args: ["u64"], returns: "i32" },
} as const satisfies SymbolTable;

/** What tells the address of a function, see `nothingToDo`. */
export const DLSYM_SYMBOLS = {
  dlsym: { args: ["ptr", "ptr"], returns: "ptr" },
} as const satisfies SymbolTable;
