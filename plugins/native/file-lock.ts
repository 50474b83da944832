import { checkFd } from "./arguments.ts";
import { errnoName, failure, type NativeFailure } from "./errno.ts";
import { FLOCK } from "./layouts.ts";
import { libc } from "./libc.ts";

const F_GETLK = 5;
const F_SETLK = 6;
const F_WRLCK = 1;
const F_UNLCK = 2;

/** `held`: another process has the lock; pid 0 when it let go before it could be asked. */
export type FileLockAnswer =
  | { readonly kind: "locked" }
  | { readonly kind: "held"; readonly pid: number }
  | NativeFailure;

/**
 * Takes the write lock of a whole open file without waiting, as two daemons do to find out who is first. The kernel drops
 * it when the process ends or closes *any* descriptor of that file, so the file must not be opened and closed again.
 */
export function lockFile(fd: number): FileLockAnswer {
  const lock = FLOCK.allocate();
  lock.set("l_type", F_WRLCK);
  if (libc().fcntl(checkFd(fd), F_SETLK, lock.bytes) === 0) return { kind: "locked" };
  const failed = failure("fcntl(F_SETLK)");
  const name = errnoName(failed.errno);
  // POSIX lets a system say either for a lock that another process holds.
  if (name !== "EAGAIN" && name !== "EACCES") return failed;
  const holder = fileLockHolder(fd);
  return { kind: "held", pid: holder ?? 0 };
}

/** The pid of another process that holds a lock on the file; null when there is none or it can't be told. */
export function fileLockHolder(fd: number): number | null {
  const lock = FLOCK.allocate();
  lock.set("l_type", F_WRLCK);
  if (libc().fcntl(checkFd(fd), F_GETLK, lock.bytes) !== 0) return null;
  return lock.get("l_type") === F_UNLCK ? null : lock.get("l_pid");
}
