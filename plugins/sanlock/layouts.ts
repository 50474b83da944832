import { defineStruct } from "../native/structs.ts";

/*
 * The structs of libsanlock_client, from the headers of libsanlock-dev 3.8.5, 3.9.5 and 5.1.1, which agree on all of them. A test
 * compares each offset with what the C compiler makes of the installed headers.
 */

/** Bytes of a lockspace or resource name; a name of the full length has no NUL behind it. */
export const NAME_SIZE_BYTES = 48;
/** Bytes of a disk path with its NUL. */
export const PATH_SIZE_BYTES = 1024;
/** Bytes that sanlock keeps of the kill path and of its arguments, each with its NUL. */
export const HELPER_SIZE_BYTES = 128;

/** struct sanlk_resource followed by its one struct sanlk_disk: every lease of lvmlockd is on one disk. */
export const RESOURCE = defineStruct("struct sanlk_resource", "sanlock.h", 1168, {
  lockspace_name: [{ text: NAME_SIZE_BYTES }, 0],
  name: [{ text: NAME_SIZE_BYTES }, 48],
  lver: ["u64", 96],
  data64: ["u64", 104],
  data32: ["u32", 112],
  flags: ["u32", 120],
  num_disks: ["u32", 124],
  "disks[0].path": [{ text: PATH_SIZE_BYTES }, 128],
  "disks[0].offset": ["u64", 1152],
});

export const LOCKSPACE = defineStruct("struct sanlk_lockspace", "sanlock.h", 1104, {
  name: [{ text: NAME_SIZE_BYTES }, 0],
  host_id: ["u64", 48],
  flags: ["u32", 56],
  "host_id_disk.path": [{ text: PATH_SIZE_BYTES }, 64],
  "host_id_disk.offset": ["u64", 1088],
});

export const DISK = defineStruct("struct sanlk_disk", "sanlock.h", 1040, {
  path: [{ text: PATH_SIZE_BYTES }, 0],
  offset: ["u64", 1024],
});

export const OPTIONS = defineStruct("struct sanlk_options", "sanlock.h", 56, {
  owner_name: [{ text: NAME_SIZE_BYTES }, 0],
  flags: ["u32", 48],
  len: ["u32", 52],
});

export const HOST = defineStruct("struct sanlk_host", "sanlock.h", 32, {
  host_id: ["u64", 0],
  generation: ["u64", 8],
  timestamp: ["u64", 16],
  io_timeout: ["u32", 24],
  flags: ["u32", 28],
});

/** Every layout of this file, for the test that compares them with the C compiler's. */
export const SANLOCK_LAYOUTS = [RESOURCE, LOCKSPACE, DISK, OPTIONS, HOST] as const;
