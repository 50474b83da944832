import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ownsDumpSocket, roomForText_bytes } from "../../core/daemon/info/asker.ts";
import { keepFirst, keepLast } from "../../core/daemon/info/fit.ts";
import { makeInSlices } from "../../core/daemon/info/slices.ts";
import { DUMP_DATAGRAM_ADDRESS } from "../../core/wire/client-codec.ts";
import {
  bindDatagram,
  closeDatagram,
  openDatagram,
  receiveDatagram,
  unixAddress,
} from "../../plugins/native/datagram.ts";
import type { Connection } from "../rig/connection.ts";
import { encodeRequest } from "../rig/requests.ts";
import {
  lockLv,
  lockVg,
  lvUuid,
  resultOf,
  startInProcess,
  startVg,
  type TestDaemon,
  until,
  vgUuid,
} from "./kit/in-process.ts";

const LV_LOCKS = 3000;
let ours: TestDaemon;
let client: Connection;
beforeAll(async () => {
  ours = await startInProcess();
  client = await ours.connect();
  await startVg(client, "vg0");
  for (let i = 0; i < LV_LOCKS; i++) client.send(lockLv("vg0", `lv${i}`, i % 2 === 0 ? "ex" : "sh"));
  for (let i = 0; i < LV_LOCKS; i++) expect(resultOf(await client.reply())).toBe(0);
});
afterAll(() => ours.destroy());

/** Binds the one address that there is, as lvmlockctl does; another test run on this machine may have it for a moment. */
async function bindDumpSocket(): Promise<number> {
  const socket = openDatagram();
  const address = unixAddress(DUMP_DATAGRAM_ADDRESS);
  if (socket.kind === "failed" || address === null) throw new Error("no datagram socket");
  await until(() => bindDatagram(socket.fd, address).kind === "bound");
  return socket.fd;
}

/** Asks as lvmlockctl does and collects the text that comes. */
async function fetchText(
  name: "info" | "dump",
  from = ours,
): Promise<{ reply: string; text: string; datagrams: number }> {
  const fd = await bindDumpSocket();
  const asker = await from.connect();
  const reply = await asker.ask(encodeRequest({ request: name, keys: {} }, "simple"));
  const dump_len = Number(/^dump_len = (\d+)$/m.exec(reply)?.[1]);
  const into = new Uint8Array(100_000);
  let text = "";
  let datagrams = 0;
  await until(() => {
    for (let got = receiveDatagram(fd, into); got.kind === "received"; got = receiveDatagram(fd, into)) {
      text += new TextDecoder().decode(into.subarray(0, got.size_bytes));
      datagrams++;
    }
    return Buffer.byteLength(text) >= dump_len;
  });
  closeDatagram(fd);
  asker.close();
  expect(Buffer.byteLength(text)).toBe(dump_len);
  return { reply, text, datagrams };
}

describe("info", () => {
  test("sends the C daemon's lines over the datagram socket, in several pieces", async () => {
    expect(resultOf(await client.ask(lockVg("vg0", "ex")))).toBe(0);
    const waiter = await ours.connect();
    waiter.send(lockVg("vg0", "sh"));
    const { text, datagrams } = await fetchText("info");
    const lines = text.trimEnd().split("\n");
    expect(datagrams).toBeGreaterThan(3);
    expect(lines[0]).toStartWith("info=structs unused_action_count=");
    expect(lines.filter((line) => line.startsWith("info=client ")).length).toBe(3);
    expect(text).toMatch(/^info=client pid=\d+ fd=\d+ pi=\d+ id=\d+ name=rig$/m);
    expect(text).toContain(
      `info=ls ls_name=lvm_vg0 vg_name=vg0 vg_uuid=${vgUuid("vg0")} vg_args=1.0.0:test lm_type=dlm host_id=0 generation=0 ` +
        "create_fail=0 create_done=1 thread_work=0 thread_stop=0 thread_done=0 kill_vg=0 fence_pr=0 no_timeout=0 " +
        "sanlock_gl_enabled=0\n",
    );
    expect(text).toContain(
      `info=r name=${lvUuid("lv1")} type=lv mode=sh sh_count=1 version=0\n` +
        "info=lk mode=sh version=0 flags=0x1 client_id=0\n",
    );
    expect(text).toMatch(
      /^info=r name=VGLK type=vg mode=ex sh_count=0 version=0\ninfo=lk mode=ex version=0 flags=0x0 client_id=\d+\ninfo=r_action client_id=\d+ flags=0x0 version=0 op=lock rt=vg mode=sh lm_type=dlm result=0 lm_rv=0 owner_host_id=0 owner_generation=0$/m,
    );
    expect(lines.filter((line) => line.startsWith("info=r ") && line.includes("type=lv")).length).toBe(
      LV_LOCKS,
    );
    expect(resultOf(await client.ask(lockVg("vg0", "un")))).toBe(0);
    expect(resultOf(await waiter.reply())).toBe(0);
    waiter.close();
  });

  test("is made between requests: a client is served many times before it is complete", async () => {
    const asker = await ours.connect();
    asker.send(encodeRequest({ request: "info_json", keys: {} }, "simple"));
    let served = 0;
    while (asker.waiting() === 0) {
      await client.ask(lockVg("vg0", "sh"));
      await client.ask(lockVg("vg0", "un"));
      served++;
    }
    expect(served).toBeGreaterThan(5);
    asker.close();
  });

  test("is not sent to a socket that the asking process has not bound", async () => {
    const asker = await ours.connect();
    const reply = await asker.ask(encodeRequest({ request: "info", keys: {} }, "simple"));
    expect(reply).toContain("dump_len = 0");
    expect(resultOf(reply)).toBe(-1);
    asker.close();
  });
});

test("dump sends the log, each line with the epoch's seconds and at most 255 bytes", async () => {
  const { text } = await fetchText("dump");
  const lines = text.trimEnd().split("\n");
  expect(lines.length).toBeGreaterThan(1000);
  expect(lines.every((line) => /^\d{10} /.test(line) && Buffer.byteLength(line) < 255)).toBe(true);
  expect(text).toContain(`asks lock_lv vg0/${lvUuid("lv2999")} sh`);
});

test("who tells the holders of one LV, and nothing of the others", async () => {
  const keys = { vg_name: "vg0", lv_uuid: lvUuid("lv7") };
  const reply = await client.ask(encodeRequest({ request: "who", keys }, "simple"));
  expect(reply.match(/lv_uuid/g)?.length).toBe(1);
  expect(reply).toContain(lvUuid("lv7"));
  const missing = { request: "who", keys: { vg_name: "nosuch" } };
  expect(resultOf(await client.ask(encodeRequest(missing, "simple")))).toBe(-210);
});

test("info in the dialect of 2.03.16 has that release's keys", async () => {
  const old = await startInProcess({ config: { dialect: "2.03.16" } });
  const starter = await old.connect();
  await startVg(starter, "vg0");
  const { text } = await fetchText("info", old);
  expect(text).toContain(
    `vg_uuid=${vgUuid("vg0")} vg_sysid=. vg_args=1.0.0:test lm_type=dlm host_id=0 create_fail=0 create_done=1 ` +
      "thread_work=0 thread_stop=0 thread_done=0 kill_vg=0 drop_vg=0 sanlock_gl_enabled=0\n",
  );
  await old.destroy();
});

test("info lists at most 100 clients, those with locks first, because lvmlockctl of lvm2 has no room for more", async () => {
  const idle = await Promise.all(Array.from({ length: 120 }, () => ours.connect()));
  const { text } = await fetchText("info");
  expect(text.match(/^info=client /gm)?.length).toBe(100);
  expect(text).toMatch(/^info=client .* name=rig$/m);
  for (const connection of idle) connection.close();
});

test("a text that is too long keeps its first chunks, or its last ones", () => {
  const chunks = ["aaa\n", "bb\n", "c\n"].map((text) => Buffer.from(text));
  const shown = (kept: readonly Buffer[]) => Buffer.concat(kept).toString();
  expect(shown(keepFirst(chunks, 8))).toBe("aaa\nbb\n");
  expect(shown(keepFirst(chunks, 9))).toBe("aaa\nbb\nc\n");
  expect(shown(keepLast(chunks, 8))).toBe("bb\nc\n");
  expect(shown(keepFirst(chunks, 3))).toBe("");
});

describe("the asker", () => {
  test("owns the dump socket when it has bound it", async () => {
    const fd = await bindDumpSocket();
    expect(ownsDumpSocket(process.pid)).toBe("yes");
    expect(ownsDumpSocket(process.ppid)).not.toBe("yes");
    closeDatagram(fd);
    expect(ownsDumpSocket(process.pid, "/nonexistent")).toBe("unknown");
  });

  test("has as much room as lvmlockctl of lvm2 2.03.40, unless it is an older one", () => {
    expect(roomForText_bytes(process.pid)).toBe(4 * 1024 * 1024);
    expect(roomForText_bytes(process.pid, "/nonexistent")).toBe(1024 * 1024);
  });
});

test("a text is the same whether it is made in one slice or in many", async () => {
  const pieces = Array.from({ length: 800 }, (_, i) => `line ${i} ${"é".repeat(200)}\n`);
  let clock_ms = 0;
  let served = 0;
  const { promise, resolve } = Promise.withResolvers<Buffer[]>();
  const now_ms = () => clock_ms++;
  makeInSlices(pieces.values() as Iterator<string, void>, { served: () => served++, now_ms }, resolve);
  const chunks = await promise;
  expect(Buffer.concat(chunks).toString()).toBe(pieces.join(""));
  expect(chunks.length).toBeGreaterThan(1);
});
