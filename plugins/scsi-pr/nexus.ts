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
function* stateOf({ device, commands }: NexusCommands, key: ReservationKey, aptpl: boolean): Script<Nexus> {
  const probed = yield* commands.register({ from: key, to: key, aptpl });
  if (probed.kind === "done") return { path: device, state: "registered", detail: "" };
  if (probed.kind === "conflict") return { path: device, state: "unregistered", detail: "" };
  return { path: device, state: probed.kind === "gone" ? "lost" : "unknown", detail: probed.detail };
}

/** Whether the device keeps registrations through a loss of power now, asked of the first path that answers. */
function* persistsNow(paths: readonly NexusCommands[]): Script<{ kind: "is"; aptpl: boolean } | PrRefusal> {
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

/** The answer of `readNexuses` for a device with these paths. */
export function* nexusAnswer(
  paths: readonly NexusCommands[],
  { key }: { key: ReservationKey },
): Script<PrAnswer<{ nexuses: readonly Nexus[] }>> {
  const persists = yield* persistsNow(paths);
  if (persists.kind !== "is") return persists;
  const nexuses: Nexus[] = [];
  for (const path of paths) nexuses.push(yield* stateOf(path, key, persists.aptpl));
  return { kind: "done", nexuses };
}

/**
 * The answer of `repairNexuses`: registers the key on every path that answers and lacks it, but only while another path still
 * has it. A host whose key is on no path was cut off by another one, and must not come back by itself.
 */
export function* repairAnswer(
  paths: readonly NexusCommands[],
  { key }: { key: ReservationKey },
): Script<PrAnswer<{ nexuses: readonly Nexus[]; repaired: readonly string[] }>> {
  const persists = yield* persistsNow(paths);
  if (persists.kind !== "is") return persists;
  const found = yield* nexusAnswer(paths, { key });
  if (found.kind !== "done") return found;
  const repaired: string[] = [];
  if (!found.nexuses.some(({ state }) => state === "registered"))
    return { kind: "done", nexuses: found.nexuses, repaired };
  const nexuses: Nexus[] = [];
  for (const [index, nexus] of found.nexuses.entries()) {
    const path = paths[index];
    if (nexus.state !== "unregistered" || path === undefined) {
      nexuses.push(nexus);
      continue;
    }
    const made = yield* path.commands.registerAndIgnore({ to: key, aptpl: persists.aptpl });
    if (made.kind === "done") repaired.push(path.device);
    nexuses.push(
      made.kind === "done"
        ? { ...nexus, state: "registered" }
        : { ...nexus, state: made.kind === "gone" ? "lost" : "unregistered", detail: made.detail },
    );
  }
  return { kind: "done", nexuses, repaired };
}
