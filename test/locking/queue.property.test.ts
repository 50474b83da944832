/**
 * Random clients, requests, deaths and answers. The test keeps its own books: what each client was told it holds, in which
 * order requests came, and what the lock manager really granted to this host.
 */

import { describe, test } from "bun:test";
import { strict as assert } from "node:assert";
import fc from "fast-check";
import type { HeldMode } from "../../plugins/contract.ts";
import { argsOf, done, granted, refused } from "./manager.ts";
import { makeRig, type Rig, type TestClient } from "./rig.ts";

type Op =
  | {
      readonly kind: "lock";
      readonly client: number;
      readonly resource: number;
      readonly mode: "sh" | "ex" | "un";
      readonly persistent: boolean;
    }
  | { readonly kind: "close" | "lose"; readonly client: number }
  | { readonly kind: "answer"; readonly index: number; readonly how: "good" | "conflict" | "soon" | "broken" }
  | { readonly kind: "advance"; readonly ms: number };

const CLIENTS = 6;
const RESOURCES = ["VGLK", "lv1", "lv2"];

const opOf = (persistent: boolean): fc.Arbitrary<Op> =>
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("lock" as const),
        client: fc.nat(CLIENTS - 1),
        resource: fc.nat(RESOURCES.length - 1),
        mode: fc.constantFrom("sh" as const, "ex" as const, "un" as const),
        persistent: persistent ? fc.boolean() : fc.constant(false),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constantFrom("close" as const, "lose" as const),
        client: fc.nat(CLIENTS - 1),
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("answer" as const),
        index: fc.nat(5),
        how: fc.constantFrom(
          "good" as const,
          "good" as const,
          "conflict" as const,
          "soon" as const,
          "broken" as const,
        ),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.nat(3000) }) },
  );

interface Slot {
  client: TestClient;
  /** What it was told that it holds, by resource. */
  readonly told: Map<string, HeldMode>;
  pending: {
    readonly resource: string;
    readonly mode: string;
    readonly ticket: number;
    readonly fresh: boolean;
  } | null;
}

/** A rig whose lock, unlock and convert calls stay open, with the books beside it. */
function createBooks(check_holders: boolean) {
  const rig: Rig = makeRig({ gl_type: "sanlock", lock_type: "sanlock" });
  rig.startVg();
  for (const method of ["lock", "unlock", "convert"] as const) rig.hold(method);
  const manager = new Map<string, HeldMode>();
  const newSlot = (): Slot => ({ client: rig.client(), told: new Map(), pending: null });
  const slots = Array.from({ length: CLIENTS }, newSlot);
  let next_ticket = 1;

  function readReplies(): void {
    const answered = slots.filter(({ client }) => client.unread.length > 0);
    // Several replies of one event are read in the order in which the requests came.
    answered.sort((a, b) => (a.pending?.ticket ?? 0) - (b.pending?.ticket ?? 0));
    for (const slot of answered) readReply(slot);
  }

  function readReply(slot: Slot): void {
    const { pending, told, client } = slot;
    assert(pending !== null, "a reply answers a request");
    slot.pending = null;
    const result = client.result();
    if (result !== 0) return;
    const { resource, mode } = pending;
    if (mode === "un") told.delete(resource);
    else told.set(resource, mode as HeldMode);
    if (check_holders && mode !== "un" && pending.fresh) checkOrder(pending.resource, pending.ticket);
  }

  /** First come, first served: whoever asked before for the same lock has been answered by now. */
  function checkOrder(resource: string, ticket: number): void {
    for (const { pending } of slots) {
      if (pending === null || pending.resource !== resource || pending.mode === "un" || !pending.fresh)
        continue;
      assert(pending.ticket > ticket, "nobody is granted a lock before those who asked earlier");
    }
  }

  function checkHolders(): void {
    for (const resource of RESOURCES) {
      const modes = slots.flatMap(({ told }) => told.get(resource) ?? []);
      assert(!modes.includes("ex") || modes.length === 1, "an exclusive holder is alone");
      for (const mode of modes) {
        const held = manager.get(resource);
        assert(held === "ex" || held === mode, "what a client was told, the lock manager has granted");
      }
    }
  }

  function checkJournal(): void {
    for (const [resource, mode] of manager) {
      if (resource === "VGLK") continue;
      const record = rig.journal.get(`vg/${resource}`);
      assert(
        record?.kind === "lock-held" && (mode === "sh" || record.mode === "ex"),
        "the journal covers what is held",
      );
    }
  }

  /** Answers an open call and keeps the manager's books; they say what a right core may ask for. */
  function answer(index: number, how: "good" | "conflict" | "soon" | "broken"): void {
    const open = rig.held();
    const ask = open[index % Math.max(1, open.length)];
    if (ask === undefined) return;
    const { resource, mode, from } = argsOf(ask);
    const held = manager.get(resource.name);
    const method = ask.target.method;
    assert(method === "lock" ? held === undefined : held === from, `${method} fits what the manager holds`);
    const good = how === "good" || (method === "unlock" && how !== "broken");
    if (good && method === "unlock") manager.delete(resource.name);
    else if (good) manager.set(resource.name, mode);
    // The rig answers the oldest call of a method first, so the chosen one is answered directly.
    const refusal =
      how === "broken" ? refused("ELOCKIO") : refused("EAGAIN", how === "soon" ? { retry: "soon" } : {});
    rig.answer(good ? (method === "lock" ? granted() : done()) : refusal, ask);
  }

  function run(op: Op): void {
    switch (op.kind) {
      case "lock": {
        const slot = slots[op.client] as Slot;
        if (slot.client.waits()) return;
        const resource = RESOURCES[op.resource] as string;
        slot.pending = { resource, mode: op.mode, ticket: next_ticket++, fresh: !slot.told.has(resource) };
        const opts = { persistent: op.persistent, max_retries: 1 };
        const result =
          resource === "VGLK" ? slot.client.vg(op.mode, opts) : slot.client.lv(resource, op.mode, opts);
        // The rig hands a reply that came at once to the caller; the books want it among the others.
        if (result !== null) noteAtOnce(slot, result);
        break;
      }
      case "close":
      case "lose": {
        const slot = slots[op.client] as Slot;
        if (op.kind === "close") slot.client.close();
        else slot.client.loseReply();
        slots[op.client] = newSlot();
        break;
      }
      case "answer":
        answer(op.index, op.how);
        break;
      case "advance":
        rig.advance(op.ms);
        break;
    }
    readReplies();
    if (check_holders) checkHolders();
    checkJournal();
  }

  function noteAtOnce(slot: Slot, result: number): void {
    const { pending, told } = slot;
    slot.pending = null;
    if (pending === null || result !== 0) return;
    if (pending.mode === "un") told.delete(pending.resource);
    else told.set(pending.resource, pending.mode as HeldMode);
  }

  /** A calm end: the manager grants everything, all clients go, the VG is stopped. Nothing may be left. */
  function end(): void {
    for (let round = 0; rig.held().length > 0 || slots.some(({ client }) => client.waits()); round++) {
      assert(round < 2000, "a calm manager answers everybody in the end");
      if (rig.held().length > 0) answer(0, "good");
      else rig.advance(500);
      readReplies();
      // Those who hold on are let go, so that the others get their turn.
      if (rig.held().length === 0)
        for (const { client, told } of slots)
          if (!client.waits() && told.size > 0) {
            client.close();
            told.clear();
            slots.splice(
              slots.findIndex((slot) => slot.client === client),
              1,
            );
            break;
          }
      if (rig.held().length === 0) dropPersistent();
    }
    for (const { client } of slots) client.close();
    while (rig.held().length > 0) answer(0, "good");
    const stopper = rig.client();
    stopper.ask("stop_vg", { vg_name: "vg", opts: { force: true } });
    while (rig.held().length > 0) answer(0, "good");
    assert.deepEqual([...rig.core.lockspaces()], []);
    assert.deepEqual([...rig.journal.keys()], []);
    assert.deepEqual([...manager.keys()], []);
    rig.advance(600_000);
    assert.equal(rig.core.nextWakeup_ms(), Number.POSITIVE_INFINITY);
    stopper.close();
    assert.deepEqual([...rig.core.clients()], []);
  }

  function dropPersistent(): void {
    const helper = rig.client();
    for (const resource of RESOURCES) {
      const opts = { persistent: true };
      if (helper.waits()) break;
      if (resource === "VGLK") helper.vg("un", opts);
      else helper.lv(resource, "un", opts);
    }
    while (rig.held().length > 0) answer(0, "good");
    helper.close();
  }

  return { run, end };
}

describe("any sequence of requests, deaths and answers", () => {
  test("with transient locks grants first come first served, never two that exclude each other, and leaves nothing", () => {
    fc.assert(
      fc.property(fc.array(opOf(false), { maxLength: 80 }), (ops) => {
        const books = createBooks(true);
        for (const op of ops) books.run(op);
        books.end();
      }),
      { numRuns: 400 },
    );
  });

  test("with transient and persistent locks keeps the journal ahead of the manager and leaves nothing", () => {
    fc.assert(
      fc.property(fc.array(opOf(true), { maxLength: 80 }), (ops) => {
        const books = createBooks(false);
        for (const op of ops) books.run(op);
        books.end();
      }),
      { numRuns: 400 },
    );
  });
});
