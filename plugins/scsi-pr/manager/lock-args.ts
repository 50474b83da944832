/*
 * What init_vg writes into a VG's metadata. Its first word says which manager the VG belongs to, so that no other one starts it;
 * the rest which rule its hosts follow, so that a later rule can be told from this one. One word with a dot, because lvm takes
 * one colon (2.03.31: "Invalid colon at index"), and because dlm's cluster is called what follows it, so that it has to be
 * nothing that somebody calls a cluster.
 */

const MANAGER = "scsi-pr";
const RULE = "write-exclusive";

/** The lock args of a VG whose PVs are reserved by the host that uses it. */
export const LOCK_ARGS = `1.0.0:${MANAGER}.${RULE}`;

const SHAPE = /^(\d+)\.\d+\.\d+:([^:.]*)(?:\.([^:]*))?$/;

/** Why a VG with these lock args may not be started by scsi-pr, as a sentence for a person; null when it is its own. */
export function whyForeign(vg_lock_args: string): string | null {
  if (vg_lock_args === LOCK_ARGS) return null;
  const shown = JSON.stringify(vg_lock_args);
  if (vg_lock_args === "" || vg_lock_args === "none") return "the VG has no lock args";
  const parts = SHAPE.exec(vg_lock_args);
  if (parts === null) return `the VG's lock args ${shown} can't be read`;
  const [, major, manager, rule] = parts;
  if (manager !== MANAGER)
    return `the VG belongs to another lock manager (lock args ${shown}), not to scsi-pr (${LOCK_ARGS})`;
  if (major !== "1" || rule !== RULE)
    return `the VG's lock args ${shown} follow a rule that this lvmlockd does not know; it knows ${LOCK_ARGS}`;
  return null;
}
