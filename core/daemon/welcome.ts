/** What `npm start` says when the daemon serves: where it is and what to type next, and nothing else. */
import type { LockType } from "../../plugins/contract.ts";
import type { ManagerFacts } from "../locking/api.ts";
import type { DaemonConfig } from "./config.ts";

/** The paths that are built into lvm: commands find a daemon there without being told. */
const STANDARD_SOCKET = "/run/lvm/lvmlockd.socket";
const STANDARD_PID_FILE = "/run/lvmlockd.pid";

/** The text, some lines with a line end each. */
export function welcomeText(
  config: DaemonConfig,
  managers: Readonly<Partial<Record<LockType, ManagerFacts>>>,
): string {
  const serving = Object.entries(managers).map(([lock_type, { name }]) =>
    name === lock_type ? name : `${name} (serves lock type ${lock_type})`,
  );
  const lines = [
    `lvmlockd is listening on ${config.socket_path}`,
    `lock manager: ${serving.join(", ")}`,
    ...nextSteps(config),
    "Ctrl-C ends it.",
  ];
  return `${lines.join("\n")}\n`;
}

function nextSteps({ socket_path, pid_file }: DaemonConfig): string[] {
  const is_standard = socket_path === STANDARD_SOCKET && pid_file === STANDARD_PID_FILE;
  const ask = `npx bun run lvmlockctl --info${is_standard ? "" : ` --socket ${socket_path}`}`;
  if (is_standard) {
    return [
      "In another terminal, as root:",
      "  vgs --config global/use_lvmlockd=1",
      "  vgcreate --config global/use_lvmlockd=1 --shared --locktype dlm vg0 /dev/...",
      `  ${ask}`,
    ];
  }
  return [
    "In another terminal:",
    `  ${ask}`,
    "lvm commands of root find it with these variables:",
    `  LVM_LVMLOCKD_SOCKET=${socket_path} LVM_LVMLOCKD_PIDFILE=${pid_file}`,
  ];
}
