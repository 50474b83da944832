/**
 * Taking a VG over from an earlier lvmlockd while a command of its time is still writing: the lock manager has kept that command's VG
 * and global locks, and a join that adopts releases them. It therefore waits until the command has ended. A service manager starts the
 * next lvmlockd after a second, and an `lvextend -r` works for longer.
 */
import type { PluginHost } from "../../plugins/host/host.ts";
import { DEADLINES } from "../deadlines.ts";
import type { Ask } from "../locking/api.ts";
import { type CommandLocksPlace, commandsWriting } from "./command-locks.ts";
import type { Log } from "./log/log.ts";

type Managers = Pick<PluginHost, "ask" | "forgetLockspace">;

export interface AfterCommandsOptions {
  readonly managers: Managers;
  readonly place: CommandLocksPlace;
  /** Commands that talk to this daemon got nothing from an earlier one, and may themselves be waiting for the adoption. */
  readonly isConnected: (pid: number) => boolean;
  readonly log: Log;
  /** A VG is not taken over for longer than people expect. */
  readonly keepsWaiting: (vg_name: string, text: string) => void;
}

/**
 * The lock managers, whose adopting joins wait for the commands of an earlier lvmlockd, however long these take: a lock that is released
 * under a writer lets another host write as well. Everything else goes through at once.
 */
export function afterCommands(options: AfterCommandsOptions): Managers {
  const { managers, place, isConnected, log, keepsWaiting } = options;
  /** Joins that wait, by the key of their lockspace. */
  const waiting = new Map<number, Timer>();

  function writers(vg_name: string): number[] {
    return commandsWriting(vg_name, place).filter((pid) => !isConnected(pid));
  }

  function ask(effect: Ask, later: Parameters<Managers["ask"]>[1]): ReturnType<Managers["ask"]> {
    const adopting = adoptingJoin(effect);
    if (adopting === null) return managers.ask(effect, later);
    const { key, vg_name } = adopting;
    const found = writers(vg_name);
    if (found.length === 0) return managers.ask(effect, later);
    let tell_at_ms = performance.now() + DEADLINES.command_told_ms;
    log.warning(
      `VG ${vg_name} is taken over when the command with pid ${found.join(", ")} has ended: it may be writing under a lock of an earlier lvmlockd`,
    );
    const look = (): void => {
      const left = writers(vg_name);
      if (left.length > 0) {
        waiting.set(key, setTimeout(look, DEADLINES.command_end_look_ms));
        if (performance.now() < tell_at_ms) return;
        tell_at_ms = Number.POSITIVE_INFINITY;
        keepsWaiting(vg_name, waitsFor(vg_name, left, place));
        return;
      }
      waiting.delete(key);
      const answer = managers.ask(effect, later);
      if (answer !== null) later(effect.call_id, answer);
    };
    waiting.set(key, setTimeout(look, DEADLINES.command_end_look_ms));
    return null;
  }

  return {
    ask,
    forgetLockspace(lock_type, key) {
      clearTimeout(waiting.get(key));
      waiting.delete(key);
      managers.forgetLockspace(lock_type, key);
    },
  };
}

function waitsFor(vg_name: string, pids: readonly number[], { directory }: CommandLocksPlace): string {
  const who =
    pids.length === 1 ? `the command with pid ${pids.join("")} has` : `pids ${pids.join(", ")} have`;
  return `VG ${vg_name} is not taken over from an earlier lvmlockd, because ${who} lvm's file lock (${directory}) and may be writing: it goes on when that has ended`;
}

function adoptingJoin({ target, args }: Ask): { readonly key: number; readonly vg_name: string } | null {
  if (target.kind !== "lockspace" || target.method !== "join") return null;
  const { adopt = "no" } = args as { readonly adopt?: string };
  return adopt === "no" ? null : { key: target.key, vg_name: target.identity.vg_name };
}
