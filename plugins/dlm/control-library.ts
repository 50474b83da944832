import { lastErrno, prepareErrno } from "../native/errno.ts";
import { type CallableSymbols, openLibrary, probeSymbols } from "../native/library.ts";
import { stableMemory } from "../native/structs.ts";
import { cText } from "./client-library.ts";
import type { ControlAnswer, ControlAnswers, ControlCall, NodeInfo } from "./control.ts";
import { ERRNO, LOCKSPACE_LEAVING, RUN_START_NODE_NONE } from "./flags.ts";
import { LOCKSPACE, LOCKSPACE_NAME_BYTES, NODE, RUN_COMMAND_BYTES, RUN_UUID_BYTES } from "./layouts.ts";
import {
  CONTROL_LIBRARY,
  CONTROL_RUN_SYMBOLS,
  CONTROL_SYMBOLS,
  QUORUM_LIBRARY,
  QUORUM_SYMBOLS,
} from "./library-symbols.ts";

/** The libraries, or why there are none. `can_run`: they can have commands run on other nodes. */
export type OpenedControl =
  | {
      readonly kind: "opened";
      readonly can_run: boolean;
      /** Makes a call, and waits for the daemon for as long as it takes. */
      readonly perform: (call: ControlCall) => ControlAnswer;
    }
  | { readonly kind: "missing"; readonly detail: string };

/** Nodes of a lockspace that are asked for. corosync itself takes far fewer. */
const NODES_MAX = 1024;
/** cs_error_t's CS_OK. */
const CS_OK = 1;

/** Opens libdlmcontrol, and libquorum where it is. */
export function openControlLibrary(directories?: readonly string[]): OpenedControl {
  const library = openLibrary(CONTROL_LIBRARY, CONTROL_SYMBOLS, directories);
  if (library.kind === "missing") return library;
  prepareErrno();
  const control = createControl(library.symbols);
  const run = createRun(probeSymbols(library.path, CONTROL_RUN_SYMBOLS));
  const quorum = openLibrary(QUORUM_LIBRARY, QUORUM_SYMBOLS, directories);
  const isQuorate = quorum.kind === "opened" ? createQuorum(quorum.symbols) : () => null;
  return {
    kind: "opened",
    can_run: run !== null,
    perform(call) {
      switch (call.kind) {
        case "lockspace":
          return control.lockspace(call.name);
        case "nodes":
          return control.nodes(call.name, call.type);
        case "quorate":
          return isQuorate();
        case "run-start":
          return run?.start(call.command) ?? ERRNO.EINVAL;
        case "run-check":
          return run?.check(call.uuid, call.flags) ?? -ERRNO.EINVAL;
      }
    },
  };
}

type Control = CallableSymbols<typeof CONTROL_SYMBOLS>;

/** The name in memory of the size that the library copies, whatever the name's length. */
function nameText(name: string): Uint8Array {
  const memory = stableMemory(LOCKSPACE_NAME_BYTES + 1);
  new TextEncoder().encodeInto(name, memory.subarray(0, LOCKSPACE_NAME_BYTES));
  return memory;
}

interface Calls {
  lockspace(name: string): ControlAnswers["lockspace"];
  nodes(name: string, type: number): ControlAnswers["nodes"];
}

function createControl(library: Control): Calls {
  const info = LOCKSPACE.allocate();
  const nodes = stableMemory(NODES_MAX * NODE.size_bytes);
  const count = new Int32Array(new ArrayBuffer(4));
  return {
    lockspace(name) {
      const rv = library.dlmc_lockspace_info(nameText(name), info.bytes);
      // dlm_controld's own answer is the return value. One that does not run, or ends meanwhile, is -1 with whatever errno.
      if (rv < 0) return rv === -ERRNO.ENOENT ? null : "no-daemon";
      return {
        wait_condition: info.get("cg_next.wait_condition"),
        member_count: info.get("cg_prev.member_count"),
        is_leaving: (info.get("flags") & LOCKSPACE_LEAVING) !== 0,
      };
    },
    nodes(name, type) {
      count[0] = 0;
      const rv = library.dlmc_lockspace_nodes(nameText(name), type, NODES_MAX, count, nodes);
      if (rv < 0) return "no-daemon";
      const found = Math.min(count[0] ?? 0, NODES_MAX);
      // The library takes the end of the connection for an empty list, and a lockspace that is joined has this node.
      if (found === 0) return "no-daemon";
      return Array.from({ length: found }, (_, index) => nodeInfo(nodes, index));
    },
  };
}

function nodeInfo(nodes: Uint8Array, index: number): NodeInfo {
  const node = NODE.at(nodes, index * NODE.size_bytes);
  return { nodeid: node.get("nodeid"), flags: node.get("flags") };
}

interface Runs {
  start(text: string): string | number;
  check(run_uuid: string, flags: number): number;
}

function createRun(library: Partial<CallableSymbols<typeof CONTROL_RUN_SYMBOLS>>): Runs | null {
  const { dlmc_run_start: start, dlmc_run_check: check } = library;
  if (start === undefined || check === undefined) return null;
  const command = stableMemory(RUN_COMMAND_BYTES);
  const uuid = stableMemory(RUN_UUID_BYTES);
  const status = new Uint32Array(new ArrayBuffer(4));
  return {
    start(text) {
      command.fill(0);
      uuid.fill(0);
      const { written } = new TextEncoder().encodeInto(text, command.subarray(0, RUN_COMMAND_BYTES - 1));
      const rv = start(command, written, 0, RUN_START_NODE_NONE, uuid);
      if (rv < 0) return lastErrno() || ERRNO.EINVAL;
      const end = uuid.indexOf(0);
      return new TextDecoder().decode(end < 0 ? uuid : uuid.subarray(0, end));
    },
    check(run_uuid, flags) {
      const text = cText(run_uuid);
      status[0] = 0;
      const rv = check(text, text.length - 1, 0, flags, status);
      return rv < 0 ? rv : (status[0] ?? 0);
    },
  };
}

/** Asks corosync. A connection for each question: it is asked only before a join and when something is wrong. */
function createQuorum(library: CallableSymbols<typeof QUORUM_SYMBOLS>): () => boolean | null {
  const handle = new BigUint64Array(new ArrayBuffer(8));
  const type = new Uint32Array(new ArrayBuffer(4));
  const quorate = new Int32Array(new ArrayBuffer(4));
  return () => {
    if (library.quorum_initialize(handle, null, type) !== CS_OK) return null;
    const rv = library.quorum_getquorate(handle[0] ?? 0n, quorate);
    library.quorum_finalize(handle[0] ?? 0n);
    return rv === CS_OK ? quorate[0] !== 0 : null;
  };
}
