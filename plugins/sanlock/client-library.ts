import { closeSync } from "node:fs";
import { type CallableSymbols, openLibrary, probeSymbols } from "../native/library.ts";
import { stableMemory } from "../native/structs.ts";
import type { HostLease, Lease, SanlockClient } from "./client.ts";
import { RELEASE, SET_HOST_DEAD_EXT } from "./flags.ts";
import { type HostArray, hostInfo, openHostArray } from "./host-array.ts";
import { DISK, HOST, LOCKSPACE, OPTIONS, RESOURCE } from "./layouts.ts";
import { OPTIONAL_SYMBOLS, REQUIRED_SYMBOLS } from "./library-symbols.ts";

const LIBRARY = "libsanlock_client.so.1";
/** What owners are called in sanlock's own status, as the C daemon calls itself. */
const OWNER_NAME = "lvmlockd";
/** The pid argument that means "the process at the other end of this socket". */
const SELF = -1;
/** The largest value block: one sector of 4 KiB. */
const VALUE_BLOCK_MAX_BYTES = 4096;
const ENOSYS = -38;

/** The library, or why there is none. */
export type OpenedClient =
  | { readonly kind: "opened"; readonly client: SanlockClient }
  | { readonly kind: "missing"; readonly detail: string };

/** Opens libsanlock_client. Once per worker: the structs that calls are made with belong to the worker. */
export function openSanlockClient(): OpenedClient {
  const library = openLibrary(LIBRARY, REQUIRED_SYMBOLS);
  if (library.kind === "missing") return library;
  const arrays = openHostArray();
  if (arrays.kind === "missing") return arrays;
  const optional = probeSymbols(library.path, OPTIONAL_SYMBOLS);
  return { kind: "opened", client: createClient(library.symbols, optional, arrays.array) };
}

type Required = CallableSymbols<typeof REQUIRED_SYMBOLS>;
type Optional = Partial<CallableSymbols<typeof OPTIONAL_SYMBOLS>>;

/** The memory that calls are made with. One call runs at a time in a worker, so one of each is enough. */
function createMemory() {
  const resource = RESOURCE.allocate();
  const renamed = RESOURCE.allocate();
  resource.set("num_disks", 1);
  renamed.set("num_disks", 1);
  const options = OPTIONS.allocate();
  options.set("owner_name", OWNER_NAME);
  return {
    resource,
    renamed,
    options,
    /** The array of resource pointers that acquire and release take. */
    pointers: new BigUint64Array(new BigUint64Array([resource.address(), renamed.address()]).buffer),
    lockspace: LOCKSPACE.allocate(),
    disk: DISK.allocate(),
    host: HOST.allocate(),
    block: stableMemory(VALUE_BLOCK_MAX_BYTES),
    words: new Uint32Array(new ArrayBuffer(8)),
    name: stableMemory(64),
  };
}

type Memory = ReturnType<typeof createMemory>;

function setLease({ resource }: Memory, lease: Lease, resource_flags: number): void {
  resource.set("lockspace_name", lease.lockspace_name);
  resource.set("name", lease.name);
  resource.set("lver", 0n);
  resource.set("data64", 0n);
  resource.set("data32", 0);
  resource.set("flags", lease.size_flags | resource_flags);
  resource.set("disks[0].path", lease.path);
  resource.set("disks[0].offset", BigInt(lease.offset_bytes));
}

function setHostLease({ lockspace }: Memory, { lockspace_name, host_id, path, flags }: HostLease): void {
  lockspace.set("name", lockspace_name);
  lockspace.set("host_id", BigInt(host_id));
  lockspace.set("flags", flags);
  lockspace.set("host_id_disk.path", path);
  lockspace.set("host_id_disk.offset", 0n);
}

const encoder = new TextEncoder();

/** Text with its NUL in memory of its own, for arguments of type char *. */
function cText(text: string): Uint8Array {
  const encoded = encoder.encode(text);
  const memory = stableMemory(encoded.length + 1);
  memory.set(encoded);
  return memory;
}

function createClient(library: Required, optional: Optional, arrays: HostArray): SanlockClient {
  const memory = createMemory();
  return {
    features: {
      acquire2: optional.sanlock_acquire2 !== undefined,
      read_lockspace_host: optional.sanlock_read_lockspace_host !== undefined,
      init_lockspace_host: optional.sanlock_init_lockspace_host !== undefined,
      set_host: optional.sanlock_set_host !== undefined,
    },
    version() {
      const { words } = memory;
      const rv = library.sanlock_version(0, words, words.subarray(1));
      return { rv, version: rv < 0 ? 0 : (words[0] ?? 0) };
    },
    register: () => library.sanlock_register(),
    killpath: (sock, path, args) => library.sanlock_killpath(sock, 0, cText(path), cText(args)),
    restrict: (sock, flags) => library.sanlock_restrict(sock, flags),
    disconnect: (sock) => closeSync(sock),
    ...lockCalls(library, optional, arrays, memory),
    ...diskCalls(library, arrays, memory),
    ...lockspaceCalls(library, optional, arrays, memory),
  };
}

type LockCalls = Pick<
  SanlockClient,
  "acquire" | "convert" | "release" | "releaseAll" | "releaseRenamed" | "getValueBlock" | "setValueBlock"
>;

function lockCalls(library: Required, optional: Optional, arrays: HostArray, memory: Memory): LockCalls {
  const { resource, renamed, options, pointers, host, block } = memory;
  const acquire2 = optional.sanlock_acquire2;
  const owner_name = new BigUint64Array(new ArrayBuffer(8));
  return {
    acquire(sock, lease, resource_flags, acquire_flags) {
      setLease(memory, lease, resource_flags);
      if (acquire2 === undefined) {
        const rv = library.sanlock_acquire(sock, SELF, acquire_flags, 1, pointers, options.bytes);
        return { rv, owner: null, owner_name: "" };
      }
      host.bytes.fill(0);
      owner_name[0] = 0n;
      const rv = acquire2(sock, SELF, acquire_flags, resource.bytes, options.bytes, host.bytes, owner_name);
      const name = arrays.takeText(owner_name[0] ?? 0n);
      const owner = rv < 0 && host.get("host_id") !== 0n ? hostInfo(host) : null;
      return { rv, owner, owner_name: name };
    },
    convert(sock, lease, resource_flags, convert_flags) {
      setLease(memory, lease, resource_flags);
      return library.sanlock_convert(sock, SELF, convert_flags, resource.bytes);
    },
    release(sock, lease) {
      setLease(memory, lease, 0);
      return library.sanlock_release(sock, SELF, 0, 1, pointers);
    },
    releaseAll: (sock) => library.sanlock_release(sock, SELF, RELEASE.ALL, 0, pointers),
    releaseRenamed(sock, lease, new_name) {
      setLease(memory, lease, 0);
      renamed.bytes.set(resource.bytes);
      renamed.set("name", new_name);
      return library.sanlock_release(sock, SELF, RELEASE.RENAME, 2, pointers);
    },
    getValueBlock(lease, size_bytes) {
      setLease(memory, lease, 0);
      const rv = library.sanlock_get_lvb(0, resource.bytes, block, size_bytes);
      return rv < 0 ? rv : block.subarray(0, size_bytes);
    },
    setValueBlock(lease, content) {
      setLease(memory, lease, 0);
      block.set(content);
      return library.sanlock_set_lvb(0, resource.bytes, block, content.length);
    },
  };
}

type DiskCalls = Pick<SanlockClient, "readResource" | "writeResource" | "readOwners" | "align">;

function diskCalls(library: Required, arrays: HostArray, memory: Memory): DiskCalls {
  const { resource, disk } = memory;
  return {
    readResource(path, offset_bytes) {
      setLease(memory, { lockspace_name: "", name: "", path, offset_bytes, size_flags: 0 }, 0);
      const rv = library.sanlock_read_resource(resource.bytes, 0);
      return { rv, name: resource.get("name"), lockspace_name: resource.get("lockspace_name") };
    },
    writeResource(lease, write_flags) {
      setLease(memory, lease, 0);
      return library.sanlock_write_resource(resource.bytes, 0, 0, write_flags);
    },
    readOwners(lease) {
      setLease(memory, lease, 0);
      const { rv, hosts } = arrays.take((hosts_out, count_out) =>
        library.sanlock_read_resource_owners(resource.bytes, 0, hosts_out, count_out),
      );
      return { rv, owners: hosts };
    },
    align(path) {
      disk.set("path", path);
      disk.set("offset", 0n);
      return library.sanlock_align(disk.bytes);
    },
  };
}

type LockspaceCalls = Omit<
  SanlockClient,
  | "features"
  | "version"
  | "register"
  | "killpath"
  | "restrict"
  | "disconnect"
  | keyof LockCalls
  | keyof DiskCalls
>;

function lockspaceCalls(
  library: Required,
  optional: Optional,
  arrays: HostArray,
  memory: Memory,
): LockspaceCalls {
  const { lockspace, words, host, name } = memory;
  const nameText = (text: string): Uint8Array => {
    name.fill(0);
    encoder.encodeInto(text, name);
    return name;
  };
  return {
    addLockspace(lease, add_flags, io_timeout_s) {
      setHostLease(memory, lease);
      return library.sanlock_add_lockspace_timeout(lockspace.bytes, add_flags, io_timeout_s);
    },
    inquireLockspace(lease) {
      setHostLease(memory, lease);
      return library.sanlock_inq_lockspace(lockspace.bytes, 0);
    },
    removeLockspace(lease, remove_flags) {
      setHostLease(memory, lease);
      return library.sanlock_rem_lockspace(lockspace.bytes, remove_flags);
    },
    setConfig: (lockspace_name, command) =>
      library.sanlock_set_config(nameText(lockspace_name), 0, command, null),
    hosts: (lockspace_name, host_id, flags) =>
      arrays.take((hosts_out, count_out) =>
        library.sanlock_get_hosts(nameText(lockspace_name), host_id, hosts_out, count_out, flags),
      ),
    readLockspace(path, host_id) {
      setHostLease(memory, { lockspace_name: "", host_id, path, flags: 0 });
      const read = optional.sanlock_read_lockspace_host;
      host.bytes.fill(0);
      const rv =
        read === undefined
          ? library.sanlock_read_lockspace(lockspace.bytes, 0, words)
          : read(lockspace.bytes, 0, words, host.bytes);
      const found = read === undefined || rv < 0 ? null : hostInfo(host);
      return { rv, flags: lockspace.get("flags"), io_timeout_s: words[0] ?? 0, host: found };
    },
    writeLockspace(lease, write_flags, io_timeout_s) {
      setHostLease(memory, lease);
      return library.sanlock_write_lockspace(lockspace.bytes, 0, write_flags, io_timeout_s);
    },
    initLockspaceHost(lease, generation, init_flags) {
      setHostLease(memory, lease);
      const init = optional.sanlock_init_lockspace_host;
      return init === undefined ? ENOSYS : init(lockspace.bytes, null, generation, 0, init_flags, 0);
    },
    setHostDead(lease, host_id, generation) {
      setHostLease(memory, lease);
      host.bytes.fill(0);
      host.set("host_id", BigInt(host_id));
      host.set("generation", BigInt(generation));
      const set = optional.sanlock_set_host;
      return set === undefined ? ENOSYS : set(lockspace.bytes, SET_HOST_DEAD_EXT, 0, 0, host.bytes);
    },
  };
}
