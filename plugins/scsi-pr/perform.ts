import { unreachable } from "../../core/assert.ts";
import type { Exchange, FailedOutcome, Outcome, Script } from "./exchange.ts";
import { askMultipathd } from "./multipathd.ts";
import { performNvme, performScsi } from "./passthrough.ts";
import type { ReservableDevice } from "./reservable.ts";
import { DEVICE_COMMANDS, type ScriptedCommands } from "./scripted-device.ts";

const EBADF = 9;

/** Performs one exchange in this thread and blocks it meanwhile. `fds` has the device's open descriptors by path. */
export function perform(fds: readonly number[], exchange: Exchange): Outcome {
  switch (exchange.kind) {
    case "scsi": {
      const fd = descriptor(fds, exchange.path);
      return typeof fd === "number" ? performScsi(fd, exchange) : fd;
    }
    case "nvme": {
      const fd = descriptor(fds, exchange.path);
      return typeof fd === "number" ? performNvme(fd, exchange) : fd;
    }
    case "multipathd":
      return askMultipathd(exchange.command);
    case "pause":
      Bun.sleepSync(exchange.pause_ms);
      return { kind: "paused" };
    default:
      return unreachable(exchange);
  }
}

function descriptor(fds: readonly number[], path: number): number | FailedOutcome {
  return fds[path] ?? { kind: "failed", call: "command", errno: EBADF, detail: "the device is closed" };
}

/** Runs a script to its end, each exchange by `performed`. */
export function runScript<Result>(
  script: Script<Result>,
  performed: (exchange: Exchange) => Outcome,
): Result {
  let step = script.next();
  while (!step.done) step = script.next(performed(step.value));
  return step.value;
}

/** A device whose commands are carried out in the calling thread. */
export function syncDevice({
  path,
  transport,
  commands,
  performed,
  close,
}: Pick<ReservableDevice, "path" | "transport" | "close"> & {
  readonly commands: ScriptedCommands;
  readonly performed: (exchange: Exchange) => Outcome;
}): ReservableDevice {
  const wrapped: Partial<Record<keyof ScriptedCommands, unknown>> = {};
  for (const name of DEVICE_COMMANDS) {
    // Each name's call and answer belong together; that is beyond what the checker can follow through a loop.
    const command = commands[name] as (...call: readonly unknown[]) => Script<unknown>;
    wrapped[name] = (...call: readonly unknown[]) => runScript(command(...call), performed);
  }
  return { ...(wrapped as Pick<ReservableDevice, keyof ScriptedCommands>), path, transport, close };
}
