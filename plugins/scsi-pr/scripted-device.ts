import type { Script } from "./exchange.ts";
import type { ReservableDevice } from "./reservable.ts";
import type { SgChannel } from "./sg-device.ts";

/** The members of a device that are its commands. */
export type DeviceCommand = {
  [Name in keyof ReservableDevice]: ReservableDevice[Name] extends (...call: never[]) => object
    ? Name
    : never;
}[keyof ReservableDevice];

/** The same commands, each as a script of exchanges; `syncDevice` and the pool of devices perform them. */
export type ScriptedCommands = {
  readonly [Name in DeviceCommand]: (
    ...call: Parameters<ReservableDevice[Name]>
  ) => Script<ReturnType<ReservableDevice[Name]>>;
};

/** An open device whose commands are scripts. */
export interface ScriptedDevice {
  readonly path: string;
  readonly transport: ReservableDevice["transport"];
  readonly commands: ScriptedCommands;
  /** The open descriptors of its paths, by an exchange's `path`; empty once it is closed. */
  fds(): readonly number[];
  /** A way for commands of a path without waiting for their end; null where there is none. */
  channel(path: number): SgChannel | null;
  close(): void;
}

/** The names of all commands, for wrapping them one by one. */
export const DEVICE_COMMANDS = [
  "readKeys",
  "readReservation",
  "readCapabilities",
  "readFullStatus",
  "readNexuses",
  "repairNexuses",
  "register",
  "registerAndIgnore",
  "reserve",
  "release",
  "clear",
  "preempt",
] as const satisfies readonly DeviceCommand[];

/** The commands of a device that answers at once, as scripts without an exchange. */
export function commandsOf(device: ReservableDevice): ScriptedCommands {
  return eachCommand((name) => {
    // Each name's call and answer belong together; that is beyond what the checker can follow through a loop.
    const command = device[name] as (...call: readonly unknown[]) => unknown;
    // biome-ignore lint/correctness/useYield: a script without an exchange is what this is.
    return function* (...call: readonly unknown[]) {
      return command(...call);
    };
  });
}

/** Makes a table of commands, one by one. What `make` gives has to be the named command. */
export function eachCommand(
  make: (name: DeviceCommand) => (...call: readonly unknown[]) => Script<unknown>,
): ScriptedCommands {
  const made: Partial<Record<DeviceCommand, unknown>> = {};
  for (const name of DEVICE_COMMANDS) made[name] = make(name);
  return made as ScriptedCommands;
}
