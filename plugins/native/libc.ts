import { type CallableSymbols, openLibrary } from "./library.ts";

/**
 * What the daemon and the plugins need of libc, in one table: a dlopen costs 0.2 ms when it is the process's first and
 * most of that does not depend on the number of symbols. fcntl, ioctl and prctl are variadic in C; on x86-64 and on AArch64
 * Linux variadic integer and pointer arguments travel in the same registers as named ones, so fixed signatures are right.
 */
const SYMBOLS = {
  __errno_location: { args: [], returns: "ptr" },
  strerror: { args: ["i32"], returns: "cstring" },
  getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
  fcntl: { args: ["i32", "i32", "ptr"], returns: "i32" },
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
  connect: { args: ["i32", "ptr", "u32"], returns: "i32" },
  sendto: { args: ["i32", "ptr", "u64", "i32", "ptr", "u32"], returns: "i64" },
  recv: { args: ["i32", "ptr", "u64", "i32"], returns: "i64" },
  ioctl: { args: ["i32", "u64", "ptr"], returns: "i32" },
  isatty: { args: ["i32"], returns: "i32" },
  poll: { args: ["ptr", "u64", "i32"], returns: "i32" },
  prctl: { args: ["i32", "ptr", "u64", "u64", "u64"], returns: "i32" },
} as const;

let opened: CallableSymbols<typeof SYMBOLS> | null = null;

/**
 * libc's functions, opened on first use and kept: once per process, and once per worker because a worker has its own
 * modules. Throws when there is no glibc, because Bun itself could not run then.
 */
export function libc(): CallableSymbols<typeof SYMBOLS> {
  if (opened === null) {
    const library = openLibrary("libc.so.6", SYMBOLS);
    if (library.kind === "missing") throw new Error(`libc can't be opened: ${library.detail}`);
    opened = library.symbols;
  }
  return opened;
}
