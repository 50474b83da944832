import { afterEach, describe, expect, test } from "bun:test";
import { EXIT } from "../../core/errors.ts";
import { MAIN, resultReply, runProgram, type StubAnswer, type StubDaemon, startStub } from "./stub-daemon.ts";

let stub: StubDaemon | null = null;

afterEach(() => {
  stub?.stop();
  stub = null;
});

function start(answer: StubAnswer): StubDaemon {
  stub = startStub(answer);
  return stub;
}

async function ctl(daemon: StubDaemon, ...words: string[]) {
  return runProgram("lvmlockctl", ["--socket", daemon.socket_path, ...words]);
}

/** Answers one request with a result. */
function answering(name: string, result: number, more = ""): StubAnswer {
  return (request) => (request.get("request") === name ? resultReply(result, more) : null);
}

describe("requests of lvmlockctl", () => {
  test("--drop sends drop_vg with command, pid and VG, and says nothing on success", async () => {
    const daemon = start(answering("drop_vg", 0));
    const run = await ctl(daemon, "--drop", "vg0");
    expect(run).toMatchObject({ stdout: "", exit_status: EXIT.ok });
    const sent = daemon.requests.at(-1);
    expect([...(sent?.keys() ?? [])]).toEqual(["request", "cmd", "pid", "vg_name"]);
    expect(sent?.get("cmd")).toBe("lvmlockctl");
    expect(sent?.get("vg_name")).toBe("vg0");
  });

  test("--gl-enable and --gl-disable send their requests", async () => {
    const daemon = start((request) =>
      String(request.get("request")).endsWith("_gl") ? resultReply(0) : null,
    );
    await ctl(daemon, "-E", "vg0");
    await ctl(daemon, "-Dvg1");
    expect(daemon.requests.map((request) => request.get("request"))).toEqual([
      "hello",
      "enable_gl",
      "hello",
      "disable_gl",
    ]);
  });

  test("--stop-lockspaces waits by default, and -f works", async () => {
    const daemon = start(answering("stop_all", 0));
    await ctl(daemon, "-S");
    await ctl(daemon, "-S", "-w", "0");
    await ctl(daemon, "-S", "-f1", "--wait=0");
    const opts = daemon.requests.map((request) => request.get("opts")).filter((value) => value !== undefined);
    expect(opts).toEqual(["wait ", "none", "force "]);
  });

  test("--set-remote-lv-lock sends the LV and the mode", async () => {
    const daemon = start(answering("set_remote_lv_lock", 0));
    const run = await ctl(daemon, "--set-remote-lv-lock", "vg0", "--lv-uuid", "abc", "--lock-mode", "ex");
    expect(run.exit_status).toBe(EXIT.ok);
    expect(daemon.requests.at(-1)?.get("mode")).toBe("ex");
  });
});

describe("honest results", () => {
  test("a refused --drop names cause, remedy and number, and exits with the error's status", async () => {
    const run = await ctl(start(answering("drop_vg", -210)), "--drop", "vg0");
    expect(run.exit_status).toBe(EXIT.not_found);
    expect(run.stderr).toContain("dropping the locks of VG vg0 failed");
    expect(run.stderr).toContain("vgchange --lockstart");
    expect(run.stderr).toContain("(ENOLS -210)");
  });

  test("the daemon's own detail is shown as well", async () => {
    const daemon = start(answering("enable_gl", -22, 'detail = "vg0 is a dlm VG."\n'));
    expect((await ctl(daemon, "-E", "vg0")).stderr).toContain("vg0 is a dlm VG.");
  });

  test("a detail without a full stop does not run on into the words of the error table", async () => {
    const daemon = start(answering("enable_gl", -22, 'detail = "it is not kept in a VG"\n'));
    expect((await ctl(daemon, "-E", "vg0")).stderr).toContain("it is not kept in a VG. The request");
  });

  test("--quit that is refused because VGs are started exits with 4", async () => {
    const daemon = start((request) =>
      request.get("request") === "quit"
        ? 'response = "OK"\nresult = -16\nprotocol = "lvmlockd"\nversion = 1\n'
        : null,
    );
    const run = await ctl(daemon, "--quit");
    expect(run.exit_status).toBe(EXIT.busy);
    expect(run.stderr).toContain("(EBUSY -16)");
  });

  test("with json the result is a report row with typed numbers in json_std only", async () => {
    const daemon = start(answering("drop_vg", -210));
    const std = await ctl(daemon, "--drop", "vg0", "--reportformat", "json_std");
    const basic = await ctl(daemon, "--drop", "vg0", "--reportformat", "json");
    expect(JSON.parse(std.stdout).report[0].result[0]).toMatchObject({ op_result: -210, error: "ENOLS" });
    expect(JSON.parse(basic.stdout).report[0].result[0]).toMatchObject({ op_result: "-210", error: "ENOLS" });
    expect(std.exit_status).toBe(EXIT.not_found);
  });

  test("a daemon that does not run is said so, with exit status 3", async () => {
    const run = await runProgram("lvmlockctl", ["--socket", "/nonexistent/lvmlockd.socket", "--info"]);
    expect(run.exit_status).toBe(EXIT.not_running);
    expect(run.stderr).toContain("lvmlockd does not run");
    expect(run.stderr).toContain("systemctl start lvmlockd");
  });

  test("another program's socket is not taken for lvmlockd", async () => {
    const run = await ctl(
      start(() => 'response = "OK"\nprotocol = "lvmpolld"\nversion = 1\n'),
      "--quit",
    );
    expect(run.exit_status).toBe(EXIT.unsupported);
    expect(run.stderr).toContain("lvmpolld version 1");
  });

  test("a daemon that hangs up instead of answering is a failure", async () => {
    const daemon = start((request) => {
      if (request.get("request") === "drop_vg") queueMicrotask(() => stub?.stop());
      return null;
    });
    const run = await ctl(daemon, "--drop", "vg0");
    expect(run.exit_status).toBe(EXIT.not_running);
    expect(run.stderr).toContain("closed the connection");
  });
});

describe("--stop-lockspaces that is answered with a count", () => {
  const report = (state: string, locks: readonly object[]): string =>
    JSON.stringify({
      report: [{ lockspace: [{ vg_name: "vg0", lockspace_name: "lvm_vg0", state }], lock: locks }],
    });
  const lvLock = {
    vg_name: "vg0",
    lockspace_name: "lvm_vg0",
    kind: "lv",
    lv_name: "lv0",
    mode: "ex",
    persistent: true,
    pid: 4711,
    cmd: "lvchange",
  };
  const stopping = (state: string, locks: readonly object[]): StubAnswer => {
    const text = report(state, locks);
    return (request) => {
      if (request.get("request") === "stop_all") return resultReply(1);
      return request.get("request") === "info_json"
        ? `response = "OK"\ntext = ${JSON.stringify(text)}\n`
        : null;
    };
  };

  test("says which VG stays, who holds what and what to do, and exits with 4", async () => {
    const run = await ctl(start(stopping("started", [lvLock])), "-S", "-w0");
    expect(run.exit_status).toBe(EXIT.busy);
    expect(run.stderr).toContain("vg0 stays because locks are held: vg0/lv0 ex by active LV");
    expect(run.stderr).toContain("vgchange -an vg0");
  });

  test("shows the same in JSON as EBUSY", async () => {
    const run = await ctl(start(stopping("started", [lvLock])), "-S", "-w0", "--reportformat", "json_std");
    expect(run.exit_status).toBe(EXIT.busy);
    expect(JSON.parse(run.stdout).report[0].result[0]).toMatchObject({ op_result: 1, error: "EBUSY" });
  });

  test("is a success while nothing but the end of the stop is missing", async () => {
    const run = await ctl(start(stopping("stopping", [])), "-S", "-w0");
    expect(run).toMatchObject({ exit_status: EXIT.ok, stderr: "" });
    expect(run.stdout).toContain("Still stopping: vg0");
  });

  test("is a failure when it was asked to wait", async () => {
    const run = await ctl(start(stopping("started", [])), "-S");
    expect(run.exit_status).toBe(EXIT.busy);
    expect(run.stderr).toContain("vg0 did not stop");
  });

  test("says what it waits for also without a terminal", async () => {
    const text = report("started", [lvLock]);
    const daemon = start((request) =>
      request.get("request") === "info_json" ? `response = "OK"\ntext = ${JSON.stringify(text)}\n` : null,
    );
    const child = Bun.spawn(
      [process.execPath, "--config=/dev/null", MAIN, "lvmlockctl", "--socket", daemon.socket_path, "-S"],
      { stdin: "ignore", stdout: "ignore", stderr: "pipe" },
    );
    // stop_all is never answered, so the first thing that is said is the reason.
    const first = await child.stderr.getReader().read();
    child.kill();
    await child.exited;
    expect(Buffer.from(first.value ?? []).toString()).toContain(
      "stopping the lockspaces takes a while: vg0 has 1 active LV",
    );
  });
});

describe("output that can't be written", () => {
  test("is one line and exit status 1 on a full disk", async () => {
    const child = Bun.spawn(
      [
        "/bin/sh",
        "-c",
        'exec "$0" "$@" > /dev/full',
        process.execPath,
        "--config=/dev/null",
        MAIN,
        "lvmlockctl",
        "--help",
      ],
      { stdin: "ignore", stdout: "ignore", stderr: "pipe" },
    );
    const stderr = await new Response(child.stderr).text();
    expect(stderr).toMatch(/^The output can't be written: ENOSPC.*\n$/);
    expect(await child.exited).toBe(EXIT.failure);
  });
});

describe("command lines that are refused before anything is asked", () => {
  const refused: readonly (readonly [readonly string[], string])[] = [
    [["--drop", "../etc"], "is no VG name"],
    [["--drop", "-x"], "it begins with -"],
    [["--drop", "v".repeat(128)], "127 characters"],
    [["--info", "--quit"], "can't be given together"],
    [["--info", "vg0"], "does not belong to --info"],
    [["-S", "-w", "2"], "--wait is 0 or 1"],
    [["--set-remote-lv-lock", "vg0"], "needs --lv-uuid and --lock-mode"],
    [["whoo", "vg0"], "the nearest is who"],
    [["who"], "who needs a VG"],
    [["who", "a/b/c"], "has a / too many"],
    [["config", "put"], "get, list or edit"],
    [["--reportformat", "xml", "--info"], "basic, json, json_std"],
  ];
  for (const [words, expected] of refused) {
    test(`lvmlockctl ${words.join(" ").slice(0, 50)}`, async () => {
      const run = await runProgram("lvmlockctl", words);
      expect(run.exit_status).toBe(EXIT.usage);
      expect(run.stderr).toContain(expected);
      expect(run.stderr).toContain("lvmlockctl --help");
    });
  }
});
