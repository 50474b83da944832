/** What people are told about the host that holds a refused lock. */
import { expect, test } from "bun:test";
import { HOST_STATE } from "../../../plugins/sanlock/flags.ts";
import { createLockspaceState, type Prepared } from "../../../plugins/sanlock/lockspace-state.ts";
import { ownerSentence } from "../../../plugins/sanlock/owner.ts";
import { fakeClient, fakeTools, IDENTITY, listedHost } from "./fake-client.ts";

/** The sentence about host 2 in this state, in a VG with or without notimeout. */
function told(flags: number, no_timeout: boolean): string {
  const state = createLockspaceState(IDENTITY, fakeTools(fakeClient({}, {})).tools);
  state.prepared = { no_timeout, fire_s: 60 } as Prepared;
  return ownerSentence(state, { name: "uuid", at_ms: 0, owner: listedHost(2, { flags }), owner_name: "" });
}

test("a silent owner counts as dead after 8T + F", () => {
  expect(told(HOST_STATE.FAIL, false)).toBe(
    "host_id 2 holds it but has stopped renewing its lease: it counts as dead 140 s after its last renewal",
  );
});

test("in a VG with notimeout no time is told after which a silent owner's lock is free: it has to be fenced", () => {
  const silent = told(HOST_STATE.FAIL, true);
  expect(silent).not.toMatch(/\d+ s/);
  expect(silent).toContain("until that host is back, or was fenced (its reservation key removed)");
  expect(told(HOST_STATE.UNKNOWN, true)).toBe("host_id 2 holds it; whether it is alive is not known yet");
});
