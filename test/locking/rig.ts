/**
 * A pure core with clients, a clock and a scripted lock manager around it. Effects are carried out as the daemon's shell does:
 * in order, answers fed back after the batch that asked. After every event the core's own invariants are checked, and that
 * each request gets one reply at most and that each LV lock is in the journal before the manager is asked for it.
 */
import { strict as assert } from "node:assert";
import type {
  AdoptableLockspace,
  Ask,
  AskReservations,
  Effect,
  JournalRecord,
  Locking,
  LockingEvent,
  LockingOptions,
  LockspaceView,
  ManagerAnswer,
  ResourceView,
} from "../../core/locking/api.ts";
import { createLocking } from "../../core/locking/locking.ts";
import type { Reply, RequestName, RequestOptions, WireMode } from "../../core/wire/message.ts";
import type { LockType } from "../../plugins/contract.ts";
import { argsOf, cutOff, DLM, defaultAnswer, type Method, SANLOCK, type Script } from "./manager.ts";
import { makeRequest, type RequestFields } from "./request.ts";

export type NormalReply = Extract<Reply, { shape: "normal" }>;
type LockOptions = Partial<RequestOptions> & { readonly vg?: string; readonly max_retries?: number };

export interface TestClient {
  readonly id: number;
  /** Replies that the test has not read yet. */
  readonly unread: Reply[];
  /** Sends a request; its reply when it came at once, else null. */
  send(name: RequestName, fields?: RequestFields): Reply | null;
  /** As send, but only the result. */
  ask(name: RequestName, fields?: RequestFields): number | null;
  /** Lock requests: the result, or null while they wait. */
  gl(mode: WireMode, fields?: RequestFields): number | null;
  vg(mode: WireMode, opts?: LockOptions): number | null;
  lv(lv_uuid: string, mode: WireMode, opts?: LockOptions): number | null;
  /** Takes the oldest unread reply; fails when there is none. */
  reply(): Reply;
  result(): number;
  /** True while a request is under way. */
  waits(): boolean;
  close(): void;
  /** The latest reply could not be delivered; the connection is closed, as the shell does. */
  loseReply(): void;
}

export interface Rig {
  readonly core: Locking;
  readonly effects: Effect[];
  /** What the journal lists: mode by "vg/lv_uuid", "started" by "vg". */
  readonly journal: Map<string, JournalRecord>;
  now_ms(): number;
  client(pid?: number): TestClient;
  /** Starts a VG with a client of its own, whose result must be 0. */
  startVg(vg_name?: string, fields?: RequestFields): void;
  handle(event: LockingEvent): void;
  /** Lets time pass; wake-ups come when the core asked for them. */
  advance(ms: number): void;
  /** The answers to a method from now on. */
  script(method: Method, script: Script): void;
  /** Calls of the method stay open until `answer`. */
  hold(method: Method): void;
  /** Back to the default answers, for calls that come from now on. */
  unscript(method: Method): void;
  /** Open calls, oldest first. */
  held(method?: Method): Ask[];
  /** Answers the oldest open call, the oldest of a method, or one in particular. */
  answer(answer: ManagerAnswer, which?: Method | Ask): void;
  /** All calls made so far, in order; of the method when it is named. */
  calls(method?: Method): Ask[];
  /** Answers to work on reservation keys from now on; by default all of it succeeds. Null keeps it open until `answerKeys`. */
  scriptKeys(script: (ask: AskReservations) => ManagerAnswer | null): void;
  /** All such work so far, in order. */
  keyCalls(): AskReservations[];
  /** Answers the oldest one that is open. */
  answerKeys(answer: ManagerAnswer): void;
  /** What device-mapper says of an LV from now on; without that every LV is active. */
  device(lv_uuid: string, state: "active" | "inactive" | "unknown"): void;
  /** "method" or "lock VGLK ex" for each call since the last time this was asked. */
  newCalls(): string[];
  lockspace(vg_name?: string): LockspaceView | undefined;
  resource(name: string, vg_name?: string): ResourceView | undefined;
  logs(): string[];
  effectsOf<K extends Effect["kind"]>(kind: K): Extract<Effect, { kind: K }>[];
}

export interface RigOptions extends Partial<LockingOptions> {
  readonly lock_type?: LockType;
  readonly adopt?: readonly AdoptableLockspace[];
}

export function makeRig(options: RigOptions = {}): Rig {
  const { lock_type = "dlm", adopt, ...rest } = options;
  const core = createLocking({
    managers: { dlm: DLM, sanlock: SANLOCK },
    gl_type: null,
    host_id: 1,
    test_mode: false,
    wait_limit_ms: 0,
    seed: 1,
    debug: false,
    ...rest,
  });
  const effects: Effect[] = [];
  const journal = new Map<string, JournalRecord>();
  const scripts = new Map<Method, Script>();
  const open: Ask[] = [];
  const asked: Ask[] = [];
  const keyCalls: AskReservations[] = [];
  const openKeyCalls: AskReservations[] = [];
  let scriptOfKeys: (ask: AskReservations) => ManagerAnswer | null = () => cutOff();
  const devices = new Map<string, "active" | "inactive" | "unknown">();
  const clients = new Map<number, { unread: Reply[]; outstanding: boolean }>();
  let now_ms = 1000;
  let next_client_id = 1;
  let calls_seen = 0;

  function handle(event: LockingEvent): void {
    const events: LockingEvent[] = [event];
    for (let next = events.shift(); next !== undefined; next = events.shift()) {
      core.handle(next, now_ms);
      for (const effect of core.effects.splice(0)) {
        effects.push(effect);
        const answer = carryOut(effect);
        if (answer !== null) events.push(answer);
      }
      core.check();
    }
  }

  function carryOut(effect: Effect): LockingEvent | null {
    switch (effect.kind) {
      case "reply": {
        const client = clients.get(effect.client_id);
        assert(client !== undefined, "replies go to clients that are connected");
        assert(client.outstanding, "a request gets one reply");
        client.outstanding = false;
        client.unread.push(effect.reply);
        return null;
      }
      case "journal":
        applyRecord(journal, effect.record);
        return null;
      case "ask": {
        asked.push(effect);
        assertJournaled(effect);
        const answer = (scripts.get(effect.target.method) ?? defaultAnswer)(effect);
        if (answer !== null) return { kind: "answer", call_id: effect.call_id, answer };
        open.push(effect);
        return null;
      }
      case "ask-reservations": {
        keyCalls.push(effect);
        const answer = scriptOfKeys(effect);
        if (answer !== null) return { kind: "answer", call_id: effect.call_id, answer };
        openKeyCalls.push(effect);
        return null;
      }
      case "look-at-devices": {
        const states = new Map<string, "active" | "inactive">();
        for (const lv_uuid of effect.lv_uuids) {
          const device = devices.get(lv_uuid) ?? "active";
          if (device !== "unknown") states.set(lv_uuid, device);
        }
        return { kind: "devices", key: effect.key, states };
      }
      default:
        return null;
    }
  }

  function assertJournaled(ask: Ask): void {
    const { target } = ask;
    if (target.kind !== "lockspace") return;
    if (target.method === "join") {
      assert(journal.has(target.identity.vg_name), "a lockspace is in the journal before it is joined");
    }
    if (target.method !== "lock" && target.method !== "convert") return;
    const { resource, mode } = argsOf(ask);
    if (resource.kind !== "lv") return;
    const record = journal.get(`${target.identity.vg_name}/${resource.name}`);
    assert(record?.kind === "lock-held", "an LV lock is in the journal before it is asked for");
    assert(mode === "sh" || record.mode === "ex", "and in no weaker mode");
  }

  function client(pid = 100 + next_client_id): TestClient {
    const id = next_client_id++;
    const own = { unread: [] as Reply[], outstanding: false };
    clients.set(id, own);
    handle({ kind: "client-opened", client_id: id, pid });
    const send = (name: RequestName, fields: RequestFields = {}): Reply | null => {
      assert(!own.outstanding, "a client sends one request at a time");
      own.outstanding = true;
      const cmd = fields.cmd ?? `cmd${id}`;
      handle({ kind: "request", client_id: id, request: makeRequest(name, { ...fields, cmd }) });
      return own.outstanding ? null : (own.unread.pop() ?? null);
    };
    const ask = (name: RequestName, fields?: RequestFields): number | null => {
      const reply = send(name, fields);
      return reply === null ? null : reply.result;
    };
    const lockFields = (mode: WireMode, all: LockOptions): RequestFields => {
      const { vg = "vg", max_retries = 4, ...opts } = all;
      return { vg_name: vg, mode, max_retries, opts };
    };
    const close = (): void => {
      clients.delete(id);
      handle({ kind: "client-closed", client_id: id });
    };
    const reply = (): Reply => {
      const first = own.unread.shift();
      assert(first !== undefined, "there is a reply");
      return first;
    };
    return {
      id,
      unread: own.unread,
      send,
      ask,
      gl: (mode, fields = {}) => ask("lock_gl", { ...fields, mode }),
      vg: (mode, opts = {}) => ask("lock_vg", lockFields(mode, opts)),
      lv: (lv_uuid, mode, opts = {}) =>
        ask("lock_lv", { ...lockFields(mode, opts), lv_uuid, lv_name: `name of ${lv_uuid}` }),
      reply,
      result: () => reply().result,
      waits: () => own.outstanding,
      close,
      loseReply() {
        handle({ kind: "undelivered", client_id: id });
        close();
      },
    };
  }

  const callsOf = (list: readonly Ask[], method?: Method): Ask[] =>
    list.filter((ask) => method === undefined || ask.target.method === method);

  const rig: Rig = {
    core,
    effects,
    journal,
    now_ms: () => now_ms,
    client,
    startVg(vg_name = "vg", fields = {}) {
      const starter = client();
      const start = {
        vg_name,
        vg_uuid: `uuid of ${vg_name}`,
        vg_lock_type: lock_type,
        vg_lock_args: "1.0.0:x",
      };
      assert.equal(starter.ask("start_vg", { ...start, ...fields }), 0);
      assert.equal(starter.ask("start_wait"), 0);
      starter.close();
    },
    handle,
    advance(ms) {
      const end_ms = now_ms + ms;
      while (core.nextWakeup_ms() <= end_ms) {
        now_ms = Math.max(now_ms, core.nextWakeup_ms());
        handle({ kind: "timer" });
        assert(core.nextWakeup_ms() > now_ms, "a timer that has come is not asked for again");
      }
      now_ms = end_ms;
    },
    script: (method, script) => scripts.set(method, script),
    hold: (method) => scripts.set(method, () => null),
    unscript: (method) => scripts.delete(method),
    held: (method) => callsOf(open, method),
    answer(answer, which) {
      const first = typeof which === "object" ? which : callsOf(open, which)[0];
      assert(first !== undefined, "there is an open call");
      open.splice(open.indexOf(first), 1);
      handle({ kind: "answer", call_id: first.call_id, answer });
    },
    calls: (method) => callsOf(asked, method),
    scriptKeys(script) {
      scriptOfKeys = script;
    },
    keyCalls: () => [...keyCalls],
    answerKeys(answer) {
      const first = openKeyCalls.shift();
      assert(first !== undefined, "there is open work on reservation keys");
      handle({ kind: "answer", call_id: first.call_id, answer });
    },
    device: (lv_uuid, state) => void devices.set(lv_uuid, state),
    newCalls() {
      const fresh = asked.slice(calls_seen);
      calls_seen = asked.length;
      return fresh.map(describeCall);
    },
    lockspace: (vg_name = "vg") => [...core.lockspaces()].find((view) => view.vg_name === vg_name),
    resource(name, vg_name = "vg") {
      const view = rig.lockspace(vg_name);
      return view === undefined ? undefined : [...core.resources(view)].find((found) => found.name === name);
    },
    logs: () => rig.effectsOf("log").map(({ text }) => text),
    effectsOf: (kind) => effects.filter((effect) => effect.kind === kind) as never,
  };
  if (adopt !== undefined) {
    for (const source of adopt) noteAdoptable(journal, source);
    handle({ kind: "adopt", lockspaces: adopt });
  }
  return rig;
}

function describeCall(ask: Ask): string {
  const { method } = ask.target;
  if (method !== "lock" && method !== "unlock" && method !== "convert") return method;
  const { resource, mode, from } = argsOf(ask);
  return `${method} ${resource.name} ${method === "unlock" ? from : mode}`;
}

/** Keeps a table of what the journal lists, as the daemon's own does. */
export function applyRecord(journal: Map<string, JournalRecord>, record: JournalRecord): void {
  switch (record.kind) {
    case "lockspace-started":
      journal.set(record.vg_name, record);
      return;
    case "lockspace-stopped":
      for (const key of [...journal.keys()]) {
        if (key === record.vg_name || key.startsWith(`${record.vg_name}/`)) journal.delete(key);
      }
      return;
    case "lock-held":
      journal.set(`${record.vg_name}/${record.lv_uuid}`, record);
      return;
    case "lock-released":
      journal.delete(`${record.vg_name}/${record.lv_uuid}`);
      return;
  }
}

/** The records that a recovered journal has of a lockspace to be adopted. */
function noteAdoptable(journal: Map<string, JournalRecord>, source: AdoptableLockspace): void {
  const { locks, ...lockspace } = source;
  const { vg_name } = lockspace;
  applyRecord(journal, { kind: "lockspace-started", ...lockspace });
  for (const lock of locks) applyRecord(journal, { kind: "lock-held", vg_name, ...lock });
}
