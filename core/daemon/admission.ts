/** Who may connect: root and the daemon's own user, as the kernel tells them, and only while there is room. */
import { failureText } from "../../plugins/native/errno.ts";
import { peerCredentials } from "../../plugins/native/peer-credentials.ts";
import { LIMITS } from "../limits.ts";

export interface AdmissionOptions {
  readonly own_uid: number;
  /** No client may have a descriptor of this number or above, see open-files.ts. */
  readonly first_reserved_fd: number;
}

export type Admission =
  | { readonly kind: "admitted"; readonly pid: number }
  /** `full`: the next one is refused for the same reason, so that this need not be said again. */
  | { readonly kind: "refused"; readonly full: boolean; readonly why: string };

/** Judges a socket that was just accepted, while `connected` clients are there. */
export function admit(fd: number, connected: number, options: AdmissionOptions): Admission {
  const peer = peerCredentials(fd);
  if (peer.kind === "failed")
    return { kind: "refused", full: false, why: `a client can't be identified: ${failureText(peer)}` };
  const { pid, uid } = peer;
  if (uid !== 0 && uid !== options.own_uid)
    return { kind: "refused", full: false, why: `a client of user ${uid} (pid ${pid}) was turned away` };
  if (fd >= options.first_reserved_fd || connected >= LIMITS.clients) {
    const why = `pid ${pid} was turned away: ${connected} clients are connected, and no more fit under the limit of open files`;
    return { kind: "refused", full: true, why };
  }
  return { kind: "admitted", pid };
}
