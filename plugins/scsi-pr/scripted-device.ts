import type { Script } from "./exchange.ts";
import type { ReservableDevice } from "./reservable.ts";

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
