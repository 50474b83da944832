import type { PrRefusal } from "./reservable.ts";
import type { ScriptedCommands } from "./scripted-device.ts";

/** The commands of a path that can't be used: each is answered with the same refusal, and nothing is sent. */
export function refusedCommands(refusal: PrRefusal): ScriptedCommands {
  // biome-ignore lint/correctness/useYield: a script without an exchange is what this is.
  const refuse = function* () {
    return refusal;
  };
  return {
    readKeys: refuse,
    readReservation: refuse,
    readCapabilities: refuse,
    readFullStatus: refuse,
    readNexuses: refuse,
    repairNexuses: refuse,
    register: refuse,
    registerAndIgnore: refuse,
    reserve: refuse,
    release: refuse,
    clear: refuse,
    preempt: refuse,
  };
}
