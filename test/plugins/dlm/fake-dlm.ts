/** A dlm in memory: nodes that share lockspaces, whose state tests can change. It serves unit tests; guests carry the claims. */
import type { LockspaceIdentity, ManagerNews } from "../../../plugins/contract.ts";
import type { DlmClient, LockRequest, Opener, OpenerResult, Ticket } from "../../../plugins/dlm/client.ts";
import type { DlmControl } from "../../../plugins/dlm/control.ts";
import { ERRNO, LKF, LKM, STATUS } from "../../../plugins/dlm/flags.ts";
import type { Kernel } from "../../../plugins/dlm/kernel.ts";
import type { Tools } from "../../../plugins/dlm/lockspace-state.ts";

interface FakeLock {
  readonly lkid: number;
  readonly nodeid: number;
  mode: number;
  flags: number;
  /** Its process has died. */
  orphan: boolean;
}

interface FakeResource {
  readonly locks: FakeLock[];
  block: Uint8Array;
  lost: boolean;
}

/** The whole cluster: lockspaces by name, each with its members and resources. */
export interface FakeCluster {
  readonly resources: Map<string, FakeResource>;
  readonly members: Map<string, Set<number>>;
  next_lkid: number;
  /** Requests that wait for others. */
  readonly queue: { readonly ticket: Ticket; readonly again: () => void }[];
}

export function fakeCluster(): FakeCluster {
  return { resources: new Map(), members: new Map(), next_lkid: 1, queue: [] };
}

/** One node's dlm. Tests set its fields; `sent` lists what was asked of it. */
export interface FakeNode {
  readonly nodeid: number;
  readonly tools: Tools;
  readonly sent: string[];
  readonly news: ManagerNews[];
  cluster_name: string | null;
  state: "running" | "stopped";
  wait_condition: number;
  daemon: boolean;
  /** dlm_controld runs and gives no answer. */
  hangs: boolean;
  quorate: boolean | null;
  /** A release by a process that has died is under way. */
  is_leaving: boolean;
  /** The kernel shows what locks it has. */
  debugfs: boolean;
  /** Results that stay away: the request is made, and answered when this is false again. */
  silent: boolean;
  /** The errno with which the kernel takes no request for a lock that it has; 0 when it takes them. */
  refusal: number;
  version: ReturnType<DlmClient["kernelVersion"]>;
  now_ms: number;
  /** Called at each sleep, before the time goes on. */
  asleep: () => void;
  /** Answers joins and leaves; null stays open. */
  opener: Opener | null;
  run_status: number[];
  /** The process dies: its persistent locks become orphans, the others go. */
  die(): void;
}

interface FakeTicket extends Ticket {
  set(status: number, lkid: number, lost: boolean): void;
}

function fakeTicket(): FakeTicket {
  let status: number = STATUS.IN_PROGRESS;
  let lkid = 0;
  let lost = false;
  return {
    block: new Uint8Array(32),
    status: () => status,
    lkid: () => lkid,
    blockIsLost: () => lost,
    set(new_status, new_lkid, new_lost) {
      status = new_status;
      lkid = new_lkid;
      lost = new_lost;
    },
  };
}

const conflicts = (a: number, b: number): boolean =>
  (a === LKM.EX && b !== LKM.NL) || (b === LKM.EX && a !== LKM.NL);

/** Handles are the node's number behind the lockspace's. */
function createNames(): { handle(name: string): number; name(handle: number): string } {
  const names: string[] = [];
  return {
    handle: (name) => names.push(name),
    name: (handle) => names[handle - 1] ?? "",
  };
}

export function fakeNode(cluster: FakeCluster, nodeid = 1): FakeNode {
  const names = createNames();
  const pending: (() => void)[] = [];
  const find = (handle: number, name: string): FakeResource => {
    const key = `${names.name(handle)} ${name}`;
    const found = cluster.resources.get(key);
    if (found !== undefined) return found;
    const made = { locks: [], block: new Uint8Array(32), lost: false };
    cluster.resources.set(key, made);
    return made;
  };
  const allLocks = (handle: number): FakeLock[] =>
    [...cluster.resources].flatMap(([key, { locks }]) =>
      key.startsWith(`${names.name(handle)} `) ? locks : [],
    );
  const deliver = (result: () => void): void => {
    if (node.silent) pending.push(result);
    else result();
  };
  const noteStop = (): void => {
    if (node.state === "stopped") throw new Error("a request to a stopped lockspace would block");
  };
  const client: DlmClient = {
    kernelVersion: () => node.version,
    ticket: fakeTicket,
    lock(handle, ticket, request) {
      node.sent.push(`${request.name} mode ${request.mode} flags ${request.flags.toString(16)}`);
      noteStop();
      if (node.refusal !== 0) return node.refusal;
      deliver(() => lockNow(find(handle, request.name), ticket as FakeTicket, request));
      return 0;
    },
    unlock(handle, ticket, lkid) {
      node.sent.push(`unlock ${lkid}`);
      noteStop();
      if (node.refusal !== 0) return node.refusal;
      deliver(() => {
        for (const [key, { locks }] of cluster.resources) {
          const at = key.startsWith(`${names.name(handle)} `) ? locks.findIndex((l) => l.lkid === lkid) : -1;
          if (at >= 0) locks.splice(at, 1);
        }
        (ticket as FakeTicket).set(STATUS.UNLOCKED, lkid, false);
      });
      return 0;
    },
    cancel(handle, ticket) {
      node.sent.push("cancel");
      noteStop();
      const { set, lkid } = ticket as FakeTicket;
      // libdlm writes this before it asks the kernel, whatever the status was.
      set(STATUS.IN_PROGRESS, lkid(), false);
      const at = cluster.queue.findIndex((waiting) => waiting.ticket === ticket);
      if (at >= 0) {
        cluster.queue.splice(at, 1);
        deliver(() => set(STATUS.CANCELLED, lkid(), false));
        return 0;
      }
      // The kernel says 0 where a lock has nothing to cancel, and no result follows.
      return allLocks(handle).some((lock) => lock.lkid === lkid()) ? 0 : ERRNO.ENOENT;
    },
    adopt(handle, ticket, { name, mode }) {
      node.sent.push(`adopt ${name} mode ${mode}`);
      noteStop();
      const orphans = find(handle, name).locks.filter((lock) => lock.orphan && lock.nodeid === nodeid);
      if (orphans.length === 0) return ERRNO.ENOENT;
      const orphan = orphans.find((lock) => lock.mode === mode);
      if (orphan === undefined) return ERRNO.EAGAIN;
      orphan.orphan = false;
      (ticket as FakeTicket).set(STATUS.GRANTED, orphan.lkid, false);
      return 0;
    },
    wait: (_handle, ticket, timeout_ms) => {
      if (ticket.status() === STATUS.IN_PROGRESS) {
        node.asleep();
        node.now_ms += timeout_ms;
        for (const { again } of cluster.queue.splice(0)) again();
      }
      if (!node.silent) for (const result of pending.splice(0)) result();
      return ticket.status() !== STATUS.IN_PROGRESS;
    },
    collect: () => {
      if (!node.silent) for (const result of pending.splice(0)) result();
    },
    purge(handle) {
      node.sent.push("purge");
      noteStop();
      for (const [key, { locks }] of cluster.resources) {
        if (!key.startsWith(`${names.name(handle)} `)) continue;
        const kept = locks.filter((lock) => !(lock.orphan && lock.nodeid === nodeid));
        locks.splice(0, locks.length, ...kept);
      }
      return 0;
    },
  };
  const lockNow = (resource: FakeResource, ticket: FakeTicket, { lkid, mode, flags }: LockRequest): void => {
    const own = resource.locks.find((lock) => lock.lkid === lkid);
    // Of the conversions that lvmlockd makes the kernel takes this flag with those from null and from shared to exclusive.
    if ((flags & LKF.QUECVT) !== 0 && (own === undefined || own.mode >= mode)) {
      ticket.set(ERRNO.EINVAL, lkid, false);
      return;
    }
    if (resource.locks.some((lock) => lock !== own && conflicts(lock.mode, mode))) {
      if ((flags & LKF.NOQUEUE) !== 0) {
        ticket.set(ERRNO.EAGAIN, lkid, false);
        return;
      }
      const queued = lkid || cluster.next_lkid++;
      ticket.set(STATUS.IN_PROGRESS, queued, false);
      const again = (): void => lockNow(resource, ticket, { lkid: queued, mode, flags, name: "" });
      cluster.queue.push({ ticket, again });
      return;
    }
    const lock = own ?? {
      lkid: lkid || cluster.next_lkid++,
      nodeid,
      mode: LKM.NL,
      flags: 0,
      orphan: false,
    };
    if (own === undefined) resource.locks.push(lock);
    if (lock.mode === LKM.EX && mode !== LKM.EX && (flags & LKF.IVVALBLK) !== 0) resource.lost = true;
    const writes = lock.mode === LKM.EX && mode !== LKM.EX && (flags & LKF.VALBLK) !== 0;
    if (writes) {
      resource.block = ticket.block.slice();
      resource.lost = false;
    } else if ((flags & LKF.VALBLK) !== 0) ticket.block.set(resource.block);
    lock.mode = mode;
    lock.flags = flags;
    ticket.set(STATUS.GRANTED, lock.lkid, resource.lost);
  };
  const members = (name: string): Set<number> => {
    const found = cluster.members.get(name) ?? new Set<number>();
    cluster.members.set(name, found);
    return found;
  };
  const opener: Opener = async (call): Promise<OpenerResult> => {
    node.sent.push(`${call.kind} ${call.name}`);
    if (call.kind === "release") {
      members(call.name).delete(nodeid);
      for (const [key, { locks }] of cluster.resources) {
        if (!key.startsWith(`${call.name} `)) continue;
        locks.splice(0, locks.length, ...locks.filter((lock) => lock.nodeid !== nodeid));
        if (members(call.name).size === 0) cluster.resources.delete(key);
      }
      return { handle: 0, errno: 0 };
    }
    if (call.kind === "create" && members(call.name).has(nodeid)) return { handle: 0, errno: ERRNO.EEXIST };
    members(call.name).add(nodeid);
    return { handle: names.handle(call.name), errno: 0 };
  };
  const kernel: Kernel = {
    clusterName: () => node.cluster_name,
    localNodeid: () => nodeid,
    isLoaded: () => true,
    lockspace: (name) => (members(name).has(nodeid) ? node.state : "gone"),
    hasLocks: (name) =>
      node.debugfs
        ? [...cluster.resources].some(([key, { locks }]) => key.startsWith(`${name} `) && locks.length > 0)
        : null,
    closeLeftovers: () => 0,
  };
  const silence = (): "no-daemon" | "hangs" | null => {
    if (node.hangs) return "hangs";
    return node.daemon ? null : "no-daemon";
  };
  const control: DlmControl = {
    lockspace: async () =>
      silence() ?? {
        wait_condition: node.wait_condition,
        member_count: 1,
        is_leaving: node.is_leaving,
      },
    nodes: async (name) => silence() ?? [...members(name)].map((id) => ({ nodeid: id, flags: 0 })),
    daemon: async () => silence() ?? "answers",
    isQuorate: async () => node.quorate,
    run: {
      async start(command) {
        node.sent.push(command);
        return "uuid";
      },
      check: async () => node.run_status.shift() ?? 1,
    },
  };
  const node: FakeNode = {
    nodeid,
    sent: [],
    news: [],
    cluster_name: "lab",
    state: "running",
    wait_condition: 0,
    daemon: true,
    hangs: false,
    quorate: true,
    is_leaving: false,
    debugfs: true,
    silent: false,
    refusal: 0,
    version: { major: 6, minor: 0, patch: 2 },
    now_ms: 0,
    asleep: () => {},
    opener: null,
    run_status: [2],
    die() {
      for (const { locks } of cluster.resources.values()) {
        const kept = locks.filter((lock) => lock.nodeid !== nodeid || (lock.flags & LKF.PERSISTENT) !== 0);
        for (const lock of kept) if (lock.nodeid === nodeid) lock.orphan = true;
        locks.splice(0, locks.length, ...kept);
      }
    },
    tools: {
      client,
      control,
      kernel,
      opener: (call) => (node.opener ?? opener)(call),
      openings: new Map(),
      clock: {
        now_ms: () => node.now_ms,
        sleep(ms) {
          node.asleep();
          node.now_ms += ms;
          // A turn of the event loop, so that what is already settled wins a race against this sleep.
          return new Promise((resolve) => setImmediate(resolve));
        },
      },
      context: {
        lock_type: "dlm",
        test_mode: false,
        io_timeout_s: 0,
        lvmlockctl_path: "",
        settings: {},
        news: (one) => node.news.push(one),
      },
    },
  };
  return node;
}

export const IDENTITY: LockspaceIdentity = {
  lockspace_name: "lvm_vg",
  vg_name: "vg",
  vg_uuid: "",
  vg_lock_args: "1.0.0:lab",
  lock_type: "dlm",
  host_id: 1,
};
