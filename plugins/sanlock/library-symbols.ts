import type { SymbolTable } from "../native/library.ts";

/** The functions that every supported libsanlock_client has (3.8.5 and later). */
export const REQUIRED_SYMBOLS = {
  sanlock_version: { args: ["u32", "ptr", "ptr"], returns: "i32" },
  sanlock_register: { args: [], returns: "i32" },
  sanlock_killpath: { args: ["i32", "u32", "ptr", "ptr"], returns: "i32" },
  sanlock_restrict: { args: ["i32", "u32"], returns: "i32" },
  sanlock_acquire: { args: ["i32", "i32", "u32", "i32", "ptr", "ptr"], returns: "i32" },
  sanlock_convert: { args: ["i32", "i32", "u32", "ptr"], returns: "i32" },
  sanlock_release: { args: ["i32", "i32", "u32", "i32", "ptr"], returns: "i32" },
  sanlock_get_lvb: { args: ["u32", "ptr", "ptr", "i32"], returns: "i32" },
  sanlock_set_lvb: { args: ["u32", "ptr", "ptr", "i32"], returns: "i32" },
  sanlock_read_resource: { args: ["ptr", "u32"], returns: "i32" },
  sanlock_write_resource: { args: ["ptr", "i32", "i32", "u32"], returns: "i32" },
  sanlock_read_resource_owners: { args: ["ptr", "u32", "ptr", "ptr"], returns: "i32" },
  sanlock_add_lockspace_timeout: { args: ["ptr", "u32", "u32"], returns: "i32" },
  sanlock_inq_lockspace: { args: ["ptr", "u32"], returns: "i32" },
  sanlock_rem_lockspace: { args: ["ptr", "u32"], returns: "i32" },
  sanlock_set_config: { args: ["ptr", "u32", "u32", "ptr"], returns: "i32" },
  sanlock_get_hosts: { args: ["ptr", "u64", "ptr", "ptr", "u32"], returns: "i32" },
  sanlock_read_lockspace: { args: ["ptr", "u32", "ptr"], returns: "i32" },
  sanlock_write_lockspace: { args: ["ptr", "i32", "u32", "u32"], returns: "i32" },
  sanlock_align: { args: ["ptr"], returns: "i32" },
} as const satisfies SymbolTable;

/** Functions of newer libraries under the same soname, each probed on its own. */
export const OPTIONAL_SYMBOLS = {
  sanlock_acquire2: { args: ["i32", "i32", "u32", "ptr", "ptr", "ptr", "ptr"], returns: "i32" },
  sanlock_read_lockspace_host: { args: ["ptr", "u32", "ptr", "ptr"], returns: "i32" },
  sanlock_init_lockspace_host: { args: ["ptr", "ptr", "u64", "u64", "u32", "u32"], returns: "i32" },
  sanlock_set_host: { args: ["ptr", "u32", "u32", "u32", "ptr"], returns: "i32" },
} as const satisfies SymbolTable;
