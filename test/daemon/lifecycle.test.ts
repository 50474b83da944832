import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { connectAndGreet } from "../rig/connection.ts";
import { encodeRequest } from "../rig/requests.ts";
import { makeScratch, type Scratch } from "../rig/scratch.ts";
import { type Child, type ChildSetup, childCommand, spawnChild, startChild } from "./kit/child.ts";
import { lockLv, lockVg, report, resultOf, startVg, until } from "./kit/in-process.ts";

let scratch: Scratch;
let children: Child[] = [];
beforeEach(() => {
  scratch = makeScratch("life");
});
afterEach(async () => {
  for (const child of children) {
    child.kill("SIGKILL");
    await child.exited;
  }
  children = [];
  scratch.remove();
});

async function start(setup: ChildSetup = {}): Promise<Child> {
  const child = await startChild(scratch, setup);
  children.push(child);
  return child;
}

function spawnOne(setup: ChildSetup = {}): Child {
  const child = spawnChild(scratch, setup);
  children.push(child);
  return child;
}

const files = () => ["socket", "pid", "journal"].filter((name) => existsSync(scratch.file(name)));

describe("files", () => {
  test("are private, and gone after a clean end", async () => {
    const child = await start();
    expect(statSync(scratch.file("socket")).mode & 0o777).toBe(0o600);
    expect(statSync(scratch.file("journal")).mode & 0o777).toBe(0o600);
    expect(readFileSync(scratch.file("pid"), "latin1")).toBe(`${child.pid}\n`);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect(files()).toEqual([]);
  });

  test("of a daemon that was killed do not keep the next one from starting", async () => {
    const first = await start();
    first.kill("SIGKILL");
    await first.exited;
    expect(files()).toEqual(["socket", "pid", "journal"]);
    await start();
  });

  test("lie in a directory that is made private when it is missing", async () => {
    const child = spawnOne({ options: { socket_path: scratch.file("new/socket"), adopt_file: null } });
    await until(() => existsSync(scratch.file("new/socket")) || child.output() !== "");
    expect(statSync(scratch.file("new")).mode & 0o777).toBe(0o700);
    await until(() => existsSync(scratch.file("new/lvmlockd.adopt")));
  });
});

describe("a second daemon", () => {
  test("says the pid of the first and leaves it alone", async () => {
    const first = await start();
    const second = spawnOne();
    expect(await second.exited).toBe(4);
    expect(second.output()).toContain(`pid ${first.pid} is running already`);
    (await connectAndGreet(scratch.file("socket"))).close();
    expect(readFileSync(scratch.file("pid"), "latin1")).toBe(`${first.pid}\n`);
  });

  test("with another pid file does not take the socket away", async () => {
    await start();
    const second = spawnOne({ options: { pid_file: scratch.file("pid2"), adopt_file: scratch.file("j2") } });
    expect(await second.exited).toBe(1);
    expect(second.output()).toContain("another process listens");
    (await connectAndGreet(scratch.file("socket"))).close();
    expect(existsSync(scratch.file("pid2"))).toBe(false);
  });

  test("does not delete a file that is no socket", async () => {
    writeFileSync(scratch.file("socket"), "precious");
    const child = spawnOne();
    expect(await child.exited).toBe(1);
    expect(readFileSync(scratch.file("socket"), "utf8")).toBe("precious");
  });
});

describe("SIGTERM", () => {
  test("with an LV lock held stops nothing, says what holds, and ends once it is free", async () => {
    const child = await start();
    const client = await connectAndGreet(scratch.file("socket"));
    await startVg(client, "vg0");
    await startVg(client, "vg1");
    expect(resultOf(await client.ask(lockLv("vg0", "lv0", "ex")))).toBe(0);
    child.kill("SIGTERM");
    await until(() => child.output().includes("locks are held in vg0"));
    expect(resultOf(await client.ask(lockVg("vg1", "sh")))).toBe(0);
    expect(resultOf(await client.ask(lockVg("vg1", "un")))).toBe(0);
    expect(resultOf(await client.ask(lockLv("vg0", "lv0", "un")))).toBe(0);
    client.close();
    await until(async () => (await report(scratch.file("socket"))).client.length === 1);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect(files()).toEqual([]);
  });

  test("is what quit does too, when nothing is started", async () => {
    const child = await start();
    const client = await connectAndGreet(scratch.file("socket"));
    expect(resultOf(await client.ask(encodeRequest({ request: "quit", keys: {} }, "simple")))).toBe(0);
    expect(await child.exited).toBe(0);
  });

  test("twice from the keyboard (SIGINT) ends a daemon that would stay, and its locks stay on record", async () => {
    const child = await start();
    const client = await connectAndGreet(scratch.file("socket"));
    await startVg(client, "vg0");
    await client.ask(lockLv("vg0", "lv0", "ex"));
    child.kill("SIGINT");
    await until(() => child.output().includes("locks are held"));
    child.kill("SIGINT");
    expect(await child.exited).toBe(0);
    expect(files()).toEqual(["journal"]);
    await start();
    expect((await report(scratch.file("socket"))).lock.length).toBe(1);
  });
});

describe("SIGHUP", () => {
  test("takes over good settings and keeps the old ones when the file is wrong", async () => {
    const child = await start();
    writeFileSync(scratch.file("lvmlockd.conf"), "daemon { wait_limit_s = 1 }\n");
    child.kill("SIGHUP");
    await until(() => child.output().includes("read again"));
    const [holder, waiter] = [
      await connectAndGreet(scratch.file("socket")),
      await connectAndGreet(scratch.file("socket")),
    ];
    await startVg(holder, "vg0");
    await holder.ask(lockVg("vg0", "ex"));
    expect(resultOf(await waiter.ask(lockVg("vg0", "ex")))).toBe(-62);
    writeFileSync(scratch.file("lvmlockd.conf"), "daemon { wait_limit = 5 }\n");
    child.kill("SIGHUP");
    await until(() => child.output().includes("stay as they are"));
    expect(child.output()).toContain('did you mean "daemon/wait_limit_s"');
    expect(resultOf(await waiter.ask(lockVg("vg0", "ex")))).toBe(-62);
    expect(resultOf(await waiter.ask(encodeRequest({ request: "reload", keys: {} }, "simple")))).toBe(-22);
    writeFileSync(scratch.file("lvmlockd.conf"), "");
    expect(resultOf(await waiter.ask(encodeRequest({ request: "reload", keys: {} }, "simple")))).toBe(0);
    holder.close();
    waiter.close();
  });
});

describe("the start", () => {
  test("with wrong settings fails with exit status 6 and shows the place", async () => {
    writeFileSync(scratch.file("lvmlockd.conf"), "daemon {\n  adopt = maybe\n}\n");
    const child = spawnOne();
    expect(await child.exited).toBe(6);
    expect(child.output()).toContain("lvmlockd.conf:2:");
  });

  test("without -f goes to the background and returns when the daemon serves", async () => {
    const front = spawnOne({ options: { foreground: false } });
    expect(await front.exited).toBe(0);
    const pid = Number(readFileSync(scratch.file("pid"), "latin1"));
    expect(pid).not.toBe(front.pid);
    (await connectAndGreet(scratch.file("socket"))).close();
    expect(readFileSync(`/proc/${pid}/comm`, "latin1")).toBe("lvmlockd\n");
    // A session of its own: the terminal's end does not reach it.
    expect(Number(readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]?.split(" ")[3])).toBe(pid);
    process.kill(pid, "SIGTERM");
    await until(() => files().length === 0);
  });

  test("without -f shows why it failed, and fails as well", async () => {
    const first = await start();
    const second = spawnOne({ options: { foreground: false } });
    expect(await second.exited).toBe(4);
    expect(second.output()).toContain(`pid ${first.pid} is running already`);
  });

  test("as npm start says where it is and what to type", async () => {
    const child = await start({ options: { welcome: true, test_mode: false, lock_manager: "local" } });
    await until(() => child.output().includes("Ctrl-C"));
    expect(child.output()).toContain(`listening on ${scratch.file("socket")}`);
    expect(child.output()).toContain("local (serves lock type dlm)");
    expect(child.output()).toContain(`--socket ${scratch.file("socket")}`);
  });

  test("leaves the environment and the directory of the caller behind", async () => {
    const child = await start({ env: { BUN_OPTIONS: "", LD_EVIL: "1", LVM_SYSTEM_DIR: scratch.path } });
    expect(readFileSync(`/proc/${child.pid}/comm`, "latin1")).toBe("lvmlockd\n");
    const link = Bun.spawnSync(["readlink", `/proc/${child.pid}/cwd`]).stdout.toString();
    expect(link).toBe("/\n");
  });

  test("by socket activation takes the passed socket and does not remove its file", async () => {
    const activator = [
      "$^F = 9; my $path = shift; socket(S, AF_UNIX, SOCK_STREAM, 0); bind(S, pack_sockaddr_un($path)); listen(S, 5);",
      "POSIX::dup2(fileno(S), 3); $ENV{LISTEN_PID} = $$; $ENV{LISTEN_FDS} = $ENV{SD_ACTIVATION} = 1; exec @ARGV;",
    ].join("\n");
    const child = Bun.spawn(
      ["perl", "-MSocket", "-MPOSIX", "-e", activator, scratch.file("socket"), ...childCommand(scratch)],
      { stderr: "ignore" },
    );
    await until(() => existsSync(scratch.file("pid")));
    const client = await connectAndGreet(scratch.file("socket"));
    client.close();
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect(files()).toEqual(["socket"]);
  });
});
