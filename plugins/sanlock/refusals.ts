import { type RefusalCode, type Refused, refuse } from "../contract.ts";
import {
  ERRNO,
  isCawUnusable,
  isLeaseDamaged,
  isNoDaemon,
  isStorageError,
  returnValueText,
  SANLK,
} from "./return-codes.ts";

/** What to do when there is no daemon; said in every refusal for that reason. */
export const NO_DAEMON =
  "the sanlock daemon does not run on this host: start it (systemctl start wdmd sanlock), then start the VG again";

/**
 * The refusal for a return value that has no meaning of its own in the call that got it. `what` names the call for a person:
 * "the lease of LV x can't be written".
 */
export function refuseFor(rv: number, what: string, otherwise: RefusalCode = "ELMERR"): Refused {
  const detail = isNoDaemon(rv) ? NO_DAEMON : `${what}: ${returnValueText(rv)}`;
  return refuse(codeFor(rv, otherwise), detail, { lm_result: rv });
}

function codeFor(rv: number, otherwise: RefusalCode): RefusalCode {
  if (isNoDaemon(rv)) return "EMANAGER";
  if (rv === SANLK.AIO_TIMEOUT) return "EIOTIMEOUT";
  if (isCawUnusable(rv)) return "EPROTONOSUPPORT";
  if (isStorageError(rv)) return "ELOCKIO";
  if (isLeaseDamaged(rv)) return "ELOCKREPAIR";
  if (rv === ERRNO.EACCES || rv === ERRNO.ENODEV) return "EDEVOPEN";
  if (rv === ERRNO.ENOMEM) return "ENOMEM";
  return otherwise;
}

/** The refusal for a connection that could not be made. A missing socket file is a daemon that never ran. */
export function refuseUnconnected(rv: number): Refused {
  const absent = isNoDaemon(rv) || rv === ERRNO.ENOENT;
  const detail = absent ? NO_DAEMON : `the sanlock daemon can't be reached: ${returnValueText(rv)}`;
  return refuse("EMANAGER", detail, { lm_result: rv });
}
