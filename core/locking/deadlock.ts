/**
 * Clients of one host that wait for each other in a circle. lvm commands take their locks in the order GL, VG, LV and never
 * make one; two that do would wait for ever, because a wait for another client has no end of its own. The request that
 * would close a circle is refused instead. A lock that another host holds is no part of this: such waits have a deadline.
 */
import type { HeldMode } from "../../plugins/contract.ts";
import type { Client, Lock, Resource } from "./state.ts";

/**
 * Who holds what the request waits for. The clients in front of it in the queue need not be looked at: they wait for the same
 * holders. A shared request for a resource that is held shared, with nobody in front, waits for nobody.
 */
function holdersInTheWay(resource: Resource, mode: HeldMode, first: boolean): readonly Lock[] {
  return mode === "sh" && resource.mode === "sh" && first ? [] : resource.locks;
}

/**
 * The circle that `waiter` would close by waiting for `resource` in `mode`: the clients in order, beginning with the one it
 * waits for and ending with itself. Null when there is none. Every resource is looked at once, so the cost is bounded by the
 * locks held where clients wait.
 */
export function findCircle(waiter: Client, resource: Resource, mode: HeldMode): Client[] | null {
  if (waiter.locks.length === 0) return null;
  const cameFrom = new Map<Client, Client>();
  const seen = new Set<Resource>([resource]);
  const open: { client: Client; holders: readonly Lock[] }[] = [
    { client: waiter, holders: holdersInTheWay(resource, mode, resource.queue.length === 0) },
  ];
  for (let step = open.pop(); step !== undefined; step = open.pop()) {
    for (const { client: next } of step.holders) {
      if (next === null || next === step.client || cameFrom.has(next)) continue;
      if (next === waiter) return pathTo(step.client, waiter, cameFrom);
      cameFrom.set(next, step.client);
      const waits = next.waiting;
      if (waits === null || seen.has(waits.resource)) continue;
      seen.add(waits.resource);
      const first = waits.resource.queue[0] === waits;
      open.push({ client: next, holders: holdersInTheWay(waits.resource, waits.mode, first) });
    }
  }
  return null;
}

function pathTo(last: Client, waiter: Client, cameFrom: ReadonlyMap<Client, Client>): Client[] {
  const path: Client[] = [waiter];
  for (let at: Client | undefined = last; at !== undefined && at !== waiter; at = cameFrom.get(at))
    path.unshift(at);
  return path;
}

/** "lvcreate[812] waits for vgchange[815] waits for lvcreate[812]". */
export function describeCircle(waiter: Client, circle: readonly Client[]): string {
  const name = (client: Client): string => `${client.cmd === "" ? "client" : client.cmd}[${client.pid}]`;
  return [waiter, ...circle].map(name).join(" waits for ");
}
