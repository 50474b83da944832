import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createCallTable } from "../../core/locking/call-table.ts";
import type { PendingCall } from "../../core/locking/state.ts";

/** The table looks at nothing but the number. */
function callOf(id: number): PendingCall {
  return { id } as PendingCall;
}

describe("the table of manager calls", () => {
  test("gives a call back once, and null for a number that it does not know", () => {
    const table = createCallTable();
    const call = callOf(table.nextId());
    table.add(call);
    expect(table.size()).toBe(1);
    expect(table.take(call.id + 64)).toBeNull();
    expect(table.take(call.id)).toBe(call);
    expect(table.take(call.id)).toBeNull();
    expect(table.size()).toBe(0);
  });

  test("passes over the numbers whose place is taken by a call that lasts", () => {
    const table = createCallTable();
    const stuck = callOf(table.nextId());
    table.add(stuck);
    let last_id = stuck.id;
    for (let i = 0; i < 1000; i++) {
      const id = table.nextId();
      expect(id).toBeGreaterThan(last_id);
      table.add(callOf(id));
      table.take(id);
      last_id = id;
    }
    expect(table.list()).toEqual([stuck]);
  });

  test("refuses a call whose number it did not give", () => {
    const table = createCallTable();
    expect(() => table.add(callOf(table.nextId() + 1))).toThrow();
  });

  test("agrees with a Map, however many calls last and in whatever order they end", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(3), { maxLength: 800 }), fc.nat(), (steps, seed) => {
        const table = createCallTable();
        const model = new Map<number, PendingCall>();
        let random = seed;
        for (const step of steps) {
          const ids = [...model.keys()];
          const id = ids[random++ % Math.max(1, ids.length)];
          if (step === 0 && id !== undefined) {
            expect(table.take(id)).toBe(model.get(id) ?? null);
            model.delete(id);
          } else {
            const call = callOf(table.nextId());
            table.add(call);
            model.set(call.id, call);
          }
        }
        expect(table.size()).toBe(model.size);
        expect(table.list()).toEqual([...model.values()]);
      }),
    );
  });
});
