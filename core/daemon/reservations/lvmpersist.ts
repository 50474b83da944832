/** Runs lvmpersist, the sibling that sends the commands to the devices: a device that hangs must not hang the daemon. */
import { DEADLINES } from "../../deadlines.ts";
import { LIMITS } from "../../limits.ts";
import type { ProgramCall } from "../own-program.ts";
import { type PvState, readDeviceRows } from "./pv-state.ts";

/** The PVs as lvmpersist left them, or one sentence about why that is not known. */
export type PersistAnswer =
  | { readonly kind: "pvs"; readonly exit_status: number; readonly pvs: readonly PvState[] }
  | { readonly kind: "failed"; readonly detail: string };

/** Runs lvmpersist with these words; never throws. */
export type RunLvmpersist = (words: readonly string[]) => Promise<PersistAnswer>;

/**
 * Only keys and reservation count here. The paths of a map are not asked: one that is silent takes its whole timeout for that, and no
 * fence would end in time.
 */
const REPORT_WORDS = ["--no-paths", "--reportformat", "json_std"] as const;

/** What lvmpersist and the lvm that it runs may see of our surroundings. */
function environment(): Record<string, string> {
  const { LVM_SYSTEM_DIR } = process.env;
  return {
    PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
    LC_ALL: "C",
    ...(LVM_SYSTEM_DIR === undefined ? {} : { LVM_SYSTEM_DIR }),
  };
}

export function lvmpersistRunner(
  call: ProgramCall,
  deadline_ms: number = DEADLINES.lvmpersist_ms,
): RunLvmpersist {
  return async (words) => {
    const failed = (why: string): PersistAnswer => ({
      kind: "failed",
      detail: `lvmpersist ${words[0]}: ${why}`,
    });
    const late = Promise.withResolvers<PersistAnswer>();
    let timer: Timer | undefined;
    try {
      const run = Bun.spawn([call.program, ...call.words, ...words, ...REPORT_WORDS], {
        argv0: call.argv0,
        cwd: "/",
        env: environment(),
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
        killSignal: "SIGKILL",
        maxBuffer: LIMITS.lvmpersist_report_size_bytes,
      });
      timer = setTimeout(() => {
        // A process that waits for a device in the kernel is not ended by a signal, so its end is not waited for.
        run.kill("SIGKILL");
        late.resolve(failed(`it has not ended in ${deadline_ms / 1000} s`));
      }, deadline_ms);
      const ended = Promise.all([
        new Response(run.stdout).text(),
        new Response(run.stderr).text(),
        run.exited,
      ]);
      const answer = ended.then(([out, err, exit_status]) => {
        const pvs = readDeviceRows(out);
        if (pvs !== null) return { kind: "pvs", exit_status, pvs } as const;
        return failed(lastLine(err) || String(run.signalCode ?? `exit status ${exit_status}`));
      });
      return await Promise.race([answer, late.promise]);
    } catch (error) {
      return failed(error instanceof Error ? error.message : String(error));
    } finally {
      clearTimeout(timer);
    }
  };
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1)?.trim() ?? "";
}
