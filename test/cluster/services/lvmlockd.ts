/** lvmlockd in a guest: whichever /usr/sbin has, or the one that is named. */
import type { Host } from "../lab/host.ts";
import { IO_TIMEOUT_S } from "./sanlock.ts";

export interface LvmlockdOptions {
  readonly program?: string;
  /** The default gives sanlock the I/O timeout that services/sanlock.ts has configured. */
  readonly arguments?: string;
}

const ready_ms_max = 60_000;

/** Starts it and waits until it answers. */
export async function startLvmlockd(host: Host, options: LvmlockdOptions = {}): Promise<void> {
  const { program = "/usr/sbin/lvmlockd", arguments: words = `-o ${IO_TIMEOUT_S}` } = options;
  await host.must(`${program} ${words}`);
  await host.until("lvmlockctl --info >/dev/null", { timeout_ms: ready_ms_max });
}

/** Ends it with a signal and waits until it is gone. */
export async function killLvmlockd(host: Host, signal: "KILL" | "TERM" = "KILL"): Promise<void> {
  await host.must(
    `pid=$(</run/lvmlockd.pid); kill -${signal} $pid; while kill -0 $pid 2>/dev/null; do sleep 0.05; done`,
  );
}
