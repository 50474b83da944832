import { afterAll, describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { PERSIST_EXIT } from "../../cli/lvmpersist/exit.ts";
import {
  bindDatagram,
  closeDatagram,
  openDatagram,
  receiveDatagram,
  unixAddress,
} from "../../plugins/native/datagram.ts";
import { makeScratch } from "../rig/scratch.ts";
import { MODEL_VARIABLE, type ModelSettings } from "./lvmpersist-on-model-disks.ts";

const scratch = makeScratch("lvmpersist");
afterAll(() => scratch.remove());
const PROGRAM = join(import.meta.dir, "lvmpersist-on-model-disks.ts");
const BASH = Bun.which("bash");

const US = "0x1000000000010001";
const OTHER = "0x1000000000010002";
const BOTH = { us: US, other: OTHER };

/** To the line's beginning, and the line away. */
const ERASE = "\r\u001b[2K";

let runs = 0;

interface Model {
  readonly words: readonly string[];
  readonly devices?: number;
  readonly registered?: ModelSettings["registered"];
  readonly pause_ms?: number;
  readonly gone?: string;
  /** Runs it from a program of this name. */
  readonly caller?: string;
  /** Standard error goes to a file, and not to the terminal. */
  readonly stderr_to?: string;
}

interface Prepared {
  readonly command: string[];
  readonly env: Record<string, string>;
  states(): string;
  log(): string[];
}

/** A command line on model disks, with a syslog of its own. */
function prepare(model: Model): Prepared {
  const id = ++runs;
  const syslog_path = scratch.file(`log${id}`);
  const states_path = scratch.file(`states${id}`);
  const settings: ModelSettings = {
    registered: model.registered ?? {},
    pause_ms: model.pause_ms ?? 0,
    gone: model.gone ?? "",
    syslog_path,
    states_path,
  };
  const socket = openDatagram();
  const address = unixAddress(syslog_path);
  if (socket.kind !== "opened" || address === null) throw new Error("no socket for the log");
  expect(bindDatagram(socket.fd, address)).toEqual({ kind: "bound" });
  const devices = Array.from({ length: model.devices ?? 3 }, (_, index) => `--device=/dev/model${index}`);
  const own = [process.execPath, "--config=/dev/null", "--no-env-file", PROGRAM, ...model.words, ...devices];
  return {
    // The caller has to stay: a shell becomes its last command otherwise.
    command: called(model, own),
    env: { ...process.env, [MODEL_VARIABLE]: JSON.stringify(settings) } as Record<string, string>,
    states: () => (existsSync(states_path) ? readFileSync(states_path, "utf8") : ""),
    log() {
      const lines: string[] = [];
      const into = new Uint8Array(65536);
      for (;;) {
        const received = receiveDatagram(socket.fd, into);
        if (received.kind !== "received") break;
        lines.push(new TextDecoder().decode(into.slice(0, received.size_bytes)));
      }
      closeDatagram(socket.fd);
      return lines;
    },
  };
}

function called({ caller, stderr_to }: Model, own: string[]): string[] {
  if (stderr_to !== undefined) return ["sh", "-c", '"$@" 2>"$0"; exit $?', stderr_to, ...own];
  return caller === undefined ? own : [caller, "-c", '"$@"; exit $?', "caller", ...own];
}

interface Ran extends Prepared {
  readonly screen: string;
  readonly exit_status: number | null;
}

/** Runs it on a terminal. When the question comes, `answer` is typed; a function does something else then. */
async function onTerminal(model: Model, answer: string | ((pid: number) => void) = ""): Promise<Ran> {
  const prepared = prepare(model);
  let screen = "";
  let isAnswered = false;
  const decoder = new TextDecoder();
  const child = Bun.spawn(prepared.command, {
    env: prepared.env,
    terminal: {
      cols: 200,
      data(terminal, bytes) {
        screen += decoder.decode(bytes, { stream: true });
        if (isAnswered || !screen.includes("[y/n]")) return;
        isAnswered = true;
        if (typeof answer === "string") terminal.write(answer);
        else answer(child.pid);
      },
    },
  });
  const exit_status = await child.exited;
  child.terminal?.close();
  return { ...prepared, screen: screen.replaceAll(ERASE, "<erased>"), exit_status };
}

async function inPipe(model: Model): Promise<Ran & { readonly stdout: string; readonly stderr: string }> {
  const prepared = prepare(model);
  const child = Bun.spawn(prepared.command, {
    env: prepared.env,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, exit_status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { ...prepared, screen: stdout + stderr, stdout, stderr, exit_status };
}

const START = ["start", "--ourkey", US];
const REMOVE = ["remove", "--ourkey", US, "--removekey", OTHER];
const TAKE_OVER = ["start", "--ourkey", US, "--removekey", OTHER];
const CLEAR = ["clear", "--ourkey", US];
const untouched = "other:0x1000000000010002 us:0x1000000000010001 | none\n".repeat(3);
const WARNING = "warning: model0:model2:";

describe("at a terminal, before another host is cut off", () => {
  test.each([
    [START, "registered hosts can no longer write"],
    [
      TAKE_OVER,
      "loses 3 of 3 devices: its key and reservation are removed, its commands under way are aborted",
    ],
    [CLEAR, "these hosts lose their keys, and any host can write from then on"],
  ])("%p names the host and the reason, asks, and a no changes nothing", async (words, reason) => {
    const { screen, exit_status, states, log } = await onTerminal({ words, registered: BOTH }, "n\r");
    expect(exit_status).toBe(PERSIST_EXIT.failure);
    const [before = "", after = ""] = screen.split("Go on? [y/n]");
    expect(before).toContain(WARNING);
    expect(before).toContain(reason);
    expect(before).toContain("0x1000000000010002 (host_id 2, generation 1)");
    expect(after).toContain("not agreed to; nothing is changed.");
    expect(states()).toBe(untouched);
    expect(log()).toHaveLength(2);
  });

  test("a yes does it, and the line of success follows", async () => {
    const { screen, exit_status, states } = await onTerminal({ words: TAKE_OVER, registered: BOTH }, "y\r");
    expect(exit_status).toBe(PERSIST_EXIT.ok);
    expect(screen).toContain("started model0:model2 with key 0x1000000000010001.");
    expect(states()).toBe("us:0x1000000000010001 | WE us\n".repeat(3));
  });

  test.each([
    ["Ctrl-C", "\x03"],
    ["the end of the input", "\x04"],
    ["an empty line", "\r"],
    ["SIGTERM", (pid: number): void => void process.kill(pid, "SIGTERM")],
    ["SIGHUP", (pid: number): void => void process.kill(pid, "SIGHUP")],
  ] as const)("%s is a no", async (_, answer) => {
    const ran = await onTerminal({ words: CLEAR, registered: BOTH }, answer);
    expect(ran.exit_status).toBe(PERSIST_EXIT.failure);
    expect(ran.screen).toContain("nothing is changed");
    expect(ran.states()).toBe(untouched);
  });

  test("--yes warns and does not ask", async () => {
    const ran = await onTerminal({ words: [...CLEAR, "--yes"], registered: BOTH });
    expect(ran.screen).toContain(WARNING);
    expect(ran.screen).not.toContain("Go on?");
    expect(ran.states()).toBe(" | none\n".repeat(3));
  });

  test("--dry-run warns, asks nothing, shows what would be done, does nothing and is not in the log", async () => {
    for (const words of [START, TAKE_OVER, CLEAR]) {
      const ran = await onTerminal({ words: [...words, "--dry-run"], registered: BOTH });
      expect(ran.exit_status).toBe(PERSIST_EXIT.ok);
      expect(ran.screen).toContain(WARNING);
      expect(ran.screen).not.toContain("Go on?");
      expect(ran.screen).toMatch(/\/dev\/model2 +planned +2 registered, not reserved/);
      expect(ran.states()).toBe(untouched);
      expect(ran.log()).toEqual([]);
    }
  });

  test("nobody is asked when no other host loses anything", async () => {
    const ran = await onTerminal({ words: START });
    expect(ran.exit_status).toBe(PERSIST_EXIT.ok);
    expect(ran.screen).not.toContain("warning");
    expect(ran.screen).not.toContain("Go on?");
  });

  test.skipIf(BASH === null)("lvm, which has asked already, is not asked", async () => {
    for (const name of ["lvm", "notlvm"]) {
      const caller = scratch.file(name);
      copyFileSync(BASH ?? "", caller);
      const ran = await onTerminal({ words: CLEAR, registered: BOTH, caller }, "n\r");
      expect(ran.screen).toContain(WARNING);
      expect(ran.screen.includes("Go on?")).toBe(name !== "lvm");
      expect(ran.states()).toBe(name === "lvm" ? " | none\n".repeat(3) : untouched);
    }
  });
});

describe("a run that is told twice to end", () => {
  test("ends at once, and says on the terminal and in the log that it is not known what is so", async () => {
    const prepared = prepare({ words: [...START, "--debug"], devices: 6, pause_ms: 1000 });
    const child = Bun.spawn(prepared.command, { env: prepared.env, stdout: "ignore", stderr: "pipe" });
    let told = "";
    let is_ended = false;
    void child.exited.then(() => {
      is_ended = true;
    });
    const decoder = new TextDecoder();
    for await (const chunk of child.stderr) {
      told += decoder.decode(chunk, { stream: true });
      // It listens to signals by the time it has sent a command.
      while (!is_ended) {
        child.kill("SIGINT");
        await Bun.sleep(50);
      }
    }
    expect(await child.exited).toBe(PERSIST_EXIT.failure);
    expect(told).toContain("ended at once by a second signal");
    expect(prepared.log().join("\n")).toContain("ended at once by a second signal");
  });
});

describe("at a terminal, with standard error elsewhere", () => {
  test.each([
    ["a no, which changes nothing", "n\r", untouched],
    ["Ctrl-C, which is a no", "\x03", untouched],
    ["the end of the input, which is a no", "\x04", untouched],
    ["a yes, which does it", "y\r", " | none\n".repeat(3)],
  ])(
    "the person reads the warnings and the question all the same, and answers with %s",
    async (_, answer, states) => {
      const stderr_to = scratch.file("stderr");
      const ran = await onTerminal({ words: CLEAR, registered: BOTH, stderr_to }, answer);
      expect(ran.screen).toMatch(
        /warning: model0:model2: these hosts lose their keys.*\r\nGo on\? \[y\/n\]: /,
      );
      expect(readFileSync(stderr_to, "utf8")).toContain(WARNING);
      expect(ran.states()).toBe(states);
    },
  );
});

describe("without a terminal", () => {
  test("a warning is given, nobody is asked, and what is done and what failed is in syslog", async () => {
    const ran = await inPipe({ words: CLEAR, registered: BOTH });
    expect(ran.exit_status).toBe(PERSIST_EXIT.ok);
    expect(ran.stdout).toBe("  lvmpersist: cleared model0:model2 reservation and keys\n");
    expect(ran.stderr).toStartWith(`  lvmpersist: ${WARNING} these hosts lose their keys`);
    expect(ran.states()).toBe(" | none\n".repeat(3));
    // Facility daemon (3 * 8) with the severities warning and notice.
    const [warned = "", done = "", ...more] = ran.log();
    expect(warned).toMatch(/^<28>.* lvmpersist\[\d+\]: model0:model2: these hosts lose their keys/);
    expect(done).toMatch(/^<29>.* lvmpersist\[\d+\]: cleared model0:model2 reservation and keys$/);
    expect(more).toEqual([]);
  });

  test("a failure is in syslog with each device that is in the way", async () => {
    const ran = await inPipe({ words: START, gone: "/dev/model1" });
    expect(ran.exit_status).toBe(PERSIST_EXIT.device);
    const [failed = "", device = "", ...more] = ran.log();
    expect(failed).toMatch(
      /^<27>.*: start model0:model2 failed on 1 of 3 devices \(gone\); nothing is changed\.$/,
    );
    expect(device).toMatch(/^<27>.*: \/dev\/model1: \/dev\/model1 does not exist$/);
    expect(more).toEqual([]);
    expect(ran.states()).toBe(" | none\n".repeat(2));
  });

  test("the commands that change nothing are not in syslog", async () => {
    for (const words of [["read"], ["check-key", "--key", US], ["devtest"]]) {
      expect((await inPipe({ words, registered: BOTH })).log()).toEqual([]);
    }
  });

  test("every command answers in JSON, with a row for the run and one for each device", async () => {
    const commands = [
      START,
      TAKE_OVER,
      REMOVE,
      CLEAR,
      ["stop", "--ourkey", US],
      ["read"],
      ["read-keys"],
      ["read-reservation"],
      ["check-key", "--key", US],
      ["devtest"],
    ];
    for (const words of commands) {
      for (const extra of [[], ["--dry-run"]]) {
        const ran = await inPipe({
          words: [...words, ...extra, "--reportformat", "json_std"],
          registered: BOTH,
          gone: "/dev/model1",
        });
        const [{ run, device }] = JSON.parse(ran.stdout).report;
        expect(run).toHaveLength(1);
        expect(run[0].exit_status).toBe(ran.exit_status);
        expect(device.map((row: { status: string }) => row.status === "gone")).toEqual([false, true, false]);
      }
    }
  });
});

describe("the progress on many devices", () => {
  const many = { words: START, devices: 12, pause_ms: 30 };

  test("is one line on a terminal that is gone at the end, and nothing in a pipe", async () => {
    const [seen, piped] = await Promise.all([onTerminal(many), inPipe(many)]);
    expect(seen.exit_status).toBe(PERSIST_EXIT.ok);
    expect(seen.screen).toMatch(/<erased>registering: \d+ of 12 devices/);
    expect(seen.screen).toContain("<erased>  lvmpersist: started model0:model11");
    expect(piped.exit_status).toBe(PERSIST_EXIT.ok);
    expect(piped.screen).toBe("  lvmpersist: started model0:model11 with key 0x1000000000010001.\n");
  });

  test("gives way to the lines of --debug, and in JSON leaves standard output alone", async () => {
    const [traced, piped] = await Promise.all([
      onTerminal({ ...many, words: [...START, "--debug"] }),
      inPipe({ ...many, words: [...START, "--debug", "--reportformat", "json_std"] }),
    ]);
    expect(traced.screen).toMatch(/of 12 devices<erased>lvmpersist: \/dev\/model\d+: /);
    expect(traced.screen).not.toMatch(/devices(lvmpersist|\n)/);
    expect(JSON.parse(piped.stdout).report[0].device).toHaveLength(12);
    expect(piped.stderr).toContain("lvmpersist: /dev/model0: register and ignore existing key");
  });
});
