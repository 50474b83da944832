import { type User, userSocketPath } from "../../core/daemon/user-directory.ts";

/** The socket that lvm and the C daemon have built in. */
export const STANDARD_SOCKET_PATH = "/run/lvm/lvmlockd.socket";

/**
 * The socket to talk to: --socket, else LVM_LVMLOCKD_SOCKET as lvm has it, else the standard one. A user who is not root and
 * runs a lvmlockd of their own has it where that daemon puts it.
 */
export function socketPath(
  option: string | null,
  env: Readonly<Record<string, string | undefined>>,
  uid: number,
  findOwn: (user: User) => string | null = userSocketPath,
): string {
  if (option !== null) return option;
  if (env.LVM_LVMLOCKD_SOCKET !== undefined && env.LVM_LVMLOCKD_SOCKET !== "") return env.LVM_LVMLOCKD_SOCKET;
  return (uid === 0 ? null : findOwn({ uid, env })) ?? STANDARD_SOCKET_PATH;
}
