import type { Script } from "../exchange.ts";
import { printKey } from "../keys.ts";
import type { PrAnswer, ReservableDevice } from "../reservable.ts";
import { type DeviceCommand, eachCommand, type ScriptedCommands } from "../scripted-device.ts";

/** A device that tells `say` of each command, its answer and how long it took: what --debug shows. */
export function tracedDevice(device: ReservableDevice, say: (text: string) => void): ReservableDevice {
  const traced = <Results>(name: string, call: object, run: () => PrAnswer<Results>): PrAnswer<Results> => {
    const began_ms = performance.now();
    const answer = run();
    const took_ms = (performance.now() - began_ms).toFixed(1);
    say(`${device.path}: ${name}${words(call)} -> ${words(answer).trim()} (${took_ms} ms)`);
    return answer;
  };
  return {
    path: device.path,
    transport: device.transport,
    readKeys: () => traced("read keys", {}, () => device.readKeys()),
    readReservation: () => traced("read reservation", {}, () => device.readReservation()),
    readCapabilities: () => traced("report capabilities", {}, () => device.readCapabilities()),
    readFullStatus: () => traced("read full status", {}, () => device.readFullStatus()),
    readNexuses: (call) => traced("read nexuses", call, () => device.readNexuses(call)),
    repairNexuses: (call) => traced("repair nexuses", call, () => device.repairNexuses(call)),
    register: (call) => traced("register", call, () => device.register(call)),
    registerAndIgnore: (call) =>
      traced("register and ignore existing key", call, () => device.registerAndIgnore(call)),
    reserve: (call) => traced("reserve", call, () => device.reserve(call)),
    release: (call) => traced("release", call, () => device.release(call)),
    clear: (call) => traced("clear", call, () => device.clear(call)),
    preempt: (call) => traced(call.abort ? "preempt and abort" : "preempt", call, () => device.preempt(call)),
    close: () => device.close(),
  };
}

const NAMES: Readonly<Record<DeviceCommand, string>> = {
  readKeys: "read keys",
  readReservation: "read reservation",
  readCapabilities: "report capabilities",
  readFullStatus: "read full status",
  readNexuses: "read nexuses",
  repairNexuses: "repair nexuses",
  register: "register",
  registerAndIgnore: "register and ignore existing key",
  reserve: "reserve",
  release: "release",
  clear: "clear",
  preempt: "preempt",
};

/** The same for commands that are scripts. */
export function tracedCommands(
  path: string,
  commands: ScriptedCommands,
  say: (text: string) => void,
): ScriptedCommands {
  return eachCommand((name) => {
    const command = commands[name] as (...call: readonly unknown[]) => Script<unknown>;
    return function* (...call) {
      const began_ms = performance.now();
      const answer = yield* command(...call);
      const took_ms = (performance.now() - began_ms).toFixed(1);
      const [fields] = call as readonly object[];
      const abort = fields !== undefined && "abort" in fields && fields.abort === true ? " and abort" : "";
      say(
        `${path}: ${NAMES[name]}${abort}${words(fields ?? {})} -> ${words(answer as object).trim()} (${took_ms} ms)`,
      );
      return answer;
    };
  });
}

/** The fields of a call or an answer: " from=0x0 to=0x1 aptpl=false". Keys are hex as everywhere. */
function words(fields: object): string {
  return Object.entries(fields)
    .map(([name, value]) => (name === "kind" ? ` ${String(value)}` : ` ${name}=${text(value)}`))
    .join("");
}

function text(value: unknown): string {
  if (typeof value === "bigint") return printKey(value);
  if (Array.isArray(value)) return `[${value.map(text).join(",")}]`;
  if (typeof value === "object" && value !== null) return `{${words(value).trim()}}`;
  return String(value);
}
