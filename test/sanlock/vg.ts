import { good, type Member, openMember } from "../rig/member.ts";
import { type Cluster, LOCK_LV } from "./cluster.ts";
import { managerOn } from "./host.ts";

export { GL, good, lockSoon, type Member, present, refused, VG } from "../rig/member.ts";

export interface NewVg {
  /** Room for this many LVs. */
  readonly lvs?: number;
  readonly enable_global_lock?: boolean;
  readonly align_mb?: number;
  /** What vgcreate --setlockargs passes on. */
  readonly set_lock_args?: string;
}

/** Makes a VG on the first host, as vgcreate does, and gives its lock args. */
export async function makeVg(cluster: Cluster, vg_name: string, more: NewVg = {}): Promise<string> {
  cluster.makeLeaseFile(vg_name, more.lvs);
  const [host] = cluster.hosts;
  if (host === undefined) throw new RangeError("a cluster has a host");
  const made = await good(
    managerOn(host).initVg({
      vg_name,
      lockspace_name: `lvm_${vg_name}`,
      vg_lock_args: LOCK_LV,
      set_lock_args: more.set_lock_args ?? "",
      align_mb: more.align_mb ?? 0,
      enable_global_lock: more.enable_global_lock ?? true,
    }),
  );
  return made.vg_lock_args;
}

/** The VG on one host, not started. */
export function memberOf(
  cluster: Cluster,
  index: number,
  vg_name: string,
  vg_lock_args = `1.0.0:${LOCK_LV}`,
  host_id = index + 1,
): Member {
  const host = cluster.hosts[index];
  if (host === undefined) throw new RangeError(`there is no host ${index}`);
  const lockspace_name = `lvm_${vg_name}`;
  return openMember(host.ask, {
    lockspace_name,
    vg_name,
    vg_uuid: "",
    vg_lock_args,
    lock_type: "sanlock",
    host_id,
  });
}

/** Makes a VG and starts it on these hosts, all at once. */
export async function startedVg(
  cluster: Cluster,
  vg_name: string,
  indexes: readonly number[],
  more: NewVg = {},
): Promise<Member[]> {
  const vg_lock_args = await makeVg(cluster, vg_name, more);
  const members = indexes.map((index) => memberOf(cluster, index, vg_name, vg_lock_args));
  await Promise.all(members.map((member) => member.start()));
  return members;
}
