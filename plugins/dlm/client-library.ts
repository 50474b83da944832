import type { Pointer } from "bun:ffi";
import { lastErrno, prepareErrno } from "../native/errno.ts";
import { POLLFD } from "../native/layouts.ts";
import { libc } from "../native/libc.ts";
import { type CallableSymbols, openLibrary } from "../native/library.ts";
import { stableMemory } from "../native/structs.ts";
import type { DlmClient, LockspaceHandlePointer, Ticket } from "./client.ts";
import { ERRNO, LKF, LKM, SBF_VALNOTVALID, STATUS } from "./flags.ts";
import { LKSB, VALUE_BLOCK_BYTES } from "./layouts.ts";
import { DLM_LIBRARY, DLM_SYMBOLS, DLSYM_SYMBOLS } from "./library-symbols.ts";

const POLLIN = 1;
/** Where the value block lies behind the lksb in a ticket's memory. */
const BLOCK_OFFSET = 32;

/** The library, or why there is none. */
export type OpenedClient =
  | { readonly kind: "opened"; readonly client: DlmClient }
  | { readonly kind: "missing"; readonly detail: string };

type Library = CallableSymbols<typeof DLM_SYMBOLS>;

/** Opens libdlm_lt, once per worker. Tests have one of their own, in a directory of theirs. */
export function openDlmClient(directories?: readonly string[]): OpenedClient {
  const library = openLibrary(DLM_LIBRARY, DLM_SYMBOLS, directories);
  if (library.kind === "missing") return library;
  const nothing = nothingToDo();
  if (nothing === null) return { kind: "missing", detail: "libc has no dlsym, it is older than glibc 2.34" };
  prepareErrno();
  return { kind: "opened", client: createClient(library.symbols, nothing) };
}

/**
 * The address of a C function that does nothing, for the library to call when a result is there: the kernel takes no request
 * without one, and we see the result in the ticket. A function of ours would be called back from C, which is slower and may
 * not throw. libc's abs takes whatever it is given.
 */
function nothingToDo(): Pointer | null {
  const dlsym = openLibrary("libc.so.6", DLSYM_SYMBOLS);
  if (dlsym.kind === "missing") return null;
  // RTLD_DEFAULT is the null pointer.
  const address = dlsym.symbols.dlsym(null, cText("abs"));
  return typeof address === "number" ? address : null;
}

const encoder = new TextEncoder();

/** Text with its NUL in memory of its own. */
export function cText(text: string): Uint8Array {
  const encoded = encoder.encode(text);
  const memory = stableMemory(encoded.length + 1);
  memory.set(encoded);
  return memory;
}

interface NativeTicket extends Ticket {
  /** The dlm_lksb at the start of the ticket's memory. */
  readonly lksb: Uint8Array;
  start(): void;
}

/** One piece of memory that never moves: the lksb with the value block behind it, which the lksb points to. */
function makeTicket(): NativeTicket {
  const memory = stableMemory(BLOCK_OFFSET + VALUE_BLOCK_BYTES);
  const lksb = LKSB.at(memory, 0);
  lksb.set("sb_lvbptr", lksb.address() + BigInt(BLOCK_OFFSET));
  return {
    lksb: lksb.bytes,
    block: memory.subarray(BLOCK_OFFSET),
    start: () => lksb.set("sb_status", STATUS.IN_PROGRESS),
    status: () => lksb.get("sb_status"),
    lkid: () => lksb.get("sb_lkid"),
    blockIsLost: () => (lksb.get("sb_flags") & SBF_VALNOTVALID) !== 0,
  };
}

/** Tickets come from this client's own `ticket()`; nothing else has the memory that the library needs. */
function native(ticket: Ticket): NativeTicket {
  if (!("lksb" in ticket)) throw new TypeError("not a ticket of this client");
  return ticket as NativeTicket;
}

/** 0, or the errno of right now. The library sometimes fails without setting one. */
function outcome(rv: number): number {
  if (rv >= 0) return 0;
  return lastErrno() || ERRNO.EINVAL;
}

function createClient(library: Library, nothing: Pointer): DlmClient {
  const words = new Uint32Array(new ArrayBuffer(12));
  const take = createTaker(library);
  return {
    kernelVersion() {
      const rv = library.dlm_kernel_version(words, words.subarray(1), words.subarray(2));
      if (rv < 0) return null;
      return { major: words[0] ?? 0, minor: words[1] ?? 0, patch: words[2] ?? 0 };
    },
    ticket: makeTicket,
    lock(handle, ticket, { lkid, mode, flags, name }) {
      const own = native(ticket);
      LKSB.at(own.lksb, 0).set("sb_lkid", lkid);
      own.start();
      const text = cText(name);
      const ls = handle as Pointer;
      const { lksb } = own;
      const size = text.length - 1;
      return outcome(library.dlm_ls_lock(ls, mode, lksb, flags, text, size, 0, nothing, lksb, null, null));
    },
    unlock(handle, ticket, lkid) {
      const { lksb, start } = native(ticket);
      start();
      return outcome(library.dlm_ls_unlock(handle as Pointer, lkid, 0, lksb, lksb));
    },
    cancel(handle, ticket) {
      const { lksb } = native(ticket);
      return outcome(library.dlm_ls_unlock(handle as Pointer, ticket.lkid(), LKF.CANCEL, lksb, lksb));
    },
    adopt(handle, ticket, { mode, flags, name }) {
      const { lksb } = native(ticket);
      const text = cText(name);
      const ls = handle as Pointer;
      const size = text.length - 1;
      // The kernel notes the callbacks for the lock's later results, so that they must be functions that can be called.
      return outcome(
        library.dlm_ls_lockx(ls, mode, lksb, flags, text, size, 0, nothing, lksb, null, null, null),
      );
    },
    wait(handle, ticket, timeout_ms) {
      const { status } = ticket;
      const until_ms = performance.now() + timeout_ms;
      for (let left_ms = timeout_ms; status() === STATUS.IN_PROGRESS; ) {
        if (left_ms <= 0 || !take(handle, left_ms)) return status() !== STATUS.IN_PROGRESS;
        left_ms = until_ms - performance.now();
      }
      return true;
    },
    collect(handle) {
      while (take(handle, 0));
    },
    purge: (handle, nodeid) => outcome(library.dlm_ls_purge(handle as Pointer, nodeid, 0)),
  };
}

/** Waits for one result and takes it; false when none came in time. The read inside blocks, so poll comes first. */
function createTaker(library: Library): (handle: LockspaceHandlePointer, timeout_ms: number) => boolean {
  const pollfd = POLLFD.allocate();
  return (handle, timeout_ms) => {
    const fd = library.dlm_ls_get_fd(handle as Pointer);
    if (fd < 0) return false;
    pollfd.set("fd", fd);
    pollfd.set("events", POLLIN);
    pollfd.set("revents", 0);
    const ready = libc().poll(pollfd.bytes, 1, Math.ceil(timeout_ms));
    if (ready <= 0 || (pollfd.get("revents") & POLLIN) === 0) return false;
    library.dlm_dispatch(fd);
    return true;
  };
}

/** The lock of an orphan that is only looked for has this mode, which no orphan has. */
export const PROBE_MODE = LKM.NL;
