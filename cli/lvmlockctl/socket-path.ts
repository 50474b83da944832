import { existsSync } from "node:fs";
import { join } from "node:path";

/** The socket that lvm and the C daemon have built in. */
export const STANDARD_SOCKET_PATH = "/run/lvm/lvmlockd.socket";

/**
 * The socket to talk to: --socket, else LVM_LVMLOCKD_SOCKET as lvm has it, else the standard one. A user who is not root and
 * runs a lvmlockd of their own has it below XDG_RUNTIME_DIR.
 */
export function socketPath(
  option: string | null,
  env: Readonly<Record<string, string | undefined>>,
  uid: number,
): string {
  if (option !== null) return option;
  if (env.LVM_LVMLOCKD_SOCKET !== undefined && env.LVM_LVMLOCKD_SOCKET !== "") return env.LVM_LVMLOCKD_SOCKET;
  const own = env.XDG_RUNTIME_DIR === undefined ? null : join(env.XDG_RUNTIME_DIR, "lvm", "lvmlockd.socket");
  return uid !== 0 && own !== null && existsSync(own) ? own : STANDARD_SOCKET_PATH;
}
