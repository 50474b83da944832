import { checkFd } from "./arguments.ts";
import { failure, type NativeFailure } from "./errno.ts";
import { UCRED } from "./layouts.ts";
import { libc } from "./libc.ts";
import { stableMemory } from "./structs.ts";

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;

/** The process at the other end of a unix socket, as the kernel recorded it at connect time. */
export interface PeerCredentials {
  readonly kind: "peer";
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

// One struct for all calls: each call copies its fields out before it returns.
const credentials = UCRED.allocate();
const size = stableMemory(4);
const sizeView = new DataView(size.buffer);

/** Who connected to this socket (`socket.fd` of Bun.listen's open handler). */
export function peerCredentials(fd: number): PeerCredentials | NativeFailure {
  sizeView.setUint32(0, UCRED.size_bytes, true);
  if (libc().getsockopt(checkFd(fd), SOL_SOCKET, SO_PEERCRED, credentials.bytes, size) !== 0)
    return failure("getsockopt(SO_PEERCRED)");
  return {
    kind: "peer",
    pid: credentials.get("pid"),
    uid: credentials.get("uid"),
    gid: credentials.get("gid"),
  };
}
