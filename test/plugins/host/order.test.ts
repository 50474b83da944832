import { describe, expect, test } from "bun:test";
import type { Ask, ManagerAnswer } from "../../../core/locking/api.ts";
import { createPluginHost } from "../../../plugins/host/host.ts";
import { fixture, identity, lockArgs, nextCallId } from "./asking.ts";

/** Asks for a lock (slow in some way) and how many locks there were, and for another lock when the first is answered. */
async function locksSeen(plugin: string, script: string): Promise<unknown> {
  const host = await createPluginHost({
    lock_managers: { dlm: fixture(plugin) },
    config_directory: "/",
    test_mode: false,
    io_timeout_s: 0,
    lvmlockctl_path: "",
    settings: {},
    log: () => {},
    news: () => {},
  });
  const ask = (method: "lock" | "hosts", args: object): Ask => ({
    kind: "ask",
    call_id: nextCallId(),
    target: { kind: "lockspace", lock_type: "dlm", key: 1, identity: identity(1), method },
    args,
  });
  const { promise, resolve } = Promise.withResolvers<ManagerAnswer>();
  const first = host.ask(ask("lock", lockArgs(script)), () => {
    host.ask(ask("lock", lockArgs("now")), () => {});
  });
  const second = host.ask(ask("hosts", { notify: false }), (_call_id, answer) => resolve(answer));
  expect([first, second]).toEqual([null, null]);
  const answer = await promise;
  await host.close();
  return answer.kind === "done" && answer.others;
}

describe("a call that is made from the answer to another one", () => {
  for (const [plugin, script, what] of [
    ["opens-slowly", "now", "a plugin that was being opened"],
    ["scripted-inline", "soon", "an inline plugin with a queue"],
    ["scripted-worker", "now", "a worker"],
  ] as const) {
    test(`comes after those that wait already (${what})`, async () => {
      expect(await locksSeen(plugin, script)).toBe(1);
    });
  }
});
