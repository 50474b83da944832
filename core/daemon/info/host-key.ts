import { keyOfHost, printKey } from "../../../plugins/scsi-pr/keys.ts";
import type { HostLife } from "../../locking/api.ts";

/** The reservation key of a host in one of its lives, as text; "0x0" for a host_id that no key is made of. */
export function hostKeyText({ host_id, generation }: HostLife): string {
  return host_id > 0 && host_id <= 0xffff ? printKey(keyOfHost({ host_id, generation })) : "0x0";
}
