import { CString, type Pointer, toArrayBuffer } from "bun:ffi";
import { openLibrary } from "../native/library.ts";
import type { Struct } from "../native/structs.ts";
import type { HostInfo } from "./client.ts";
import { HOST_STATE, HOST_STATE_MASK } from "./flags.ts";
import { HOST } from "./layouts.ts";

/** Takes over what libsanlock allocates for its answers, and frees it. */
export interface HostArray {
  /** Makes a call that leaves a `sanlk_host *` and an `int` behind. */
  take(call: (hosts_out: BigUint64Array, count_out: Int32Array) => number): {
    readonly rv: number;
    readonly hosts: readonly HostInfo[];
  };
  /** A `char *`, 0 for none. */
  takeText(address: bigint): string;
}

type Opened =
  | { readonly kind: "opened"; readonly array: HostArray }
  | { readonly kind: "missing"; readonly detail: string };

/** sanlock knows 2000 hosts at most; more is a count that can't be trusted. */
const HOSTS_MAX = 2000;

export function openHostArray(): Opened {
  const libc = openLibrary("libc.so.6", { free: { args: ["ptr"], returns: "void" } });
  if (libc.kind === "missing") return libc;
  const { free } = libc.symbols;
  const address_out = new BigUint64Array(new ArrayBuffer(8));
  const count_out = new Int32Array(new ArrayBuffer(8));
  return {
    kind: "opened",
    array: {
      take(call) {
        address_out[0] = 0n;
        count_out[0] = 0;
        const rv = call(address_out, count_out);
        const address = Number(address_out[0] ?? 0n) as Pointer;
        if (address === 0) return { rv, hosts: [] };
        const count = Math.max(0, Math.min(count_out[0] ?? 0, HOSTS_MAX));
        const hosts = rv < 0 || count === 0 ? [] : readHosts(address, count);
        free(address);
        return { rv, hosts };
      },
      takeText(address) {
        if (address === 0n) return "";
        const pointer = Number(address) as Pointer;
        const text = new CString(pointer).toString();
        free(pointer);
        return text;
      },
    },
  };
}

function readHosts(address: Pointer, count: number): HostInfo[] {
  const size_bytes = count * HOST.size_bytes;
  // A copy, because the original is freed.
  const memory = new Uint8Array(toArrayBuffer(address, 0, size_bytes).slice(0));
  return Array.from({ length: count }, (_, i) => hostInfo(HOST.at(memory, i * HOST.size_bytes)));
}

/**
 * A struct sanlk_host in plain numbers. Generations and timestamps (seconds) stay far below 2^53. sanlock 5.1 calls a host dead,
 * without a time of its last renewal, before it has looked at that host's lease for the first time; such a one is unknown.
 */
export function hostInfo(host: Struct<typeof HOST.fields>): HostInfo {
  const timestamp_s = Number(host.get("timestamp"));
  const flags = host.get("flags");
  const wasSeen = timestamp_s !== 0 || (flags & HOST_STATE_MASK) !== HOST_STATE.DEAD;
  return {
    host_id: Number(host.get("host_id")),
    generation: Number(host.get("generation")),
    timestamp_s,
    io_timeout_s: host.get("io_timeout"),
    flags: wasSeen ? flags : HOST_STATE.UNKNOWN,
  };
}
