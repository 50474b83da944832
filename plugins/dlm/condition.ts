import { type Refused, refuse } from "../contract.ts";
import type { DlmControl, Hanging } from "./control.ts";
import { NODE_NEEDS_FENCING, NODES, WAIT } from "./flags.ts";
import type { Kernel } from "./kernel.ts";

/**
 * The state of a lockspace as far as requests go. The kernel blocks whoever sends it a request for a lockspace that is stopped, for
 * as long as that lasts; so this is looked at first, and a request that is known to block is not made. What is left is the end of a
 * recovery, see `kernel.ts`; a worker that is caught there is what the plugin host's time limit is for.
 */
export type Condition =
  | { readonly kind: "running" }
  /** The members are being agreed on, which takes moments. */
  | { readonly kind: "recovering" }
  /** This half of the cluster has lost the other, larger one. */
  | { readonly kind: "no-quorum" }
  /** These nodes have failed, and their locks are theirs until they are fenced. */
  | { readonly kind: "fencing"; readonly nodes: readonly number[] }
  /** dlm_controld has gone from under a joined lockspace. */
  | { readonly kind: "no-daemon" }
  /** dlm_controld, or corosync, runs and does not answer. */
  | { readonly kind: Hanging }
  /** The kernel has no such lockspace. */
  | { readonly kind: "gone" };

const RUNNING: Condition = Object.freeze({ kind: "running" });

/** Where the state can be read. */
export interface Observers {
  readonly kernel: Kernel;
  readonly control: DlmControl;
}

/** Reads the state. One small file when all is well; dlm_controld is asked only when it is not. */
export async function conditionOf(
  { kernel, control }: Observers,
  lockspace_name: string,
): Promise<Condition> {
  const state = kernel.lockspace(lockspace_name);
  if (state === "running") return RUNNING;
  if (state === "gone") return { kind: "gone" };
  return waitOf(control, lockspace_name);
}

/** What dlm_controld says that the lockspace waits for; also while it is being joined, when the kernel has no state yet. */
export async function waitOf(control: DlmControl, lockspace_name: string): Promise<Condition> {
  const info = await control.lockspace(lockspace_name);
  if (typeof info === "string") return { kind: info };
  if (info?.wait_condition === WAIT.QUORUM) return { kind: "no-quorum" };
  if (info?.wait_condition === WAIT.FENCING)
    return { kind: "fencing", nodes: await unfenced(control, lockspace_name) };
  return { kind: "recovering" };
}

async function unfenced(control: DlmControl, lockspace_name: string): Promise<readonly number[]> {
  const nodes = await control.nodes(lockspace_name, NODES.ALL);
  if (typeof nodes === "string") return [];
  return nodes.filter(({ flags }) => (flags & NODE_NEEDS_FENCING) !== 0).map(({ nodeid }) => nodeid);
}

/** A condition that passes by itself within moments, so that waiting for it is better than a refusal. */
export function passes(condition: Condition): boolean {
  return condition.kind === "running" || condition.kind === "recovering";
}

const REBOOT =
  "dlm_controld does not run on this host any more, and its lockspaces can't go on without it: this host has to " +
  "be restarted. Where fencing is set up it will be fenced, and what it had stays locked until then; where it is not, others may get it now";

/** A daemon that runs and gives no answer, with what may be done. */
export function hangingText(kind: Hanging): string {
  if (kind === "corosync-hangs")
    return "corosync runs on this host and gives no answer: see `systemctl status corosync`; the other nodes take this one for failed when that lasts";
  return "dlm_controld runs on this host and gives no answer: see `systemctl status dlm`; VGs can't be started or stopped here until it goes on, and to end it means to restart the host";
}

/** A condition with its remedy, for a person. */
export function conditionText(condition: Condition, lockspace_name: string): string {
  switch (condition.kind) {
    case "running":
      return `${lockspace_name} runs`;
    case "recovering":
      return `${lockspace_name} is being recovered after a node came or went: \`dlm_tool ls\` shows how far it is`;
    case "no-quorum":
      return `the cluster has no quorum here, so ${lockspace_name} gives no locks until enough nodes are back: see \`corosync-quorumtool -s\``;
    case "fencing":
      return `${fencingText(condition.nodes)}, and ${lockspace_name} gives no locks before that: see \`dlm_tool status\`; when you know that it is down: \`dlm_tool fence_ack NODEID\``;
    case "no-daemon":
      return REBOOT;
    case "hangs":
    case "corosync-hangs":
      return hangingText(condition.kind);
    case "gone":
      return `the kernel has no lockspace ${lockspace_name} any more: stop the VG and start it again`;
  }
}

function fencingText(nodes: readonly number[]): string {
  if (nodes.length === 0) return "a failed node has to be fenced";
  return nodes.length === 1
    ? `node ${nodes[0]} has failed and has to be fenced`
    : `nodes ${nodes.join(", ")} have failed and have to be fenced`;
}

/** What ends without anything being done on this host. */
const GOES_ON: readonly Condition["kind"][] = ["running", "recovering", "no-quorum", "fencing", "gone"];

/** The refusal of a request that the lockspace's state does not allow. A lost quorum and a recovery may be over any moment. */
export function refuseCondition(condition: Condition, lockspace_name: string): Refused {
  const detail = conditionText(condition, lockspace_name);
  if (!GOES_ON.includes(condition.kind)) return refuse("EMANAGER", detail);
  if (condition.kind === "gone") return refuse("ENOTCONN", detail);
  return refuse("ENETDOWN", detail, { retry: "soon" });
}
