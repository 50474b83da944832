import type { Owner } from "../../contract.ts";
import { hostOfKey, printKey } from "../keys.ts";
import type { ReservationKey } from "../reservable.ts";

/** A key with the host that it stands for: "key 0x1000000000000002 (host_id 2)". */
export function describeKey(key: ReservationKey): string {
  const host = hostOfKey(key);
  const shown = printKey(key);
  return host === null ? `key ${shown} (not made from a host_id)` : `key ${shown} (host_id ${host.host_id})`;
}

/** Several keys in a sentence, each once. */
export function describeKeys(keys: readonly ReservationKey[]): string {
  return [...new Set(keys)].map(describeKey).join(", ");
}

/** The owner of a refusal. A device knows keys and no states, so that is all there is to tell. */
export function ownerOf(key: ReservationKey): Owner {
  const host = hostOfKey(key);
  return {
    host_id: host?.host_id ?? 0,
    generation: host?.generation ?? 0,
    timestamp_s: 0,
    state: "UNKNOWN",
    name: printKey(key),
  };
}
