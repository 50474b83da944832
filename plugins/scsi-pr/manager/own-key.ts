import { type Refused, refuse } from "../../contract.ts";
import { keyOfHost } from "../keys.ts";
import type { ReservationKey } from "../reservable.ts";
import type { ScsiPrSettings } from "./settings.ts";

/** A host_id in a key has 16 bits. */
const HOST_ID_MAX = 0xffff;

/**
 * This host's key: the configured one, or lvm's for the host_id without a generation. `host_id` is what the daemon was given;
 * lvm sends none for the lock type dlm, so that lvmlocal.conf's counts where it is 0.
 */
export function ownKey(
  settings: ScsiPrSettings,
  host_id: number,
): { readonly kind: "key"; readonly key: ReservationKey } | Refused {
  if (settings.key !== null) return { kind: "key", key: settings.key };
  const number = host_id || settings.host_id;
  if (number >= 1 && number <= HOST_ID_MAX) return { kind: "key", key: keyOfHost({ host_id: number }) };
  const detail =
    number === 0
      ? "this host has no host_id, from which its reservation key is made: set local/host_id in lvmlocal.conf, or scsi_pr/key in lvmlockd.conf"
      : `host_id ${number} does not fit into a reservation key (1 to ${HOST_ID_MAX})`;
  return refuse("EHOSTID", detail);
}
