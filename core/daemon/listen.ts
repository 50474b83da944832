/** Getting the listening socket: made by us, or handed over by systemd; and telling a stale socket from one that is in use. */
import { chmodSync, lstatSync, mkdirSync, statSync, unlinkSync } from "node:fs";
import { dirname } from "node:path";
import type { SocketHandler, UnixSocketListener } from "bun";
import { unixAddress } from "../../plugins/native/datagram.ts";
import { withUmask } from "../../plugins/native/umask.ts";

/** systemd hands sockets over beginning with this descriptor. */
const LISTEN_FDS_START = 3;

export type ListenAnswer<Data> =
  | { readonly kind: "listening"; readonly listener: UnixSocketListener<Data>; readonly activated: boolean }
  | { readonly kind: "failed"; readonly reason: string };

/**
 * The descriptor that systemd passed, or null. LISTEN_PID must be ours, since the variables are inherited by children that they
 * do not concern. The C daemon wants SD_ACTIVATION=1 in the unit as well; here only SD_ACTIVATION=0 turns it off.
 */
export function activatedFd(env: Readonly<Record<string, string | undefined>>): number | null {
  if (env.LISTEN_PID !== String(process.pid) || env.LISTEN_FDS === undefined) return null;
  return env.LISTEN_FDS === "1" && env.SD_ACTIVATION !== "0" ? LISTEN_FDS_START : null;
}

/** Listens on a descriptor that was passed in. The socket file is systemd's: it is left alone at the end. */
export function listenOnFd<Data>(fd: number, socket: SocketHandler<Data>): ListenAnswer<Data> {
  try {
    // Bun takes `fd` here, though its types know it for connections only; measured with systemd's protocol.
    const options = { fd, socket } as unknown as Bun.UnixSocketOptions<Data>;
    return { kind: "listening", listener: Bun.listen<Data>(options), activated: true };
  } catch (error) {
    return { kind: "failed", reason: `the socket passed by systemd can't be used: ${messageOf(error)}` };
  }
}

/**
 * Listens on a socket file of mode 0600, in a directory that is made with 0700 when it is missing. The caller holds the pid
 * file's lock, so a socket file that nobody answers on is what a dead daemon left; one that is answered on belongs to a daemon
 * with another pid file, and stays.
 */
export async function listenOnPath<Data>(
  path: string,
  socket: SocketHandler<Data>,
): Promise<ListenAnswer<Data>> {
  if (unixAddress(path) === null) {
    return { kind: "failed", reason: `the socket path is longer than a unix socket's can be: ${path}` };
  }
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found !== undefined) {
      if (!found.isSocket()) return { kind: "failed", reason: `${path} exists and is not a socket` };
      if (await isAnswered(path)) {
        return { kind: "failed", reason: `another process listens on ${path}` };
      }
      unlinkSync(path);
    }
    const listener = withUmask(0o177, () => Bun.listen<Data>({ unix: path, socket }));
    assertPrivate(path);
    return { kind: "listening", listener, activated: false };
  } catch (error) {
    return { kind: "failed", reason: `can't listen on ${path}: ${messageOf(error)}` };
  }
}

/** The umask has made it 0600; a file system with its own ideas gets a second word. */
function assertPrivate(path: string): void {
  if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600);
}

/** Connects and hangs up, to find out whether somebody listens. */
async function isAnswered(path: string): Promise<boolean> {
  try {
    const probe = await Bun.connect({ unix: path, socket: { data() {} } });
    probe.end();
    return true;
  } catch {
    return false;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
