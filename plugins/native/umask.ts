/**
 * Runs `action` while files and sockets are created without the permission bits of `mask`, then restores the umask. The
 * umask belongs to the whole process, so `action` must be synchronous; a listening socket gets mode 0600 with 0o177.
 */
export function withUmask<Result>(mask: number, action: () => Result): Result {
  if (!Number.isInteger(mask) || mask < 0 || mask > 0o777)
    throw new TypeError(`not a umask: ${String(mask)}`);
  const before = process.umask(mask);
  try {
    return action();
  } finally {
    process.umask(before);
  }
}
