import { checkText } from "./arguments.ts";
import { failure, type NativeFailure } from "./errno.ts";
import { libc } from "./libc.ts";
import { stableMemory } from "./structs.ts";

const PR_SET_NAME = 15;
/** The kernel's TASK_COMM_LEN, with the NUL. */
const NAME_SIZE_BYTES = 16;

/** Sets the name that `ps` and `pidof` show for the calling thread; the main thread's is the process's. Cut at 15 bytes. */
export function setProcessName(name: string): { readonly kind: "named" } | NativeFailure {
  const memory = stableMemory(NAME_SIZE_BYTES);
  new TextEncoder().encodeInto(checkText(name, "name"), memory.subarray(0, NAME_SIZE_BYTES - 1));
  return libc().prctl(PR_SET_NAME, memory, 0, 0, 0) === 0 ? { kind: "named" } : failure("prctl(PR_SET_NAME)");
}
