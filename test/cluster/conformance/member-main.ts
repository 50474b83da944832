/**
 * One member of the conformance suite: the plugin host with the lock manager in its workers, as in the daemon, on a host of the
 * cluster. The suite talks to it over TCP and kills it when it wants to; whoever started it starts it again.
 */
import type { AskTarget, LockspaceMethod, ManagerMethod } from "../../../core/locking/api.ts";
import { createPluginHost } from "../../../plugins/host/host.ts";
import {
  GREETING,
  LOCK_TYPE_VARIABLE,
  lockTypeOf,
  MANAGER_VARIABLE,
  MEMBER_PORT,
  type MemberAnswer,
  type MemberAsk,
  SETTINGS_VARIABLE,
} from "./messages.ts";

const lock_type = lockTypeOf(process.env[LOCK_TYPE_VARIABLE]);

const host = await createPluginHost({
  lock_managers: { [lock_type]: process.env[MANAGER_VARIABLE] ?? lock_type },
  config_directory: import.meta.dir,
  test_mode: false,
  io_timeout_s: 0,
  lvmlockctl_path: "",
  settings: { [lock_type]: JSON.parse(process.env[SETTINGS_VARIABLE] ?? "{}") },
  log: (level, text) => console.error(`${level}: ${text}`),
  news: (_lock_type, news) => console.error(JSON.stringify(news)),
});

function targetOf({ method, lockspace }: MemberAsk): AskTarget {
  return lockspace === null
    ? { kind: "manager", lock_type, method: method as ManagerMethod }
    : { kind: "lockspace", lock_type, method: method as LockspaceMethod, ...lockspace };
}

Bun.listen<{ rest: string }>({
  hostname: "0.0.0.0",
  port: MEMBER_PORT,
  socket: {
    open(socket) {
      socket.data = { rest: "" };
      socket.write(`${GREETING}\n`);
    },
    data(socket, chunk) {
      const lines = (socket.data.rest + chunk.toString()).split("\n");
      socket.data.rest = lines.pop() ?? "";
      for (const line of lines) {
        const ask = JSON.parse(line) as MemberAsk;
        // Without a goodbye, as when a daemon is killed.
        if (ask.method === "die") process.kill(process.pid, "SIGKILL");
        if (ask.method === "forget") {
          if (ask.lockspace !== null) host.forgetLockspace(lock_type, ask.lockspace.key);
          continue;
        }
        const tell = (answer: MemberAnswer["answer"]): void => {
          socket.write(`${JSON.stringify({ id: ask.id, answer } satisfies MemberAnswer)}\n`);
        };
        const answer = host.ask(
          { kind: "ask", call_id: ask.id, target: targetOf(ask), args: ask.args },
          (_id, later) => tell(later),
        );
        if (answer !== null) tell(answer);
      }
    },
  },
});
