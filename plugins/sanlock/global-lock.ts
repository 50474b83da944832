import { type Answer, type GlobalLockState, type Refused, refuse } from "../contract.ts";
import type { SanlockClient } from "./client.ts";
import { ACQUIRE, WRITE_RESOURCE } from "./flags.ts";
import { refuseLock } from "./lock-refusal.ts";
import {
  GL_DISABLED_NAME,
  GL_NAME,
  type LockspaceState,
  type Prepared,
  REMOVED_NAME,
} from "./lockspace-state.ts";
import { refuseFor } from "./refusals.ts";
import { refuseOverStranger } from "./strangers.ts";

/*
 * Every VG has a lease for the global lock, and one VG's is used. The others have another name on their disk, so that nobody
 * gets them when asking for the real one.
 */

/** The state of the VG's global lock on the disk. */
export function readGlobalLock(
  client: SanlockClient,
  { path, gl_lease }: Pick<Prepared, "path" | "gl_lease">,
): GlobalLockState | Refused {
  const { rv, name } = client.readResource(path, gl_lease.offset_bytes);
  if (rv < 0) return refuseFor(rv, `the global lock's lease on ${path} can't be read`, "EARGS");
  if (name === GL_NAME) return "enabled";
  if (name === GL_DISABLED_NAME) return "disabled";
  if (name === REMOVED_NAME) return refuse("EREMOVED", `vgremove has removed the VG of ${path}`);
  return refuse("EARGS", `the global lock's lease on ${path} has an unknown name "${name}"`);
}

export function hasGlobalLock(state: LockspaceState, prepared: Prepared): Answer<{ enabled: boolean }> {
  const found = readGlobalLock(state.tools.client, prepared);
  return typeof found === "string" ? { kind: "done", enabled: found === "enabled" } : found;
}

/** Enables or disables the VG's global lock by giving its lease the one name or the other. */
export function setGlobalLock(
  state: LockspaceState,
  prepared: Prepared,
  { enabled, ex_disable }: { readonly enabled: boolean; readonly ex_disable: boolean },
): Answer<object> {
  if (!enabled && ex_disable) return disableHeld(state, prepared);
  const { client } = state.tools;
  const name = enabled ? GL_NAME : GL_DISABLED_NAME;
  const write_flags = writeFlags(client, prepared.using_caw);
  const rv = client.writeResource({ ...prepared.gl_lease, name }, write_flags);
  return rv < 0
    ? refuseFor(rv, `the global lock's lease on ${prepared.path} can't be written`)
    : { kind: "done" };
}

/** Disables it while holding it, so that no other host can have it at that moment. */
function disableHeld(state: LockspaceState, prepared: Prepared): Answer<object> {
  const { client } = state.tools;
  const { sock, gl_lease } = prepared;
  const stranger = refuseOverStranger(state, prepared, "ex", gl_lease);
  if (stranger !== null) return stranger;
  const acquired = client.acquire(sock, gl_lease, 0, ACQUIRE.OWNER_NOWAIT);
  if (acquired.rv < 0) return refuseLock(state, "gl", "ex", gl_lease, acquired);
  const rv = client.releaseRenamed(sock, gl_lease, GL_DISABLED_NAME);
  return rv < 0 ? refuseFor(rv, "the global lock could not be disabled while it was held") : { kind: "done" };
}

/** How a lease is written where sanlock knows compare-and-write: as the lockspace's other leases are. Older ones take no flag. */
export function writeFlags(client: SanlockClient, using_caw: boolean): number {
  if (!client.features.set_host) return 0;
  return using_caw ? WRITE_RESOURCE.USE_CAW : WRITE_RESOURCE.NO_CAW;
}
