import { type RefusalCode, type Refused, refuse } from "../contract.ts";
import { errnoText } from "../native/errno.ts";
import { hangingText, type Observers } from "./condition.ts";
import { ERRNO } from "./flags.ts";

const CODES: Readonly<Record<number, RefusalCode>> = {
  [ERRNO.ENOMEM]: "ENOMEM",
  [ERRNO.EUNATCH]: "EMANAGER",
  [ERRNO.ECONNREFUSED]: "EMANAGER",
  [ERRNO.ENODEV]: "ENOTCONN",
};

/** The refusal for an errno that has no meaning of its own in the call that got it. `what` names the call for a person. */
export function refuseErrno(errno: number, what: string): Refused {
  return refuse(CODES[errno] ?? "ELMERR", `${what}: ${errnoText(errno)}`, { lm_result: -errno });
}

/** Why no lockspace can be had on this host, in the order in which things are started; null when all runs. */
export async function whatIsMissing({ kernel, control }: Observers): Promise<string | null> {
  if (!kernel.isLoaded())
    return "the kernel module dlm is not loaded: `modprobe dlm`, then `systemctl start dlm`";
  const quorate = await control.isQuorate();
  if (typeof quorate === "string") return hangingText(quorate);
  const daemon = await control.daemon();
  if (daemon === "no-daemon" && quorate === null)
    return "neither corosync nor dlm_controld runs on this host: `systemctl start corosync dlm`";
  if (daemon === "no-daemon") return "dlm_controld does not run on this host: `systemctl start dlm`";
  if (daemon !== "answers") return hangingText(daemon);
  if (kernel.clusterName() === null)
    return "dlm_controld has not set the cluster name yet: it is starting, see `dlm_tool status`";
  return null;
}
