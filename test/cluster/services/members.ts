/**
 * Lock managers on the hosts of a cluster without the daemon around them: for the suite of every lock manager, and for scenarios that
 * look at every part of an answer.
 */
import type { LockType } from "../../../plugins/contract.ts";
import type { AskRemote } from "../../rig/remote-manager.ts";
import {
  LOCK_TYPE_VARIABLE,
  MANAGER_VARIABLE,
  MEMBER_PORT,
  type MemberAnswer,
  type MemberAsk,
  SETTINGS_VARIABLE,
} from "../conformance/messages.ts";
import type { Host } from "../lab/host.ts";
import { bringSources, GUEST_BUN, GUEST_SOURCES } from "./sources.ts";

export interface MemberOptions {
  readonly lock_type: LockType;
  /** The lock manager that serves the type, where it is not the one of the same name. */
  readonly manager?: string;
  /** Its section of lvmlockd.conf. */
  readonly settings?: object;
}

const FOLDERS = ["package.json", "core", "plugins", "test/rig", "test/cluster/conformance"];
const ready_ms_max = 60_000;
/** Other connections to a member count their calls from 1. */
const FIRST_ID = 1_000_000;

/** Where the programs of the conformance folder are in a guest. */
export const GUEST_CONFORMANCE = `${GUEST_SOURCES}/test/cluster/conformance`;

/** Starts a member on each host. One that the suite kills comes back. */
export async function startMembers(hosts: readonly Host[], options: MemberOptions): Promise<void> {
  const { lock_type, manager = lock_type, settings = {} } = options;
  await bringSources(hosts, FOLDERS);
  const environment = `${LOCK_TYPE_VARIABLE}=${lock_type} ${MANAGER_VARIABLE}=${manager} ${SETTINGS_VARIABLE}='${JSON.stringify(settings)}'`;
  const member = `${environment} ${GUEST_BUN} run ${GUEST_CONFORMANCE}/member-main.ts`;
  const start = `(while :; do ${member}; done) >/var/log/member.log 2>&1 </dev/null & disown`;
  await Promise.all(hosts.map((host) => host.must(start)));
}

/** Connects within the guest, and reads the member's greeting. */
const CONNECT = `exec 3<>/dev/tcp/127.0.0.1/${MEMBER_PORT} && read -r greeting <&3`;

/** Waits until the host's member answers. */
export async function awaitMember(host: Host): Promise<void> {
  await host.until(CONNECT, { timeout_ms: ready_ms_max });
}

let last_id = FIRST_ID;

/** Asks the host's member, a connection for each call. */
export function askMember(host: Host, timeout_ms = 120_000): AskRemote {
  return async (method, args, lockspace) => {
    const ask: MemberAsk = { id: ++last_id, method, args, lockspace };
    const line = JSON.stringify(ask).replaceAll("'", "'\\''");
    const script = `${CONNECT} && printf '%s\\n' '${line}' >&3 && read -r answer <&3 && printf %s "$answer"`;
    const { stdout } = await host.must(script, { timeout_ms });
    return (JSON.parse(stdout) as MemberAnswer).answer;
  };
}
