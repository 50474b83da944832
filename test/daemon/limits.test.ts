import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, readFileSync, statSync } from "node:fs";
import { firstReservedFd, openFilesLimit } from "../../core/daemon/open-files.ts";
import { type Connection, connect, connectAndGreet } from "../rig/connection.ts";
import { HELLO } from "../rig/requests.ts";
import { makeScratch, type Scratch } from "../rig/scratch.ts";
import { type Child, startChild } from "./kit/child.ts";
import { resultOf, startInProcess, until } from "./kit/in-process.ts";

let scratch: Scratch;
let child: Child | null = null;
beforeEach(() => {
  scratch = makeScratch("limits");
});
afterEach(async () => {
  child?.kill("SIGKILL");
  await child?.exited;
  child = null;
  scratch.remove();
});

/** User and system time of a process in clock ticks of 10 ms. */
function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return Number(fields[11]) + Number(fields[12]);
}

describe("open files", () => {
  test("the limit is read from the kernel and a part of it is reserved", () => {
    expect(openFilesLimit()).toBeGreaterThan(100);
    expect(openFilesLimit("/nonexistent")).toBe(1024);
    expect(firstReservedFd(64)).toBe(48);
    expect(firstReservedFd(1_000_000)).toBe(1_000_000 - 256);
  });

  test("running out of them is reported once, told to the client, and survived without spinning", async () => {
    child = await startChild(scratch, { before: "ulimit -n 64;" });
    const accepted: Connection[] = [];
    const refused: Connection[] = [];
    for (let i = 0; i < 100; i++) {
      const client = await connect(scratch.file("socket"));
      const result = resultOf(await client.ask(HELLO).catch(() => "op_result = -12"));
      (result === 0 ? accepted : refused).push(client);
    }
    expect(accepted.length).toBeGreaterThan(20);
    expect(refused.length).toBeGreaterThan(30);
    const before = cpuTicks(child.pid);
    await Bun.sleep(300);
    expect(cpuTicks(child.pid) - before).toBeLessThan(10);
    expect(child.output().match(/turned away/g)?.length).toBe(1);
    for (const client of accepted.splice(0, 10)) client.close();
    await until(async () => {
      const late = await connect(scratch.file("socket"));
      const served = resultOf(await late.ask(HELLO).catch(() => "")) === 0;
      late.close();
      return served;
    });
    for (const client of accepted) expect(resultOf(await client.ask(HELLO))).toBe(0);
  }, 20_000);

  test("a client that is turned away is told why before it sends anything", async () => {
    const ours = await startInProcess({ surroundings: { open_files_limit: 1 } });
    const client = await connect(ours.config.socket_path);
    const reply = await client.reply();
    expect(resultOf(reply)).toBe(-12);
    expect(reply).toContain("turned away");
    await until(() => client.ended());
    await ours.destroy();
  });
});

test("5000 connections are served", async () => {
  child = await startChild(scratch);
  const clients: Connection[] = [];
  // Each is greeted before the next one: Bun's connect fails where lvm's, which blocks, waits for room in the backlog.
  for (let i = 0; i < 5000; i++) clients.push(await connectAndGreet(scratch.file("socket")));
  const results = await Promise.all(clients.map((client) => client.ask(HELLO)));
  expect(results.every((reply) => resultOf(reply) === 0)).toBe(true);
  for (const client of clients) client.close();
  (await connectAndGreet(scratch.file("socket"))).close();
}, 30_000);

describe("who may connect", () => {
  test("is the owner of the socket and nobody else by its mode", async () => {
    const ours = await startInProcess();
    expect(statSync(ours.config.socket_path).mode & 0o777).toBe(0o600);
    await ours.destroy();
  });

  test.skipIf(process.geteuid?.() !== 0)(
    "is root and the daemon's user by the kernel's word, whatever the mode (skipped unless root: it needs two users)",
    async () => {
      const ours = await startInProcess();
      chmodSync(ours.config.socket_path, 0o666);
      chmodSync(scratch.path, 0o755);
      chmodSync(ours.scratch.path, 0o755);
      const program =
        "socket(S, AF_UNIX, SOCK_STREAM, 0); connect(S, pack_sockaddr_un(shift)) or die; print <S>";
      const nobody = Bun.spawn(
        [
          "setpriv",
          "--reuid=65534",
          "--clear-groups",
          "perl",
          "-MSocket",
          "-e",
          program,
          ours.config.socket_path,
        ],
        { stdout: "pipe" },
      );
      expect(await new Response(nobody.stdout).text()).toContain("op_result = -1");
      expect(ours.logged.some((line) => line.includes("user 65534"))).toBe(true);
      await ours.destroy();
    },
  );
});
