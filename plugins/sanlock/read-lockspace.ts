import { type Refused, refuse } from "../contract.ts";
import type { HostInfo, SanlockClient } from "./client.ts";
import { LSF } from "./flags.ts";
import { type Geometry, geometryFromAlign, geometryFromFlags } from "./geometry.ts";
import { refuseFor } from "./refusals.ts";
import { isEndOfDevice, isLeaseDamaged, returnValueText } from "./return-codes.ts";

/** What a lockspace's leases say about it. */
export interface LockspaceFacts {
  readonly kind: "read";
  readonly geometry: Geometry;
  readonly no_timeout: boolean;
  readonly using_caw: boolean;
  readonly io_timeout_s: number;
  /** This host's lease; null where the library can't read it. */
  readonly host: HostInfo | null;
}

/** Reads a lockspace from its disk through sanlock's daemon. ELOCKREPAIR when there is no sound lockspace at this place. */
export function readLockspaceFacts(
  client: SanlockClient,
  path: string,
  host_id: number,
): LockspaceFacts | Refused {
  const { rv, flags, io_timeout_s, host } = client.readLockspace(path, host_id);
  if (isLeaseDamaged(rv))
    return refuse("ELOCKREPAIR", `the lease of host_id ${host_id} on ${path}: ${returnValueText(rv)}`, {
      lm_result: rv,
    });
  if (isEndOfDevice(rv))
    return refuse(
      "ELOCKIO",
      `${path} ends before the lease of host_id ${host_id}: it is no lock LV, or has been cut`,
      {
        lm_result: rv,
      },
    );
  if (rv < 0) return refuseFor(rv, `the lockspace on ${path} can't be read`, "EMANAGER");
  const geometry = geometryFromFlags(flags) ?? alignedGeometry(client, path);
  if ("code" in geometry) return geometry;
  const no_timeout = (flags & LSF.NO_TIMEOUT) !== 0;
  const using_caw = (flags & LSF.USING_CAW) !== 0;
  return { kind: "read", geometry, no_timeout, using_caw, io_timeout_s, host };
}

/** Lockspaces from before sanlock 3.7 do not keep their sizes; the daemon finds them by the sector size. */
function alignedGeometry(client: SanlockClient, path: string): Geometry | Refused {
  const align_bytes = client.align(path);
  if (align_bytes > 0) return geometryFromAlign(align_bytes);
  return refuseFor(align_bytes, `the lease size of ${path} is unknown`, "EINVAL");
}
