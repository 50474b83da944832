/** sanlock in a guest, with the kernel's software watchdog behind it or without one. */
import type { Host } from "../lab/host.ts";

export interface SanlockOptions {
  /** sanlock counts everything in multiples of this; 10 is its own default. */
  readonly io_timeout_s?: number;
  /** wdmd over softdog: the host is reset when its leases can't be renewed. Without one, sanlock can only log that. */
  readonly watchdog?: boolean;
  /** More lines for sanlock.conf. */
  readonly settings?: Readonly<Record<string, string | number>>;
}

/** With 1, commands of 5 s appeared under emulation and renewals came close to their end; 2 was steady. */
export const IO_TIMEOUT_S = 2;
/**
 * sanlock takes a new MiB for every lease that it reads or writes, and gives it back: 256 page faults each, which cost an emulated
 * processor a quarter of what a vgcreate takes (8.5 s with them, 6.1 s without). With these it keeps the memory.
 */
const MALLOC = "GLIBC_TUNABLES=glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=268435456";
/** The time sanlock grants a watchdog that is not there; its own default is 60. */
const watchdog_fire_s_without = 10;
const ready_ms_max = 30_000;

export async function startSanlock(host: Host, options: SanlockOptions = {}): Promise<void> {
  const { io_timeout_s = IO_TIMEOUT_S, watchdog = false, settings = {} } = options;
  const lines: Record<string, string | number> = {
    io_timeout: io_timeout_s,
    // A VG start takes one of these for its whole time.
    max_worker_threads: 20,
    ...(watchdog ? {} : { use_watchdog: 0, watchdog_fire_timeout: watchdog_fire_s_without }),
    ...settings,
  };
  const config = Object.entries(lines).map(([name, value]) => `${name} = ${value}\n`);
  await host.write("/etc/sanlock/sanlock.conf", config.join(""));
  if (watchdog) await host.must("modprobe softdog && wdmd && sleep 0.5 && pgrep -x wdmd");
  await host.must(`${MALLOC} sanlock daemon`);
  await host.until("sanlock client status >/dev/null", { timeout_ms: ready_ms_max });
}

/** Ends it; no lockspace may be joined. */
export async function stopSanlock(host: Host): Promise<void> {
  await host.must("sanlock shutdown -w 1; while pgrep -x sanlock >/dev/null; do sleep 0.1; done", {
    timeout_ms: ready_ms_max,
  });
}

/** How long after a host's last renewal sanlock counts it as dead, so that others get its leases. */
export function deadAfter_ms(options: SanlockOptions = {}): number {
  const { io_timeout_s = IO_TIMEOUT_S, watchdog = false } = options;
  return (8 * io_timeout_s + (watchdog ? 60 : watchdog_fire_s_without)) * 1000;
}
