/**
 * The Ethernet switch that the guests are plugged into, on a unix socket: QEMU sends each frame with its length in front, 4 bytes
 * big-endian. All faults of the network are made here. Nothing leads out of it.
 */
import { createServer, type Socket } from "node:net";

/** The last byte of a guest's address, which is 52:54:00:77:00:NN. */
type HostNumber = number;

export interface Network {
  /** For QEMU's `-netdev stream`. */
  readonly path: string;
  /** Takes the host off the network, both ways. */
  cut(host: { readonly id: HostNumber }): void;
  /** Drops what `from` sends to `to`; the other direction stays. */
  block(from: { readonly id: HostNumber }, to: { readonly id: HostNumber }): void;
  /** Parts the hosts: frames pass within a group only, and hosts in no group are alone. */
  split(...groups: readonly (readonly { readonly id: HostNumber }[])[]): void;
  /** Drops each frame with this probability, 0 to 1. */
  lose(probability: number): void;
  /** Delivers each frame this much later. */
  delay(delay_ms: number): void;
  /** Undoes what was done to this host, or everything. */
  heal(host?: { readonly id: HostNumber }): void;
  close(): void;
}

interface Port {
  readonly socket: Socket;
  rest: Buffer;
}

interface Faults {
  readonly cut: Set<HostNumber>;
  readonly blocked: Set<string>;
  groups: readonly Set<HostNumber>[];
  loss: number;
  delay_ms: number;
}

const header_bytes = 4;
/** A guest that is stopped reads nothing; what it does not take is dropped, as on a wire. */
const unread_bytes_max = 4 * 1024 * 1024;

function reaches(faults: Faults, from: HostNumber, to: HostNumber): boolean {
  if (faults.cut.has(from) || faults.cut.has(to) || faults.blocked.has(`${from}>${to}`)) return false;
  return faults.groups.length === 0 || faults.groups.some((group) => group.has(from) && group.has(to));
}

function isLost({ loss }: Faults): boolean {
  return loss > 0 && Math.random() < loss;
}

/** Hands out the frames of a port's stream, their headers included. */
function takeFrames(port: Port, chunk: Buffer, take: (frame: Buffer) => void): void {
  port.rest = port.rest.length === 0 ? chunk : Buffer.concat([port.rest, chunk]);
  for (;;) {
    if (port.rest.length < header_bytes) return;
    const end = header_bytes + port.rest.readUInt32BE(0);
    if (port.rest.length < end) return;
    take(port.rest.subarray(0, end));
    port.rest = port.rest.subarray(end);
  }
}

export async function openNetwork(path: string): Promise<Network> {
  const ports = new Map<Socket, Port>();
  /** Where an address was last seen. */
  const learned = new Map<string, Port>();
  const faults: Faults = { cut: new Set(), blocked: new Set(), groups: [], loss: 0, delay_ms: 0 };

  /** A frame that is under way when its host is cut off or its way is blocked does not arrive. */
  const send = (to: Port, frame: Buffer, source: HostNumber, target: HostNumber): void => {
    const deliver = (): void => {
      if (to.socket.destroyed || to.socket.writableLength > unread_bytes_max) return;
      if (reaches(faults, source, target)) to.socket.write(frame);
    };
    if (faults.delay_ms === 0) deliver();
    else setTimeout(deliver, faults.delay_ms);
  };

  const forward = (from: Port, frame: Buffer): void => {
    const target = frame.toString("hex", header_bytes, header_bytes + 6);
    const source = frame.toString("hex", header_bytes + 6, header_bytes + 12);
    learned.set(source, from);
    const isGroupAddress = ((frame[header_bytes] ?? 0) & 1) === 1;
    const known = isGroupAddress ? undefined : learned.get(target);
    const addresses = known === undefined ? [...learned] : [[target, known] as const];
    // A frame may be cut out of a larger buffer that is reused, so a delayed one is kept as a copy.
    const bytes = faults.delay_ms === 0 ? frame : Buffer.from(frame);
    for (const [address, port] of addresses) {
      if (port === from || !ports.has(port.socket)) continue;
      if (!isLost(faults))
        send(port, bytes, Number.parseInt(source.slice(-2), 16), Number.parseInt(address.slice(-2), 16));
    }
  };

  const server = createServer((socket) => {
    const port: Port = { socket, rest: Buffer.alloc(0) };
    ports.set(socket, port);
    socket.on("data", (chunk: Buffer) => takeFrames(port, chunk, (frame) => forward(port, frame)));
    const leave = (): void => {
      ports.delete(socket);
      for (const [address, at] of learned) if (at === port) learned.delete(address);
    };
    socket.on("close", leave);
    socket.on("error", leave);
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(path, resolve);
  await promise;

  return {
    path,
    cut: (host) => void faults.cut.add(host.id),
    block: (from, to) => void faults.blocked.add(`${from.id}>${to.id}`),
    split: (...groups) => {
      faults.groups = groups.map((group) => new Set(group.map((host) => host.id)));
    },
    lose: (probability) => {
      faults.loss = probability;
    },
    delay: (delay_ms) => {
      faults.delay_ms = delay_ms;
    },
    heal: (host) => heal(faults, host?.id),
    close: () => {
      for (const socket of ports.keys()) socket.destroy();
      server.close();
    },
  };
}

function heal(faults: Faults, host: HostNumber | undefined): void {
  if (host === undefined) {
    faults.cut.clear();
    faults.blocked.clear();
    Object.assign(faults, { groups: [], loss: 0, delay_ms: 0 });
    return;
  }
  faults.cut.delete(host);
  // It meets all hosts again, which may still be apart from each other.
  for (const group of faults.groups) group.add(host);
  for (const way of faults.blocked) if (way.split(">").includes(String(host))) faults.blocked.delete(way);
}
