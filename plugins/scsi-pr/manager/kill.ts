import { isAbsolute } from "node:path";
import type { ManagerContext } from "../../contract.ts";

/**
 * Makes what is called when a VG is lost: `lvmlockctl --kill VG`, which runs lvmlockctl_kill_command of lvm.conf, as sanlock does
 * when a VG's lease storage is lost. It is not waited for: it talks to this daemon.
 */
export function createKill({ lvmlockctl_path, news }: ManagerContext): (vg_name: string) => void {
  const log = (text: string): void => news({ kind: "log", level: "error", text });
  return (vg_name) => {
    if (!isAbsolute(lvmlockctl_path)) {
      log(
        `VG ${vg_name} is lost, and there is no lvmlockctl to take its LVs offline: deactivate them by hand`,
      );
      return;
    }
    try {
      const run = Bun.spawn([lvmlockctl_path, "--kill", vg_name], {
        stdio: ["ignore", "ignore", "ignore"],
        cwd: "/",
        onExit(_process, exit_code, signal) {
          if (exit_code !== 0)
            log(
              `lvmlockctl --kill ${vg_name} ended with ${signal ?? exit_code}: take the VG's LVs offline by hand`,
            );
        },
      });
      // The daemon may end before the kill command does.
      run.unref();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      log(`VG ${vg_name} is lost, and lvmlockctl can't be run (${why}): deactivate its LVs by hand`);
    }
  };
}
