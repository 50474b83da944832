/**
 * One simulated host: a pure core, the shell around it reduced to carrying out effects in order, its journal and its clients.
 * The daemon may die between any two effects.
 */
import type {
  Ask,
  AskReservations,
  DeviceStates,
  Effect,
  Locking,
  LockingEvent,
} from "../../core/locking/api.ts";
import { createLocking } from "../../core/locking/locking.ts";
import type { Request } from "../../core/wire/message.ts";
import { DLM, FENCING, SANLOCK } from "../locking/manager.ts";
import { type Beliefs, createBeliefs } from "./beliefs.ts";
import { createBooks } from "./books.ts";
import type { SimulatedClient } from "./client.ts";
import type { Cluster } from "./cluster.ts";
import { insist } from "./insist.ts";
import { createJournal, type SimulatedJournal } from "./journal.ts";
import type { Weather } from "./weather.ts";

/** What a host tells its world. */
export interface HostWatcher {
  now_ms(): number;
  /** Before every event that the core is given, and before every effect that is carried out. */
  given(host: SimulatedHost, event: LockingEvent): void;
  made(host: SimulatedHost, effect: Effect): void;
  asked(host: SimulatedHost, ask: Ask): void;
  askedKeys(host: SimulatedHost, ask: AskReservations): void;
  answered(host: SimulatedHost, client: SimulatedClient, result: number): void;
  /** True: the daemon dies before its next effect. */
  diesNow(): boolean;
  /** True: the reply does not reach its client. */
  losesReply(): boolean;
  replyLost(host: SimulatedHost, client: SimulatedClient): void;
  died(host: SimulatedHost): void;
  /** The whole machine stands still. */
  failed(host: SimulatedHost): void;
  wakeAt(host: SimulatedHost, at_ms: number): void;
}

export interface SimulatedHost {
  readonly index: number;
  readonly beliefs: Beliefs;
  readonly journal: SimulatedJournal;
  readonly clients: Map<number, SimulatedClient>;
  /** Counts the daemons that this host has had; null core: none runs right now. */
  incarnation: number;
  core: Locking | null;
  wakeup_ms: number;
  boot(unknown_devices: (key: string) => boolean): void;
  crash(): void;
  /** The machine speaks to nobody any more. Its LVs are active still, as far as it knows. */
  failed: boolean;
  fail(): void;
  /** The failed machine starts anew, and nothing of it is left but what is on the shared storage. */
  reset(): void;
  /** Nothing is under way any more, not even an unlock of a client that has gone. */
  rest(): void;
  handle(event: LockingEvent): void;
  open(client: SimulatedClient): void;
  send(client: SimulatedClient, request: Request): void;
  close(client: SimulatedClient): void;
}

export function createHost(
  index: number,
  weather: Weather,
  cluster: Cluster,
  watcher: HostWatcher,
): SimulatedHost {
  const beliefs = createBeliefs();
  const journal = createJournal();
  const clients = new Map<number, SimulatedClient>();
  const conversions = new Set<number>();
  let ends_conversion = false;
  /** Which LVs device-mapper can't be asked about in this life of the daemon. */
  let hides_device: (key: string) => boolean = () => false;
  const has_own_global_lock = weather.lock_type === "dlm";
  const sanlock = weather.machine_failures ? FENCING : SANLOCK;
  const managers = has_own_global_lock ? { dlm: DLM } : { sanlock };
  const books = createBooks({
    beliefs,
    clients,
    has_own_global_lock,
    heldMode(key) {
      const slash = key.indexOf("/");
      return cluster.heldMode(host, key.slice(0, slash), key.slice(slash + 1));
    },
    versionOf(key) {
      const slash = key.indexOf("/");
      return cluster.versionOf(key.slice(0, slash), key.slice(slash + 1));
    },
    isJoined: (vg_name) => cluster.isJoined(host, `lvm_${vg_name}`),
    isPersistent: (vg_name, lv_uuid) => journal.held(vg_name, lv_uuid)?.persistent === true,
  });
  const host: SimulatedHost = {
    index,
    beliefs,
    journal,
    clients,
    incarnation: 0,
    core: null,
    wakeup_ms: Number.POSITIVE_INFINITY,
    boot(unknown_devices) {
      host.incarnation++;
      host.core = createLocking({
        managers,
        gl_type: weather.lock_type,
        host_id: index + 1,
        test_mode: false,
        wait_limit_ms: weather.wait_limit_ms,
        seed: index + host.incarnation,
        debug: false,
      });
      hides_device = unknown_devices;
      host.handle({ kind: "adopt", lockspaces: journal.adoptable() });
    },
    crash() {
      endDaemon();
      watcher.died(host);
    },
    failed: false,
    fail() {
      endDaemon();
      host.failed = true;
      watcher.failed(host);
    },
    reset() {
      host.failed = false;
      journal.wipe();
      beliefs.forgetAll("");
    },
    rest: () => books.rest(),
    handle(event) {
      const { core } = host;
      if (core === null) return;
      watcher.given(host, event);
      ends_conversion = event.kind === "answer" && conversions.delete(event.call_id);
      if (event.kind === "lockspace-lost")
        for (const vg_name of known()) if (`lvm_${vg_name}` === event.lockspace_name) books.killed(vg_name);
      core.handle(event, watcher.now_ms());
      for (const effect of core.effects.splice(0)) {
        if (watcher.diesNow()) host.crash();
        if (host.core !== core) return;
        watcher.made(host, effect);
        carryOut(effect);
      }
      if (host.core !== core) return;
      core.check();
      const at_ms = core.nextWakeup_ms();
      if (at_ms < host.wakeup_ms) {
        host.wakeup_ms = at_ms;
        watcher.wakeAt(host, at_ms);
      }
    },
    open(client) {
      host.clients.set(client.id, client);
      host.handle({ kind: "client-opened", client_id: client.id, pid: client.id });
    },
    send(client, request) {
      insist(client.outstanding === null, "a simulated client sends one request at a time");
      client.outstanding = request;
      books.sent(client, request);
      host.handle({ kind: "request", client_id: client.id, request });
    },
    close(client) {
      host.clients.delete(client.id);
      books.closed(client);
      host.handle({ kind: "client-closed", client_id: client.id });
    },
  };

  function endDaemon(): void {
    host.core = null;
    host.clients.clear();
    host.wakeup_ms = Number.POSITIVE_INFINITY;
    books.daemonDied();
    conversions.clear();
  }

  /** The VGs that are on the core's books. */
  const known = (): string[] => [...(host.core?.lockspaces() ?? [])].map((view) => view.vg_name);

  function carryOut(effect: Effect): void {
    switch (effect.kind) {
      case "ask":
        if (effect.target.method === "convert") conversions.add(effect.call_id);
        watcher.asked(host, effect);
        return;
      case "ask-reservations":
        watcher.askedKeys(host, effect);
        return;
      case "look-at-devices":
        host.handle({ kind: "devices", key: effect.key, states: deviceStates(effect) });
        return;
      case "journal":
        journal.apply(effect.record);
        return;
      case "forget-lockspace":
        books.stopped(known);
        return;
      case "reply":
        takeReply(effect);
        return;
      case "quit":
        insist(
          [...(host.core?.lockspaces() ?? [])].length === 0,
          "a daemon that quits has stopped everything",
        );
        host.crash();
        return;
      default:
        return;
    }
  }

  function deviceStates({ vg_uuid, lv_uuids }: Extract<Effect, { kind: "look-at-devices" }>): DeviceStates {
    const lockspace = [...(host.core?.lockspaces() ?? [])].find((view) => view.vg_uuid === vg_uuid);
    const states = new Map<string, "active" | "inactive">();
    for (const lv_uuid of lv_uuids) {
      const name = `lvm_${lockspace?.vg_name}/${lv_uuid}`;
      if (!hides_device(name)) states.set(lv_uuid, beliefs.isActive(name) ? "active" : "inactive");
    }
    return states;
  }

  function takeReply({ client_id, reply }: Extract<Effect, { kind: "reply" }>): void {
    const client = host.clients.get(client_id);
    insist(client !== undefined, "a reply is for a client that is there");
    const request = client.outstanding;
    insist(request !== null, "a request is answered once");
    client.outstanding = null;
    const is_lost = watcher.losesReply();
    books.told(client, request, { result: reply.result, is_lost, ends_conversion });
    client.broken = is_lost;
    if (is_lost) watcher.replyLost(host, client);
    else watcher.answered(host, client, reply.result);
  }

  return host;
}
