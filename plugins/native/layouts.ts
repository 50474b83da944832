import { defineStruct } from "./structs.ts";

/** What fcntl(F_SETLK) takes: a record lock. */
export const FLOCK = defineStruct("struct flock", "fcntl.h", 32, {
  l_type: ["i16", 0],
  l_whence: ["i16", 2],
  l_start: ["i64", 8],
  l_len: ["i64", 16],
  l_pid: ["i32", 24],
});

/** Who is at the other end of a unix socket, for getsockopt(SO_PEERCRED). */
export const UCRED = defineStruct("struct ucred", "sys/socket.h", 12, {
  pid: ["i32", 0],
  uid: ["u32", 4],
  gid: ["u32", 8],
});

/** Longest path of a unix socket, in bytes, with its NUL. */
export const SUN_PATH_SIZE_BYTES = 108;

/** The address of a unix socket. */
export const SOCKADDR_UN = defineStruct("struct sockaddr_un", "sys/un.h", 110, {
  sun_family: ["u16", 0],
  sun_path: [{ bytes: SUN_PATH_SIZE_BYTES }, 2],
});

/** One file descriptor that poll(2) waits for. */
export const POLLFD = defineStruct("struct pollfd", "poll.h", 8, {
  fd: ["i32", 0],
  events: ["i16", 4],
  revents: ["i16", 6],
});

/** Every layout of this file, for the test that compares them with the C compiler's. */
export const SYSTEM_LAYOUTS = [FLOCK, UCRED, SOCKADDR_UN, POLLFD] as const;
