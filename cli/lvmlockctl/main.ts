import { EXIT } from "../../core/errors.ts";
import { refuseUsage, say, sayError } from "../streams.ts";
import { carryOut, QUIT, remoteLockAction, stopAction, vgAction } from "./actions.ts";
import { type Command, type Invocation, readCommand } from "./command.ts";
import { connectDaemon, type DaemonConnection } from "./connection.ts";
import { socketPath } from "./socket-path.ts";

/** lvmlockctl: reads the command line, does what it says, returns the exit status. */
export async function main(words: readonly string[]): Promise<number> {
  const read = readCommand(words);
  if (read.kind === "usage-error") return refuseUsage("lvmlockctl", read);
  const { invocation } = read;
  const { command } = invocation;
  const format = invocation.report_format ?? "basic";
  const query = { config_dir: invocation.config_dir, format };
  switch (command.kind) {
    case "help":
    case "version":
      return tellAboutProgram(command.kind);
    case "config-get":
      return (await import("./config-command.ts")).configGet(command.key, query);
    case "config-list":
      return (await import("./config-command.ts")).configList(command.all, query);
    case "config-edit":
      return (await import("./config-command.ts")).configEdit(command.key, command.value, query);
    case "kill":
      return kill(command.vg_name, invocation);
    default:
      return withDaemon(invocation, command);
  }
}

async function tellAboutProgram(what: "help" | "version"): Promise<number> {
  if (what === "version") return say((await import("../version.ts")).versionText("lvmlockctl"), EXIT.ok);
  const [{ helpText }, { LVMLOCKCTL }] = await Promise.all([import("../help.ts"), import("./options.ts")]);
  return say(helpText(LVMLOCKCTL), EXIT.ok);
}

async function kill(vg_name: string, invocation: Invocation): Promise<number> {
  const [{ killVg }, { openAlarm }, { readKillCommand }] = await Promise.all([
    import("./kill.ts"),
    import("./alarm.ts"),
    import("./kill-setting.ts"),
  ]);
  return killVg({
    vg_name,
    socket_path: ownSocketPath(invocation),
    alarm: openAlarm(invocation.use_stderr),
    readCommand: () => readKillCommand(invocation.config_dir, process.env),
  });
}

function ownSocketPath(invocation: Invocation): string {
  return socketPath(invocation.socket_path, process.env, process.geteuid?.() ?? 0);
}

/** The commands that are a conversation with the daemon. */
type DaemonCommand = Exclude<
  Command,
  { readonly kind: "help" | "version" | "kill" | "config-get" | "config-list" | "config-edit" }
>;

async function withDaemon(invocation: Invocation, command: DaemonCommand): Promise<number> {
  const socket_path = ownSocketPath(invocation);
  const connected = await connectDaemon(socket_path);
  if (connected.kind === "failed") return sayError(`lvmlockctl: ${connected.message}`, connected.exit_status);
  try {
    return await converse(connected.connection, invocation, command, socket_path);
  } finally {
    connected.connection.close();
  }
}

async function converse(
  connection: DaemonConnection,
  invocation: Invocation,
  command: DaemonCommand,
  socket_path: string,
): Promise<number> {
  const format = invocation.report_format ?? "basic";
  switch (command.kind) {
    case "quit":
      return carryOut(connection, QUIT, format);
    case "gl-enable":
    case "gl-disable": {
      const isEnable = command.kind === "gl-enable";
      const doing = `${isEnable ? "enabling" : "disabling"} the global lock in VG ${command.vg_name}`;
      await recordAction(invocation.use_stderr, "info", doing);
      return carryOut(
        connection,
        vgAction(isEnable ? "enable_gl" : "disable_gl", command.vg_name, doing),
        format,
      );
    }
    case "drop": {
      const doing = `dropping the locks of VG ${command.vg_name}`;
      await recordAction(invocation.use_stderr, "warning", doing);
      return carryOut(connection, vgAction("drop_vg", command.vg_name, doing), format);
    }
    case "stop-lockspaces":
      return carryOut(connection, stopAction(command.wait, command.force, socket_path), format);
    case "set-remote-lv-lock": {
      const { vg_name, lv_uuid, mode } = command;
      return carryOut(connection, remoteLockAction(vg_name, lv_uuid, mode), format);
    }
    case "dump":
      return (await import("./show.ts")).showDump(connection);
    case "info":
      return (await import("./show.ts")).showInfo(connection, {
        raw: command.raw,
        format: invocation.report_format,
        is_terminal: process.stdout.isTTY === true,
        socket_path,
      });
    case "takeover": {
      const { takeOver, SURROUNDINGS } = await import("./takeover.ts");
      const record = (doing: string) => recordAction(invocation.use_stderr, "warning", doing);
      return takeOver(connection, command, format, { ...SURROUNDINGS, record });
    }
    case "who":
      return (await import("./show.ts")).showWho(connection, command, format, socket_path);
  }
}

/** Changes of the global lock and dropped locks are in the log of the host, as with lvm2's lvmlockctl. */
async function recordAction(use_stderr: boolean, severity: "info" | "warning", doing: string): Promise<void> {
  const { openAlarm } = await import("./alarm.ts");
  openAlarm(use_stderr).record(severity, `lvmlockctl is ${doing}.`);
}
