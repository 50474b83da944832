import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { LIMITS } from "../../core/limits.ts";
import { type Connection, connect, connectAndGreet } from "../rig/connection.ts";
import { encodeRequest, HELLO, TERMINATOR } from "../rig/requests.ts";
import {
  lockLv,
  lockVg,
  report,
  resultOf,
  startInProcess,
  startVg,
  type TestDaemon,
  until,
} from "./kit/in-process.ts";

let ours: TestDaemon;
beforeAll(async () => {
  ours = await startInProcess();
  const client = await ours.connect();
  await startVg(client, "vg0");
  client.close();
});
afterAll(() => ours.destroy());

const IN_A_ROW = 3000;

/** Writes until the daemon takes nothing any more; it must come to that before the end. */
async function writeUntilStuck(socket: Bun.Socket, flood: Buffer): Promise<void> {
  let sent = 0;
  for (let stalls = 0; stalls < 20; ) {
    expect(sent).toBeLessThan(flood.length);
    const count = socket.write(flood.subarray(sent));
    if (count > 0) sent += count;
    else stalls++;
    await Bun.sleep(1);
  }
}

describe("requests", () => {
  test("are answered wherever their bytes are split", async () => {
    const client = await ours.connect();
    const bytes = lockVg("vg0", "sh");
    const unlock = lockVg("vg0", "un");
    for (let at = 1; at < bytes.length; at += 7) {
      client.send(bytes.slice(0, at));
      await Bun.sleep(0);
      client.send(bytes.slice(at));
      expect(resultOf(await client.reply())).toBe(0);
      expect(resultOf(await client.ask(unlock))).toBe(0);
    }
    client.close();
  });

  test("sent in one go are each answered, in order", async () => {
    const client = await ours.connect();
    const pair = lockVg("vg0", "ex") + lockVg("vg0", "un");
    client.send(pair.repeat(IN_A_ROW) + lockVg("nosuch", "ex"));
    for (let i = 0; i < IN_A_ROW * 2; i++) expect(resultOf(await client.reply())).toBe(0);
    expect(resultOf(await client.reply())).toBe(-210);
    client.close();
  });

  test("that wait for a lock keep those behind them waiting, and keep their order", async () => {
    const [holder, client] = [await ours.connect(), await ours.connect()];
    await holder.ask(lockVg("vg0", "ex"));
    client.send(lockVg("vg0", "ex") + lockVg("vg0", "un") + lockVg("vg0", "un") + HELLO);
    await until(async () => (await report(ours.config.socket_path)).waiter.length === 1);
    expect(client.waiting()).toBe(0);
    await holder.ask(lockVg("vg0", "un"));
    const results = [];
    for (let i = 0; i < 4; i++) results.push(resultOf(await client.reply()));
    expect(results).toEqual([0, 0, -2, 0]);
    holder.close();
    client.close();
  });

  test("that make no sense get an answer with an error code, and the connection goes on", async () => {
    const client = await ours.connect();
    expect(resultOf(await client.ask(`}{ garbage${TERMINATOR}`))).toBe(-71);
    expect(resultOf(await client.ask(`\0\x01\x02${TERMINATOR}`))).toBe(-71);
    expect(resultOf(await client.ask(`mode = "ex"\n${TERMINATOR}`))).toBe(-71);
    expect(resultOf(await client.ask(encodeRequest({ request: "no_such_thing", keys: {} })))).toBe(-95);
    expect(resultOf(await client.ask(lockVg("vg0", "sh")))).toBe(0);
    client.close();
  });

  test("that are refused leave the reason in the log, because lvm shows the number alone", async () => {
    const client = await ours.connect();
    expect(resultOf(await client.ask(encodeRequest({ request: "stop_vg", keys: {} })))).toBe(-22);
    const dump = await client.ask(encodeRequest({ request: "dump_text", keys: {} }));
    expect(dump).toMatch(/client \d+ \(pid \d+\) is refused with EINVAL: stop_vg needs vg_name/);
    client.close();
  });

  test("beyond the bound are answered, and the connection ends", async () => {
    const client = await ours.connect();
    client.send(`cmd = "${"x".repeat(LIMITS.request_size_bytes + 10)}`);
    expect(resultOf(await client.reply())).toBe(-71);
    await until(() => client.ended());
  });
});

describe("one client", () => {
  test("with half a request costs the others nothing", async () => {
    const half = await connect(ours.config.socket_path);
    half.send(lockVg("vg0", "ex").slice(0, -2));
    const other = await ours.connect();
    expect(resultOf(await other.ask(lockVg("vg0", "ex")))).toBe(0);
    half.close();
    other.close();
  });

  test("that floods leaves the others their turns", async () => {
    const flooder = await ours.connect();
    const other = await ours.connect();
    flooder.send(HELLO.repeat(20_000));
    await flooder.reply();
    for (let i = 0; i < 20; i++) await other.ask(HELLO);
    // A daemon that serves a client to its end before the next has answered the whole flood by now.
    expect(flooder.waiting()).toBeLessThan(15_000);
    for (let i = 1; i < 20_000; i++) await flooder.reply();
    flooder.close();
    other.close();
  });

  test("that reads no replies is served no further, and its death is noticed", async () => {
    const deaf = await Bun.connect({
      unix: ours.config.socket_path,
      socket: {
        open: (socket) => void socket.pause(),
        data() {},
      },
    });
    deaf.write(lockVg("vg0", "ex"));
    const ask = encodeRequest({ request: "info_json", keys: {} }, "simple");
    await writeUntilStuck(deaf, Buffer.from(ask.repeat(400_000)));
    const other = await ours.connect();
    expect(resultOf(await other.ask(HELLO))).toBe(0);
    const waiting = other.ask(lockVg("vg0", "ex"));
    await until(async () => (await report(ours.config.socket_path)).waiter.length === 1);
    deaf.terminate();
    expect(resultOf(await waiting)).toBe(0);
    other.close();
  });

  test("that goes while its lock request waits is forgotten", async () => {
    const [holder, waiter] = [await ours.connect(), await ours.connect()];
    await holder.ask(lockVg("vg0", "ex"));
    waiter.send(lockVg("vg0", "ex"));
    await until(async () => (await report(ours.config.socket_path)).waiter.length === 1);
    waiter.close();
    await until(async () => (await report(ours.config.socket_path)).waiter.length === 0);
    await holder.ask(lockVg("vg0", "un"));
    expect((await report(ours.config.socket_path)).lock).toEqual([]);
    holder.close();
  });

  test("that goes while its lock request waits and we read no more from it is forgotten as well", async () => {
    const holder = await ours.connect();
    await holder.ask(lockVg("vg0", "ex"));
    const waiter = await Bun.connect({ unix: ours.config.socket_path, socket: { data() {} } });
    waiter.write(lockVg("vg0", "ex"));
    await writeUntilStuck(waiter, Buffer.from(HELLO.repeat(400_000)));
    expect((await report(ours.config.socket_path)).waiter.length).toBe(1);
    waiter.terminate();
    await until(async () => (await report(ours.config.socket_path)).waiter.length === 0);
    holder.close();
  });

  test("that dies with its grant unread does not keep the LV lock", async () => {
    const client = await Bun.connect({
      unix: ours.config.socket_path,
      socket: { open: (socket) => void socket.pause(), data() {} },
    });
    client.write(lockLv("vg0", "lv_unread", "ex"));
    await until(async () => (await report(ours.config.socket_path)).lock.length === 1);
    client.terminate();
    await until(async () => (await report(ours.config.socket_path)).lock.length === 0);
  });

  test("that read its grant keeps a persistent LV lock beyond its end", async () => {
    const client = await ours.connect();
    expect(resultOf(await client.ask(lockLv("vg0", "lv_kept", "ex")))).toBe(0);
    client.close();
    await until(async () => (await report(ours.config.socket_path)).client.length === 1);
    expect((await report(ours.config.socket_path)).lock.map((lock) => lock.mode)).toEqual(["ex"]);
    const other = await ours.connect();
    expect(resultOf(await other.ask(lockLv("vg0", "lv_kept", "un")))).toBe(0);
    other.close();
  });
});

test("many unfinished requests are bounded together, at the cost of the biggest", async () => {
  const giants: Connection[] = [];
  const piece = Buffer.alloc(8 * 1024 * 1024, "x").toString("latin1");
  for (let i = 0; i < 10; i++) {
    const giant = await connect(ours.config.socket_path);
    giant.send(`cmd = "${piece}`);
    giants.push(giant);
  }
  await until(() => giants.some((giant) => giant.ended()));
  expect(giants.filter((giant) => !giant.ended()).length).toBeGreaterThan(3);
  expect(ours.logged.some((line) => line.includes("keeps"))).toBe(true);
  const other = await connectAndGreet(ours.config.socket_path);
  other.close();
  for (const giant of giants) giant.close();
});
