/**
 * A world made from one seed: hosts with their clients around one lock manager, run event by event in simulated time. Storms, in
 * which everything may go wrong, are followed by calm, in which everybody must be answered and all books must agree.
 */
import { makeRequest } from "../locking/request.ts";
import { makeRandom } from "../rig/random.ts";
import { createClient } from "./client.ts";
import { createCluster } from "./cluster.ts";
import { createDevices } from "./devices.ts";
import { createEventQueue } from "./event-queue.ts";
import { happen, later, openClients, type World, watcherOf } from "./happenings.ts";
import { createHost, type SimulatedHost } from "./host.ts";
import { Violation } from "./insist.ts";
import { startRequests, vgName } from "./plans.ts";
import { atRest, empty } from "./rest.ts";
import { createTrace } from "./trace.ts";
import { drawSize, drawWeather, type WorldSize } from "./weather.ts";

/** Core events of one storm; then comes calm. */
const STORM_EVENTS = 8000;
/** Simulated time in which a calm world has to come to rest. */
const REST_MS = 2 * 3_600_000;

export interface WorldOptions {
  readonly seed: number;
  /** Stops after this many events of the cores. */
  readonly events: number;
  /** Instead of the size that the seed would have. */
  readonly size: WorldSize | null;
  /** How many of the last things that happened are told with a failure. */
  readonly trace_lines: number;
}

export interface WorldResult {
  readonly events: number;
  /** A number made from everything that was answered, in order: equal for equal runs. */
  readonly digest: number;
  readonly size: WorldSize;
  /** What went wrong and the last things before it; null when all was well. A run of `replay_events` comes to it again. */
  readonly failure: {
    readonly error: Error;
    readonly replay_events: number;
    readonly trace: readonly string[];
  } | null;
}

export function runWorld(options: WorldOptions): WorldResult {
  const hosts: SimulatedHost[] = [];
  const world = makeWorld(options, hosts);
  const watcher = watcherOf(world);
  for (let index = 0; index < world.size.hosts; index++)
    hosts.push(createHost(index, world.weather, world.cluster, watcher));
  const result = (failure: WorldResult["failure"]): WorldResult => {
    const { events, digest, size } = world;
    return { events, digest, size, failure };
  };
  try {
    while (world.events < options.events) {
      weatherTheStorm(world, hosts, Math.min(options.events, world.events + STORM_EVENTS));
      if (world.events < options.events) calmDown(world, hosts);
    }
    calmDown(world, hosts);
    tearDown(world, hosts);
    return result(null);
  } catch (error) {
    const replay_events = Math.min(world.events, options.events);
    return result({ error: error as Error, replay_events, trace: world.trace.lines() });
  }
}

function makeWorld({ seed, size, trace_lines }: WorldOptions, hosts: readonly SimulatedHost[]): World {
  const random = makeRandom(seed);
  const drawn = drawSize(random);
  const weather = drawWeather(random);
  const devices = createDevices();
  return {
    random,
    size: size ?? drawn,
    weather,
    cluster: createCluster({
      first_vg_name: vgName(0),
      devices,
      beliefsOf: (index) => (hosts[index] as SimulatedHost).beliefs,
    }),
    devices,
    queue: createEventQueue(),
    trace: createTrace(trace_lines),
    busy_until_ms: new Map(),
    now_ms: 0,
    events: 0,
    digest: 0,
    storm: true,
    next_client_id: 1,
  };
}

/** Lets happen what is planned until `enough`, or until nothing is planned any more. */
function runUntil(world: World, enough: () => boolean): void {
  while (!enough()) {
    const next = world.queue.pop();
    if (next === null) return;
    world.now_ms = next.at_ms;
    happen(world, next.item);
  }
}

function weatherTheStorm(world: World, hosts: readonly SimulatedHost[], end_event: number): void {
  world.storm = true;
  for (const host of hosts) {
    if (host.incarnation === 0) later(world, 0, { kind: "boot", host });
    else openClients(world, host);
  }
  runUntil(world, () => world.events >= end_event);
}

function calmDown(world: World, hosts: readonly SimulatedHost[]): void {
  world.storm = false;
  const rest_ms = world.now_ms + REST_MS;
  for (const host of hosts) if (host.failed) later(world, 0, { kind: "reset", host });
  runUntil(world, () => world.now_ms > rest_ms);
  if (world.queue.size() > 0) throw new Violation("a calm world comes to rest");
  for (const host of hosts) {
    atRest(host, world.cluster);
    host.rest();
  }
}

/** Every VG is started and then stopped: nothing may be left anywhere. */
function tearDown(world: World, hosts: readonly SimulatedHost[]): void {
  const names = Array.from({ length: world.size.vgs }, (_, index) => vgName(index));
  const starts = names.flatMap((vg_name) => startRequests(vg_name, world.weather));
  const stop = makeRequest("stop_all", { opts: { wait: true, force: true } });
  for (const host of hosts) {
    const client = createClient(world.next_client_id++, { requests: [...starts, stop], stubborn: true });
    host.open(client);
    later(world, 0, { kind: "step", host, client });
  }
  calmDown(world, hosts);
  for (const host of hosts) empty(host, world.cluster);
}
