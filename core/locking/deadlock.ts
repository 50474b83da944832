/**
 * Clients of one host that wait for each other in a circle. lvm commands take their locks in the order GL, VG, LV and never
 * make one; two that do would wait for ever, because a wait for another client has no end of its own. The request that
 * would close a circle is refused instead. A lock that another host holds is no part of this: such waits have a deadline.
 */
import type { Client, Resource } from "./state.ts";

/** The clients that a request of `waiter` for `resource` would have to wait for. */
function* blockers(resource: Resource, waiter: Client): Generator<Client> {
  for (const lock of resource.locks) if (lock.client !== null && lock.client !== waiter) yield lock.client;
  for (const queued of resource.queue) {
    if (queued.client === waiter) return;
    yield queued.client;
  }
}

/**
 * The circle that `waiter` would close by waiting for `resource`: the clients in order, beginning with the one it waits for
 * and ending with itself. Null when there is none.
 */
export function findCircle(waiter: Client, resource: Resource): Client[] | null {
  if (waiter.locks.length === 0) return null;
  const cameFrom = new Map<Client, Client>();
  const open: { client: Client; resource: Resource }[] = [{ client: waiter, resource }];
  for (let step = open.pop(); step !== undefined; step = open.pop()) {
    for (const next of blockers(step.resource, step.client)) {
      if (next === waiter) return pathTo(step.client, waiter, cameFrom);
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, step.client);
      if (next.waiting !== null) open.push({ client: next, resource: next.waiting.resource });
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
