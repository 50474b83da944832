/** The switch between the guests, with sockets that play QEMU. */
import { afterEach, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { makeScratch, type Scratch } from "../../rig/scratch.ts";
import { type Network, openNetwork } from "../lab/network.ts";

const open: { scratch: Scratch; network: Network; sockets: Socket[] }[] = [];

afterEach(() => {
  for (const { scratch, network, sockets } of open.splice(0)) {
    for (const socket of sockets) socket.destroy();
    network.close();
    scratch.remove();
  }
});

interface Plug {
  readonly id: number;
  readonly received: string[];
  send(to: number | "all", text: string): void;
}

const header_bytes = 14;

function frame(from: number, to: number | "all", text: string): Buffer {
  const address = (id: number): number[] => [0x52, 0x54, 0, 0x77, 0, id];
  const target = to === "all" ? [255, 255, 255, 255, 255, 255] : address(to);
  const body = Buffer.concat([Buffer.from([...target, ...address(from), 8, 0]), Buffer.from(text)]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body]);
}

/** Hosts 1 to 3 on a network; each has said hello, so the switch knows where they are. */
async function threeHosts(): Promise<{ network: Network; plugs: [Plug, Plug, Plug] }> {
  const scratch = makeScratch("network");
  const network = await openNetwork(scratch.file("network"));
  const sockets: Socket[] = [];
  open.push({ scratch, network, sockets });
  const plug = async (id: number): Promise<Plug> => {
    const socket = connect(network.path);
    sockets.push(socket);
    await new Promise((resolve) => socket.once("connect", resolve));
    const received: string[] = [];
    let rest = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32BE(0)) {
        const end = 4 + rest.readUInt32BE(0);
        const text = rest.toString("utf8", 4 + header_bytes, end);
        if (text !== "hello") received.push(text);
        rest = rest.subarray(end);
      }
    });
    return { id, received, send: (to, text) => void socket.write(frame(id, to, text)) };
  };
  const plugs: [Plug, Plug, Plug] = [await plug(1), await plug(2), await plug(3)];
  for (const each of plugs) each.send("all", "hello");
  await settle();
  return { network, plugs };
}

/**
 * Frames that are dropped never come, so there is nothing to wait for. All sockets are in this process: some turns of its event
 * loop take every frame as far as it gets, however busy the machine is.
 */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Bun.sleep(2);
}

test("a frame reaches the host that it is for, and no other", async () => {
  const { plugs } = await threeHosts();
  plugs[0].send(2, "for two");
  await settle();
  expect([plugs[1].received, plugs[2].received]).toEqual([["for two"], []]);
});

test("a broadcast reaches all others", async () => {
  const { plugs } = await threeHosts();
  plugs[0].send("all", "for all");
  await settle();
  expect(plugs.map((plug) => plug.received)).toEqual([[], ["for all"], ["for all"]]);
});

test("a host that is cut off neither sends nor receives, until it is healed", async () => {
  const { network, plugs } = await threeHosts();
  network.cut(plugs[1]);
  plugs[0].send("all", "unheard");
  plugs[1].send("all", "unsaid");
  await settle();
  network.heal(plugs[1]);
  plugs[0].send(2, "heard");
  await settle();
  expect(plugs.map((plug) => plug.received)).toEqual([[], ["heard"], ["unheard"]]);
});

test("a blocked direction leaves the other one open", async () => {
  const { network, plugs } = await threeHosts();
  network.block(plugs[0], plugs[1]);
  plugs[0].send(2, "there");
  plugs[1].send(1, "back");
  await settle();
  expect(plugs.map((plug) => plug.received)).toEqual([["back"], [], []]);
});

test("a split network passes frames within its groups only", async () => {
  const { network, plugs } = await threeHosts();
  network.split([plugs[0], plugs[1]], [plugs[2]]);
  plugs[0].send("all", "mine");
  plugs[2].send("all", "alone");
  await settle();
  expect(plugs.map((plug) => plug.received)).toEqual([[], ["mine"], []]);
});

test("a network that loses frames loses about as many as it should", async () => {
  const { network, plugs } = await threeHosts();
  const frames = 400;
  network.lose(0.25);
  for (let number = 0; number < frames; number++) plugs[0].send(2, "frame");
  await settle();
  network.heal();
  plugs[0].send(2, "sound");
  await settle();
  expect(plugs[1].received.at(-1)).toBe("sound");
  // Seven standard deviations around what is expected.
  expect(plugs[1].received.length).toBeGreaterThan(240);
  expect(plugs[1].received.length).toBeLessThan(360);
});

test("a delayed frame comes, unharmed, after one that was sent later without a delay", async () => {
  const { network, plugs } = await threeHosts();
  network.delay(250);
  plugs[0].send(2, "slow");
  await settle();
  network.delay(0);
  plugs[0].send(2, "fast");
  while (plugs[1].received.length < 2) await Bun.sleep(5);
  expect(plugs[1].received).toEqual(["fast", "slow"]);
});

test("a frame that is under way when its host is cut off does not arrive", async () => {
  const { network, plugs } = await threeHosts();
  const [one, two, three] = plugs;
  network.delay(200);
  one.send(two.id, "under way");
  one.send(three.id, "to another");
  await settle();
  network.cut(two);
  await Bun.sleep(400);
  expect(two.received).toEqual([]);
  expect(three.received).toEqual(["to another"]);
});

test("a host that is healed after a split meets all hosts again, and these stay apart", async () => {
  const { network, plugs } = await threeHosts();
  const [one, two, three] = plugs;
  network.split([one], [two], [three]);
  network.heal(two);
  one.send(two.id, "to the healed one");
  two.send(three.id, "from it");
  one.send(three.id, "lost");
  await settle();
  expect(two.received).toEqual(["to the healed one"]);
  expect(three.received).toEqual(["from it"]);
});
