/**
 * One host of a test: the plugin host with the sanlock plugin in its workers, as in the daemon. It is a process of its own,
 * because sanlock knows its clients by their pid, and a host's death has to be real.
 */
import type { AskTarget, LockspaceMethod, ManagerMethod } from "../../core/locking/api.ts";
import { createPluginHost } from "../../plugins/host/host.ts";
import { runCounter } from "./counter.ts";
import {
  type CounterAsk,
  type FromHost,
  type HostAsk,
  IO_TIMEOUT_VARIABLE,
  LVMLOCKCTL_VARIABLE,
  PLUGIN_VARIABLE,
  SETTINGS_VARIABLE,
} from "./host-messages.ts";

const tell = (message: FromHost): void => {
  process.send?.(message);
};

const host = await createPluginHost({
  lock_managers: { sanlock: process.env[PLUGIN_VARIABLE] ?? "sanlock" },
  config_directory: import.meta.dir,
  test_mode: false,
  io_timeout_s: Number(process.env[IO_TIMEOUT_VARIABLE]),
  lvmlockctl_path: process.env[LVMLOCKCTL_VARIABLE] ?? "",
  settings: { sanlock: JSON.parse(process.env[SETTINGS_VARIABLE] ?? "{}") },
  log: (level, text) => tell({ kind: "log", text: `${level}: ${text}` }),
  news: (_lock_type, news) => tell({ kind: "news", news }),
});

async function count({ id, args }: CounterAsk): Promise<void> {
  const done = await runCounter(host, args, (rounds) => tell({ kind: "counting", id, rounds }));
  tell({ kind: "counted", id, done });
}

process.on("message", (ask: HostAsk | CounterAsk) => {
  if (ask.method === "counter") {
    void count(ask);
    return;
  }
  const { id, method, args, lockspace } = ask;
  const target: AskTarget =
    lockspace === null
      ? { kind: "manager", lock_type: "sanlock", method: method as ManagerMethod }
      : { kind: "lockspace", lock_type: "sanlock", method: method as LockspaceMethod, ...lockspace };
  const answer = host.ask({ kind: "ask", call_id: id, target, args }, (call_id, later) =>
    tell({ kind: "answer", id: call_id, answer: later }),
  );
  if (answer !== null) tell({ kind: "answer", id, answer });
});
// The test has gone: so does this.
process.on("disconnect", () => process.exit(0));
tell({ kind: "ready" });
