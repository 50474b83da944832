import { printKey } from "../keys.ts";
import type { PrAnswer, ReservableDevice } from "../reservable.ts";

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
