import type { GlobalLockState } from "../contract.ts";

/**
 * Which VG's copy of the global lock is enabled, for lock type sanlock. sanlock keeps this on disk; here it lives as long as
 * the process, and the first VG that is made or started takes it, which is also what the C daemon's test mode does.
 */
export interface GlobalLockPlace {
  /** A VG was made or is being started: does it hold the global lock now? */
  offer(lockspace_name: string): GlobalLockState;
  set(lockspace_name: string, enabled: boolean): void;
  /** Asked when no started VG is known to hold it. */
  search(lockspace_name: string): boolean;
  /** The VG is left. */
  left(lockspace_name: string): void;
}

/** `forgets_disable`: test mode, where a search enables what was disabled before, because C's finds every VG enabled. */
export function createGlobalLockPlace(forgets_disable: boolean): GlobalLockPlace {
  let holder: string | null = null;
  const disabled = new Set<string>();
  return {
    offer(lockspace_name) {
      if (holder === null && (forgets_disable || !disabled.has(lockspace_name))) holder = lockspace_name;
      return holder === lockspace_name ? "enabled" : "disabled";
    },
    set(lockspace_name, enabled) {
      if (enabled) {
        holder = lockspace_name;
        disabled.delete(lockspace_name);
      } else {
        if (holder === lockspace_name) holder = null;
        // Bounded by the VGs that a person disabled by hand on this host since the daemon started.
        disabled.add(lockspace_name);
      }
    },
    search(lockspace_name) {
      if (
        !forgets_disable &&
        (disabled.has(lockspace_name) || (holder !== null && holder !== lockspace_name))
      )
        return false;
      holder = lockspace_name;
      return true;
    },
    left(lockspace_name) {
      if (holder === lockspace_name) holder = null;
    },
  };
}
