/** Making the process independent of where and by whom it was started. */

/** Variables that mean something to us, to lock managers or to the C library; everything else is removed. */
const KEPT = /^(?:LVM_\w+|SANLOCK_\w+|LANG|LC_\w+|TZ|XDG_RUNTIME_DIR|JOURNAL_STREAM)$/;
/** What systemd passes for this process only; children must not take it for theirs. */
const OWN = /^(?:NOTIFY_SOCKET|WATCHDOG_\w+|LISTEN_\w+|SD_ACTIVATION)$/;
/** Programs that the daemon runs are called by absolute path or found here. */
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * Takes a copy of the environment, then leaves in the process only what children may see: a command's PATH, BUN_OPTIONS or
 * LD_PRELOAD must not reach programs that a root daemon runs. Relative paths end here as well, with the current directory.
 */
export function detachFromCaller(): Readonly<Record<string, string | undefined>> {
  const before = { ...process.env };
  for (const name of Object.keys(before)) if (!KEPT.test(name)) delete process.env[name];
  process.env.PATH = PATH;
  process.chdir("/");
  return Object.fromEntries(Object.entries(before).filter(([name]) => KEPT.test(name) || OWN.test(name)));
}
