/** What device-mapper shows to an lvmlockd under test: nothing at all, or the LVs that the test calls active. */
import { hasDeviceMapper } from "../rig/without-device-mapper.ts";

export interface FakeLv {
  readonly vg_uuid: string;
  readonly lv_uuid: string;
}

/** Runs in a mount namespace of its own, which ends with the program: $1 is the number of devices, their uuids follow. */
const SCRIPT = `set -e
count=$1
shift
mount -t tmpfs tmpfs /sys/class/misc
if [ "$count" != none ]; then
  mkdir /sys/class/misc/device-mapper
  mount -t tmpfs tmpfs /sys/block
  for n in $(seq 1 "$count"); do
    mkdir -p "/sys/block/dm-$n/dm"
    echo "LVM-$1" > "/sys/block/dm-$n/dm/uuid"
    shift
  done
fi
exec "$@"`;

/**
 * The command that runs `program` where /sys shows these LVs and no others; null hides device-mapper, as in a container. The process
 * keeps its pid, by which sanlock knows it.
 */
export function behindDevices(program: readonly string[], lvs: readonly FakeLv[] | null): readonly string[] {
  // A release that was unpacked for its sanlock alone has no unshare; what runs there adopts nothing.
  if (lvs === null && (!hasDeviceMapper() || Bun.which("unshare") === null)) return program;
  const uuids = (lvs ?? []).map(({ vg_uuid, lv_uuid }) => (vg_uuid + lv_uuid).replaceAll("-", ""));
  const count = lvs === null ? "none" : String(lvs.length);
  return ["unshare", "--mount", "sh", "-c", SCRIPT, "sh", count, ...uuids, ...program];
}
