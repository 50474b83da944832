import type { Script } from "./exchange.ts";
import type { Nexus, PrAnswer, PrRefusal, ReservationKey } from "./reservable.ts";
import type { ScriptedCommands } from "./scripted-device.ts";

/** One path to a device and its commands. */
export interface NexusCommands {
  readonly device: string;
  readonly commands: Pick<ScriptedCommands, "readCapabilities" | "register" | "registerAndIgnore">;
}

/**
 * Whether one path's nexus is registered with `key`. READ FULL STATUS lists every nexus of the target, but which of them is
 * this path can't be told on every transport. REGISTER from the key to itself tells it exactly: the device takes it only from
 * a nexus that is registered with that key (SPC-4 clause 5.13.7) and nothing changes but the generation. APTPL has to be what
 * it is now, because every REGISTER sets it.
 */
export function* stateOf(
  { device, commands }: NexusCommands,
  key: ReservationKey,
  aptpl: boolean,
): Script<Nexus> {
  const probed = yield* commands.register({ from: key, to: key, aptpl });
  if (probed.kind === "done") return { path: device, state: "registered", detail: "" };
  if (probed.kind === "conflict") return { path: device, state: "unregistered", detail: "" };
  return { path: device, state: probed.kind === "gone" ? "lost" : "unknown", detail: probed.detail };
}

/** Whether the device keeps registrations through a loss of power now, asked of the first path that answers. */
export function* persistsNow(
  paths: readonly NexusCommands[],
): Script<{ kind: "is"; aptpl: boolean } | PrRefusal> {
  let refusal: PrRefusal = { kind: "gone", detail: "the device has no path" };
  for (const { commands } of paths) {
    const read = yield* commands.readCapabilities();
    if (read.kind === "done") {
      return { kind: "is", aptpl: read.capabilities.persist_through_power_loss.active };
    }
    // A device without REPORT CAPABILITIES can't tell, and a REGISTER without APTPL is what it takes for sure.
    if (read.kind === "unsupported") return { kind: "is", aptpl: false };
    refusal = read;
  }
  return refusal;
}

/**
 * The answer of `readNexuses` for a device with these paths. `in_turn` are the same paths in the order in which one of them is asked
 * what speaks for the device.
 */
export function* nexusAnswer(
  paths: readonly NexusCommands[],
  { key, among }: { key: ReservationKey; among?: readonly string[] },
  in_turn: readonly NexusCommands[] = paths,
): Script<PrAnswer<{ nexuses: readonly Nexus[] }>> {
  const asked = among === undefined ? paths : paths.filter(({ device }) => among.includes(device));
  const persists = yield* persistsNow(in_turn.filter((path) => asked.includes(path)));
  if (persists.kind !== "is") return persists;
  const nexuses: Nexus[] = [];
  for (const path of asked) nexuses.push(yield* stateOf(path, key, persists.aptpl));
  return { kind: "done", nexuses };
}
