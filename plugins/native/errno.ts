import { type Pointer, read } from "bun:ffi";
import { constants } from "node:os";
import { libc } from "./libc.ts";

/** errno is per thread: a worker has its own modules and so its own copy of this address. */
let location: Pointer | null = null;

/** Finds errno's address ahead of the call whose errno matters; only code with a dlopen of its own has to call this. */
export function prepareErrno(): Pointer {
  if (location === null) {
    const address = libc().__errno_location();
    if (typeof address !== "number") throw new Error("__errno_location gave no address");
    location = address;
  }
  return location;
}

/**
 * errno of this thread. It is only right directly after the call that failed: no await, no allocation-heavy work and no
 * other native call may come in between (400 000 readings with a collecting heap in between were right).
 */
export function lastErrno(): number {
  return read.i32(location ?? prepareErrno(), 0);
}

/** Second names of numbers whose first name is the one that errors.ts and the manual pages use. */
const ALIASES = ["EWOULDBLOCK", "EDEADLOCK", "ENOTSUP"];

const names = new Map<number, string>();

/** The name of an errno such as "EAGAIN"; its number as text when the system does not name it. */
export function errnoName(errno: number): string {
  if (names.size === 0) {
    for (const [name, number] of Object.entries(constants.errno)) {
      if (!ALIASES.includes(name)) names.set(number, name);
    }
  }
  return names.get(errno) ?? String(errno);
}

/** An errno for a person: "EAGAIN: Resource temporarily unavailable", in libc's words. */
export function errnoText(errno: number): string {
  return `${errnoName(errno)}: ${libc().strerror(errno) ?? "unknown"}`;
}

/** A native call that failed, as data. */
export interface NativeFailure {
  readonly kind: "failed";
  readonly call: string;
  readonly errno: number;
}

/** The failure of `call` with the errno of right now. */
export function failure(call: string): NativeFailure {
  // Read before the object is made: nothing may come between the call and the read.
  const errno = lastErrno();
  return { kind: "failed", call, errno };
}

/** A failure for a person: "sendto: ENOENT: No such file or directory". */
export function failureText(failed: NativeFailure): string {
  return `${failed.call}: ${errnoText(failed.errno)}`;
}
