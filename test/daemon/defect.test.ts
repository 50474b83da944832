import { afterEach, expect, test } from "bun:test";
import { InvariantError } from "../../core/assert.ts";
import { createClients } from "../../core/daemon/clients.ts";
import { createLog } from "../../core/daemon/log/log.ts";
import { createReplyEncoder } from "../../core/wire/encode.ts";
import { connect, connectAndGreet } from "../rig/connection.ts";
import { HELLO } from "../rig/requests.ts";
import { makeScratch } from "../rig/scratch.ts";
import { type Child, startChild } from "./kit/child.ts";
import { lockLv, report, resultOf, startVg } from "./kit/in-process.ts";

test("what a socket's handler throws reaches the one that ends the daemon", async () => {
  const scratch = makeScratch("defect");
  const now_ms = () => 0;
  const caught = Promise.withResolvers<unknown>();
  const clients = createClients({
    events: {
      opened() {},
      closed() {},
      request() {
        throw new InvariantError("two exclusive holders");
      },
    },
    encode: createReplyEncoder({ dialect: "2.03.40" }),
    log: createLog({ print: null, syslog: null, syslog_priority: "err", now_ms }),
    now_ms,
    admission: { own_uid: process.geteuid?.() ?? 0, first_reserved_fd: 10_000 },
    defect: caught.resolve,
  });
  const listener = Bun.listen({ unix: scratch.file("socket"), socket: clients.handler });
  const client = await connect(scratch.file("socket"));
  client.send(HELLO);
  expect(await caught.promise).toBeInstanceOf(InvariantError);
  client.close();
  listener.stop(true);
  scratch.remove();
});

const children: Child[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill("SIGKILL");
    await child.exited;
  }
});

test("a daemon with a defect ends at once with its locks on record, and the next one adopts them", async () => {
  const scratch = makeScratch("defect");
  const plugin = new URL("./kit/defective-manager.ts", import.meta.url).pathname;
  const first = await startChild(scratch, { options: { test_mode: false, lock_manager: plugin } });
  children.push(first);
  const client = await connectAndGreet(scratch.file("socket"));
  await startVg(client, "vg0");
  for (const lv of ["good", "bad"]) expect(resultOf(await client.ask(lockLv("vg0", lv, "ex")))).toBe(0);
  expect(await first.exited).toBe(1);
  expect(first.output()).toContain("defect of its own");
  children.push(await startChild(scratch));
  expect((await report(scratch.file("socket"))).lock.length).toBe(2);
  scratch.remove();
});
