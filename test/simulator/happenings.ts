/** What can happen in a world, one planned thing at a time: clients act, calls are carried out and answered, daemons boot and die. */
import type { Ask, AskReservations, ManagerAnswer } from "../../core/locking/api.ts";
import type { Random } from "../rig/random.ts";
import { doomedBy } from "./books.ts";
import { createClient, isGranted, type SimulatedClient } from "./client.ts";
import type { Cluster, Luck } from "./cluster.ts";
import type { Devices } from "./devices.ts";
import type { EventQueue } from "./event-queue.ts";
import type { HostWatcher, SimulatedHost } from "./host.ts";
import { drawPlan, vgName } from "./plans.ts";
import type { Trace } from "./trace.ts";
import type { Weather, WorldSize } from "./weather.ts";

export type Happening =
  | { readonly kind: "step" | "undelivered"; readonly host: SimulatedHost; readonly client: SimulatedClient }
  | {
      readonly kind: "execute";
      readonly host: SimulatedHost;
      readonly incarnation: number;
      readonly ask: Ask;
    }
  | {
      readonly kind: "answer";
      readonly host: SimulatedHost;
      readonly incarnation: number;
      readonly call_id: number;
      readonly answer: ManagerAnswer;
    }
  | {
      readonly kind: "keys";
      readonly host: SimulatedHost;
      readonly incarnation: number;
      readonly ask: AskReservations;
    }
  | { readonly kind: "wake" | "boot" | "open" | "chaos" | "reset"; readonly host: SimulatedHost };

/** A world in the middle of its life. */
export interface World {
  readonly random: Random;
  readonly size: WorldSize;
  readonly weather: Weather;
  readonly cluster: Cluster;
  readonly devices: Devices;
  readonly queue: EventQueue<Happening>;
  readonly trace: Trace;
  /** Until when the calls of a lockspace that are under way take, where it serves one at a time. */
  readonly busy_until_ms: Map<string, number>;
  now_ms: number;
  /** Events that the cores were given. */
  events: number;
  digest: number;
  storm: boolean;
  next_client_id: number;
}

export function later(world: World, delay_ms: number, happening: Happening): void {
  world.queue.push(world.now_ms + delay_ms, happening);
}

function in10000(world: World, count: number): boolean {
  return world.random.below(10_000) < count;
}

/** What the hosts of a world tell it becomes what happens next. */
export function watcherOf(world: World): HostWatcher {
  const { random, queue, trace, weather } = world;
  return {
    now_ms: () => world.now_ms,
    given(host, event) {
      world.events++;
      trace.note(world.now_ms, host.index, event);
      if (world.storm && world.events % 500 === 0 && random.chance(20))
        later(world, 0, { kind: "chaos", host });
    },
    made(host, effect) {
      trace.note(world.now_ms, host.index, effect);
      if (effect.kind !== "reply") return;
      world.digest =
        Math.imul(world.digest ^ effect.client_id, 0x01000193) ^ effect.reply.result ^ world.now_ms;
    },
    asked: (host, ask) => planCall(world, host, ask),
    askedKeys(host, ask) {
      world.devices.asked(host, ask, (life) => world.cluster.hasFailed(`lvm_${ask.vg_name}`, life));
      const takes_ms = callTime_ms(world);
      later(world, takes_ms, { kind: "keys", host, incarnation: host.incarnation, ask });
    },
    answered: (host, client, result) => planStep(world, host, client, result),
    diesNow: () => world.storm && in10000(world, weather.crashes) && in10000(world, 2000),
    losesReply: () => world.storm && in10000(world, weather.undelivered),
    replyLost: (host, client) => later(world, random.below(4), { kind: "undelivered", host, client }),
    died(host) {
      world.cluster.died(host);
      later(world, 1 + random.below(3000), { kind: "boot", host });
    },
    failed(host) {
      world.cluster.failed(host);
      later(world, 1000 + random.below(240_000), { kind: "reset", host });
    },
    wakeAt: (host, at_ms) => queue.push(Math.max(world.now_ms, at_ms), { kind: "wake", host }),
  };
}

function callTime_ms(world: World): number {
  const late = world.storm && in10000(world, world.weather.late_calls);
  return late
    ? 95_000 + world.random.below(120_000)
    : world.random.below(world.storm ? world.weather.call_ms + 1 : 2);
}

function planCall(world: World, host: SimulatedHost, ask: Ask): void {
  const { target } = ask;
  const takes_ms = callTime_ms(world);
  // A manager that serves one call at a time in a lockspace lets the others wait behind it.
  const line =
    target.kind === "lockspace" && world.weather.serial_calls
      ? `${host.index}/${target.key}/${host.incarnation}`
      : "";
  const begin_ms = line === "" ? world.now_ms : Math.max(world.now_ms, world.busy_until_ms.get(line) ?? 0);
  if (line !== "") world.busy_until_ms.set(line, begin_ms + takes_ms);
  world.queue.push(begin_ms + takes_ms, { kind: "execute", host, incarnation: host.incarnation, ask });
}

function luckOf(world: World, ask: Ask): Luck {
  if (!world.storm) return "good";
  // A release must not be refused twenty times in a row: then only a person can help, and no invariant holds.
  if (in10000(world, world.weather.refusals)) return "refused";
  if (ask.target.method === "setHostDead") return world.random.chance(30) ? "busy" : "good";
  if (ask.target.method === "lock") return in10000(world, world.weather.passing_conflicts) ? "busy" : "good";
  return in10000(world, world.weather.refusals) ? "busy" : "good";
}

function planStep(world: World, host: SimulatedHost, client: SimulatedClient, result: number): void {
  if (!client.plan.stubborn && !isGranted(result) && result !== -2)
    client.next_step = client.plan.requests.length;
  const think_ms = world.random.chance(3)
    ? world.weather.think_ms * 40
    : world.random.below(world.weather.think_ms + 1);
  later(world, think_ms, { kind: "step", host, client });
}

/** A host's clients come up one after the other. */
export function openClients(world: World, host: SimulatedHost): void {
  for (let n = world.size.clients_per_host; n > 0; n--)
    later(world, world.random.below(50), { kind: "open", host });
}

function openClient(world: World, host: SimulatedHost): void {
  if (host.core === null || !world.storm) return;
  const { random, size, weather } = world;
  const context = { random, size, weather, isStarted: host.journal.isStarted };
  const client = createClient(world.next_client_id++, drawPlan(context));
  host.open(client);
  if (host.clients.get(client.id) === client)
    later(world, world.random.below(world.weather.think_ms + 1), { kind: "step", host, client });
}

function endClient(world: World, host: SimulatedHost, client: SimulatedClient): void {
  host.close(client);
  later(world, world.random.below(world.weather.think_ms + 1), { kind: "open", host });
}

function step(world: World, host: SimulatedHost, client: SimulatedClient): void {
  if (host.clients.get(client.id) !== client || client.broken) return;
  const dies = world.storm && in10000(world, world.weather.client_deaths);
  if (client.outstanding !== null) {
    // Planned beforehand: it dies while it waits, unless it stops something, whose end the books have to see.
    if (dies && doomedBy(client.outstanding).length === 0) endClient(world, host, client);
    return;
  }
  const request = client.plan.requests[client.next_step++];
  if (dies || request === undefined) {
    endClient(world, host, client);
    return;
  }
  host.send(client, request);
  if (client.outstanding === null) return;
  // Some waits are short and some long; it may die in either.
  const patience_ms = world.random.pick([5, world.weather.think_ms, world.weather.think_ms * 20]);
  later(world, world.random.below(patience_ms + 1), { kind: "step", host, client });
}

/** What no client asks for. Planned, not done at once: a core is not called while it is at work. */
function chaos(world: World, host: SimulatedHost): void {
  const lockspace_name = `lvm_${vgName(world.random.below(world.size.vgs))}`;
  world.random.weighted([
    [3, () => host.handle({ kind: "terminate" })],
    [
      world.weather.forced_stops > 0 ? 2 : 0,
      () => host.handle({ kind: "lockspace-lost", lockspace_name, reason: "simulated" }),
    ],
    [world.weather.crashes > 0 && host.core !== null ? 2 : 0, () => host.crash()],
    [world.weather.machine_failures && host.core !== null ? 6 : 0, () => host.fail()],
    [3, () => undefined],
  ])();
}

/** One thing that was planned happens. */
export function happen(world: World, item: Happening): void {
  const { host } = item;
  switch (item.kind) {
    case "step":
      step(world, host, item.client);
      return;
    case "undelivered":
      if (host.clients.get(item.client.id) !== item.client) return;
      host.handle({ kind: "undelivered", client_id: item.client.id });
      if (host.clients.get(item.client.id) === item.client) endClient(world, host, item.client);
      return;
    case "execute": {
      // A daemon that died may have had the call carried out and not its answer, or neither of them.
      if (item.incarnation !== host.incarnation || host.core === null) return;
      const answer = world.cluster.execute(host, item.ask, luckOf(world, item.ask));
      const { call_id } = item.ask;
      later(world, world.random.below(3), {
        kind: "answer",
        host,
        incarnation: item.incarnation,
        call_id,
        answer,
      });
      return;
    }
    case "answer":
      if (item.incarnation === host.incarnation && host.core !== null)
        host.handle({ kind: "answer", call_id: item.call_id, answer: item.answer });
      return;
    case "keys": {
      if (item.incarnation !== host.incarnation || host.core === null) return;
      const goes_wrong = world.storm && in10000(world, world.weather.fence_failures);
      const loses_answer = world.storm && in10000(world, world.weather.lost_aborts);
      const at = { now_ms: world.now_ms, goes_wrong, loses_answer };
      const answer = world.devices.execute(host, item.ask, at);
      host.handle({ kind: "answer", call_id: item.ask.call_id, answer });
      return;
    }
    case "reset":
      if (!host.failed) return;
      world.cluster.reset(host);
      host.reset();
      later(world, 0, { kind: "boot", host });
      return;
    case "wake":
      wake(world, host);
      return;
    case "boot":
      host.boot(() => world.random.chance(20));
      openClients(world, host);
      return;
    case "open":
      openClient(world, host);
      return;
    case "chaos":
      chaos(world, host);
      return;
  }
}

function wake(world: World, host: SimulatedHost): void {
  if (host.core === null || host.wakeup_ms > world.now_ms) return;
  host.wakeup_ms = Number.POSITIVE_INFINITY;
  host.handle({ kind: "timer" });
}
