/** --kill VG: the VG has lost its lock storage, and the watchdog's clock is running. */
import { DEADLINES } from "../../core/deadlines.ts";
import { EXIT, explain } from "../../core/errors.ts";
import { connectDaemon } from "./connection.ts";
import { type KillCommand, killCommand, runKillCommand } from "./kill-command.ts";

/** Where the messages go: syslog, or standard error with --stderr. */
export interface Alarm {
  emergency(text: string): void;
  warning(text: string): void;
}

export interface KillSetup {
  readonly vg_name: string;
  readonly socket_path: string;
  readonly alarm: Alarm;
  /** Reads global/lvmlockctl_kill_command; a configuration that can't be read is a reason. */
  readonly readCommand: () => Promise<
    | { readonly kind: "setting"; readonly value: string }
    | { readonly kind: "unusable"; readonly reason: string }
  >;
}

/**
 * Tells lvmlockd, so that it grants no new lock in the VG; runs the kill command; drops the locks when it succeeded. No step
 * waits for a daemon longer than a moment before the command runs. Returns the exit status: 0 only when the LVs are offline
 * and the locks dropped.
 */
export async function killVg(setup: KillSetup): Promise<number> {
  const { vg_name, alarm } = setup;
  alarm.emergency(`VG ${vg_name} has lost its lock storage: its locks on this host are about to expire.`);
  const setting = await setup.readCommand();
  const command: KillCommand = setting.kind === "setting" ? killCommand(setting.value, vg_name) : setting;
  const notice = await tellDaemon(setup, "kill_vg", DEADLINES.ctl_kill_notice_ms);
  if (notice !== null) alarm.warning(`lvmlockd was not told that VG ${vg_name} is lost: ${notice}`);
  if (command.kind === "unusable") {
    alarm.emergency(`No command takes the LVs of VG ${vg_name} offline: ${command.reason}.`);
    return await failByHand(setup, EXIT.config);
  }
  const line = command.words.join(" ");
  const problem = await runKillCommand(command.words);
  if (problem !== null) {
    alarm.emergency(`The kill command of VG ${vg_name} failed (${line}): ${problem}.`);
    return await failByHand(setup, EXIT.failure);
  }
  alarm.warning(`The kill command of VG ${vg_name} succeeded (${line}).`);
  const dropped = await tellDaemon(setup, "drop_vg", DEADLINES.ctl_reply_ms);
  if (dropped === null) {
    alarm.warning(`The locks of VG ${vg_name} are dropped.`);
    return EXIT.ok;
  }
  alarm.emergency(`The LVs of VG ${vg_name} are offline, but its locks were not dropped: ${dropped}`);
  alarm.emergency(`Drop them: lvmlockctl --drop ${vg_name}`);
  return EXIT.failure;
}

async function failByHand({ vg_name, alarm }: KillSetup, exit_status: number): Promise<number> {
  const { secondsToReset } = await import("./reset-clock.ts");
  const left_s = secondsToReset();
  const reset = left_s === null ? "before the watchdog resets this host" : resetSentence(left_s);
  alarm.emergency(`Deactivate the LVs of VG ${vg_name} now, ${reset}.`);
  alarm.emergency(`When none of them is in use any more: lvmlockctl --drop ${vg_name}`);
  return exit_status;
}

function resetSentence(left_s: number): string {
  if (left_s <= 0) return "the watchdog is about to reset this host";
  return `within ${Math.floor(left_s)} seconds: then the watchdog resets this host`;
}

/** null when the daemon did it, else why not. */
async function tellDaemon(setup: KillSetup, request: string, deadline_ms: number): Promise<string | null> {
  const told = talk(setup, request, deadline_ms);
  // The hello has a deadline of its own; this one is for both.
  const late = Bun.sleep(deadline_ms).then(() => `no answer within ${deadline_ms / 1000} s`);
  return Promise.race([told, late]);
}

async function talk(setup: KillSetup, request: string, deadline_ms: number): Promise<string | null> {
  const connected = await connectDaemon(setup.socket_path);
  if (connected.kind === "failed") return connected.message;
  const { connection } = connected;
  const keys = { cmd: "lvmlockctl", pid: process.pid, vg_name: setup.vg_name };
  const answer = await connection.ask(request, keys, deadline_ms);
  connection.close();
  if (answer.kind === "failed") return answer.message;
  const result = answer.reply.number("op_result");
  // Nothing may be taken for done that the daemon did not say.
  if (result === null) return `lvmlockd gave no result for ${request}`;
  return result === 0 ? null : explain(result);
}
