import { assert, unreachable } from "../../core/assert.ts";
import type { Exchange, Outcome, Script } from "./exchange.ts";
import { askMultipathd } from "./multipathd.ts";
import { performNvme, performScsi } from "./passthrough.ts";
import type { ReservableDevice } from "./reservable.ts";
import { DEVICE_COMMANDS, type ScriptedCommands } from "./scripted-device.ts";

/** Performs one exchange in this thread and blocks it meanwhile. `fds` has the device's open descriptors by path. */
export function perform(fds: readonly number[], exchange: Exchange): Outcome {
  switch (exchange.kind) {
    case "scsi":
      return performScsi(descriptor(fds, exchange.path), exchange);
    case "nvme":
      return performNvme(descriptor(fds, exchange.path), exchange);
    case "multipathd":
      return askMultipathd(exchange.command);
    case "pause":
      Bun.sleepSync(exchange.pause_ms);
      return { kind: "paused" };
    default:
      return unreachable(exchange);
  }
}

function descriptor(fds: readonly number[], path: number): number {
  const fd = fds[path];
  assert(fd !== undefined, `path ${path} of ${fds.length} is open`);
  return fd;
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
