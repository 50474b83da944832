/**
 * The daemon from its start to its end: pid file, journal, shell, socket, adoption. Nothing here touches the process as a whole
 * (signals, environment, current directory), so that tests run it inside themselves; run.ts does that part.
 */
import type { UnixSocketListener } from "bun";
import type { LockType } from "../../plugins/contract.ts";
import { EXIT } from "../errors.ts";
import type { ManagerFacts } from "../locking/api.ts";
import { prepareAdoption } from "./adoption.ts";
import type { DaemonConfig, Environment } from "./config.ts";
import type { Connection } from "./connection.ts";
import type { Adopted } from "./effects.ts";
import type { Journal } from "./journal/file.ts";
import { activatedFd, type ListenAnswer, listenOnFd, listenOnPath } from "./listen.ts";
import type { Log } from "./log/log.ts";
import type { ProgramCall } from "./own-program.ts";
import { type PidFile, takePidFile } from "./pid-file.ts";
import { createShell, type Shell } from "./shell.ts";

/** What the daemon gets from the process that it runs in. */
export interface Surroundings {
  readonly log: Log;
  readonly env: Environment;
  readonly own_uid: number;
  readonly open_files_limit: number;
  readonly boot_id: string;
  /** Where sysfs is. */
  readonly sys: string;
  readonly version: string;
  /** Our lvmlockctl, "" when unknown. */
  readonly lvmlockctl_path: string;
  /** Our lvmpersist. */
  readonly lvmpersist: ProgramCall;
  /** Where lvm notes which reservation key it uses for which VG. */
  readonly key_directory: string;
  readonly now_ms: () => number;
  /** The `reload` request; the answer is whether the new settings were good. */
  readonly reload: () => Promise<boolean>;
  /** Takes what the daemon's own code threw: nothing may be granted any more. */
  readonly defect: (error: unknown) => void;
}

export type StartAnswer =
  | { readonly kind: "started"; readonly daemon: Daemon }
  | { readonly kind: "failed"; readonly exit_status: number; readonly reason: string };

export interface Daemon {
  readonly managers: Readonly<Partial<Record<LockType, ManagerFacts>>>;
  /** Settles when what an earlier daemon held is adopted; at once when there was nothing. */
  readonly ready: Promise<void>;
  /** Settles when the daemon has ended. */
  readonly ended: Promise<void>;
  /** SIGTERM: stops all lockspaces and ends, or stays and stops nothing while LVs are locked. */
  terminate(): void;
  /** Ends at once and leaves what is held to the next daemon's adoption. */
  leave(): void;
  /** Takes over settings that may change while the daemon runs. */
  change(settings: Pick<DaemonConfig, "wait_limit_ms" | "syslog_priority">): void;
  /** What is going on, for the service manager's status line. */
  statusText(): string;
}

/** Starts a daemon; once it is "started" it answers on its socket, also while it still adopts. */
export async function startDaemon(config: DaemonConfig, surroundings: Surroundings): Promise<StartAnswer> {
  const pid = takePidFile(config.pid_file);
  if (pid.kind === "failed") return failed(pid.reason);
  if (pid.kind === "held") {
    const who = pid.pid === 0 ? "another lvmlockd" : `lvmlockd with pid ${pid.pid}`;
    return {
      ...failed(`${who} is running already: it has locked ${config.pid_file}`),
      exit_status: EXIT.busy,
    };
  }
  const { pid_file } = pid;
  const { boot_id, log } = surroundings;
  const adoption = prepareAdoption({ path: config.journal_path, adopt: config.adopt, boot_id, log });
  if (adoption.kind === "failed") {
    pid_file.remove();
    return failed(adoption.reason);
  }
  const { journal, lockspaces } = adoption;
  const life = createLife(config, surroundings, journal, pid_file);
  const shell = await createShell(config, surroundings, journal, life);
  const listening = await listen(config, surroundings, shell);
  if (listening.kind === "failed") {
    journal.close({ remove: false });
    pid_file.remove();
    return failed(listening.reason);
  }
  const daemon = life.begin(shell, listening.listener);
  // In the same turn in which the socket opened, so that no request gets in before what was held is accounted for.
  shell.effects.handle({ kind: "adopt", lockspaces });
  pid_file.publish();
  return { kind: "started", daemon };
}

function failed(reason: string) {
  return { kind: "failed", exit_status: EXIT.failure, reason } as const;
}

function listen(
  config: DaemonConfig,
  { env }: Surroundings,
  { clients }: Shell,
): Promise<ListenAnswer<Connection | null>> {
  const fd = activatedFd(env);
  if (fd !== null) return Promise.resolve(listenOnFd(fd, clients.handler));
  return listenOnPath(config.socket_path, clients.handler);
}

interface Life {
  adopted(effect: Adopted): void;
  quit(): void;
  stay(vg_names: readonly string[]): void;
  begin(shell: Shell, listener: UnixSocketListener<Connection | null>): Daemon;
}

/** What happens to the daemon as a whole between its start and its end. */
function createLife(config: DaemonConfig, { log }: Surroundings, journal: Journal, pid_file: PidFile): Life {
  const ready = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  let running: { readonly shell: Shell; readonly listener: UnixSocketListener<Connection | null> } | null =
    null;

  function adopted({ adopted, released, failed }: Adopted): void {
    if (config.adopt) running?.shell.setAdoption("done");
    if (adopted + released + failed > 0)
      log.notice(`adoption is over: ${adopted} locks adopted, ${released} released, ${failed} failed`);
    ready.resolve();
  }

  /** Replies that are on their way get out first: `quit` is answered before it is done. */
  function end(): void {
    if (running === null) return;
    const { shell, listener } = running;
    running = null;
    shell.effects.close();
    // Bun removes the socket file here; one that was passed in by systemd has no path for Bun and stays.
    listener.stop();
    shell.clients.closeAll();
    journal.close({ remove: journal.isEmpty() });
    // The pid file goes last: until then a call of an old worker may be under way, and the next daemon must not adopt beside it.
    void shell.managers.close().then(() => {
      pid_file.remove();
      ended.resolve();
    });
  }

  function stay(vg_names: readonly string[]): void {
    const names = vg_names.join(", ");
    log.warning(`not ending, because locks are held in ${names}: deactivate their LVs (vgchange -an) first`);
  }

  function begin(shell: Shell, listener: UnixSocketListener<Connection | null>): Daemon {
    running = { shell, listener };
    return {
      managers: shell.managers.managers,
      ready: ready.promise,
      ended: ended.promise,
      terminate: () => shell.effects.handle({ kind: "terminate" }),
      leave: end,
      change({ wait_limit_ms, syslog_priority }) {
        log.setSyslogPriority(syslog_priority);
        shell.effects.handle({ kind: "settings", wait_limit_ms, debug: log.isDebugging() });
      },
      statusText() {
        const { vgs, locks } = journal.counts();
        const clients = shell.clients.connections.size;
        return `${vgs} VGs started, ${locks} LV locks held, ${clients} commands connected`;
      },
    };
  }

  return { adopted, quit: end, stay, begin };
}
