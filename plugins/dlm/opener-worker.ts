/** The thread of one call that waits for dlm_controld and the cluster: it makes the call, tells the result and is done. */
import type { Pointer } from "bun:ffi";
import { lastErrno, prepareErrno } from "../native/errno.ts";
import { type CallableSymbols, openLibrary } from "../native/library.ts";
import type { OpenerCall, OpenerResult } from "./client.ts";
import { cText } from "./client-library.ts";
import { ERRNO, LSFL_NEWEXCL } from "./flags.ts";
import { DLM_BLOCKING_SYMBOLS, DLM_LIBRARY } from "./library-symbols.ts";

declare const self: Worker;

/** The mode of the lockspace's device: root alone. */
const DEVICE_MODE = 0o600;
/** Release the lockspace with the locks that are in it: the null locks of released GL and VG locks are always there. */
const FORCE = 1;

self.onmessage = (event: MessageEvent<OpenerCall>): void => postMessage(run(event.data));

function run(call: OpenerCall): OpenerResult {
  const library = openLibrary(DLM_LIBRARY, DLM_BLOCKING_SYMBOLS);
  if (library.kind === "missing") return { handle: 0, errno: ERRNO.ENOENT };
  prepareErrno();
  return call.kind === "release" ? release(library.symbols, call) : open(library.symbols, call);
}

type Library = CallableSymbols<typeof DLM_BLOCKING_SYMBOLS>;

function open(library: Library, { kind, name }: OpenerCall): OpenerResult {
  const text = cText(name);
  const handle =
    kind === "create"
      ? library.dlm_new_lockspace(text, DEVICE_MODE, LSFL_NEWEXCL)
      : library.dlm_open_lockspace(text);
  const errno = lastErrno();
  // libdlm leaves errno at 0 when there is no control device.
  return handle === null ? { handle: 0, errno: errno || ERRNO.ENODEV } : { handle: Number(handle), errno: 0 };
}

function release(library: Library, { name, handle }: Extract<OpenerCall, { kind: "release" }>): OpenerResult {
  const rv = library.dlm_release_lockspace(cText(name), handle as Pointer, FORCE);
  const errno = lastErrno();
  return { handle: 0, errno: rv < 0 ? errno || ERRNO.EINVAL : 0 };
}
