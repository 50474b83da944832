import { afterEach, describe, expect, test } from "bun:test";
import { readCommand } from "../../cli/lvmlockctl/command.ts";
import { connectDaemon } from "../../cli/lvmlockctl/connection.ts";
import { type TakeOverSurroundings, takeOver, vgFacts, warningText } from "../../cli/lvmlockctl/takeover.ts";
import { EXIT } from "../../core/errors.ts";
import { resultReply, runProgram, type StubDaemon, startStub } from "./stub-daemon.ts";

const KEY = 0x1000000000000002n;
let stub: StubDaemon | null = null;
afterEach(() => {
  stub?.stop();
  stub = null;
});

/** Runs a take-over against a daemon that answers with `result`; the exit status and what was asked. */
async function runAgainst(result: number, more: Partial<TakeOverSurroundings> & { yes?: boolean } = {}) {
  stub = startStub((request) => (request.get("request") === "takeover_vg" ? resultReply(result) : null));
  const connected = await connectDaemon(stub.socket_path);
  if (connected.kind === "failed") throw new Error(connected.message);
  const questions: string[] = [];
  const { yes = false, ...surroundings } = more;
  const exit_status = await takeOver(connected.connection, { vg_name: "vg0", remove_key: KEY, yes }, "json", {
    readVg: async () => ({ kind: "vg", vg_uuid: "u-1", vg_lock_type: "dlm", vg_lock_args: "1.0.0:x" }),
    ask: async (question) => {
      questions.push(question);
      return true;
    },
    record: async () => {},
    ...surroundings,
  });
  connected.connection.close();
  return {
    exit_status,
    questions,
    asked: stub.requests.filter((request) => request.get("request") !== "hello"),
  };
}

describe("takeover", () => {
  test("sends what a start of the VG would, and the key", async () => {
    const { exit_status, asked } = await runAgainst(0);
    expect(exit_status).toBe(EXIT.ok);
    expect(Object.fromEntries(asked[0] ?? [])).toMatchObject({
      request: "takeover_vg",
      vg_name: "vg0",
      vg_uuid: "u-1",
      vg_lock_type: "dlm",
      vg_lock_args: "1.0.0:x",
      removekey: "0x1000000000000002",
    });
  });

  test("asks first, unless it was told not to; a no changes nothing", async () => {
    expect((await runAgainst(0)).questions).toEqual(["Take VG vg0 over?"]);
    stub?.stop();
    expect((await runAgainst(0, { yes: true })).questions).toEqual([]);
    stub?.stop();
    const refused = await runAgainst(0, { ask: async () => false });
    expect(refused).toMatchObject({ exit_status: EXIT.failure, asked: [] });
  });

  test("tells the daemon's refusal by its exit status", async () => {
    expect((await runAgainst(-16)).exit_status).toBe(EXIT.busy);
    stub?.stop();
    expect((await runAgainst(-93)).exit_status).toBe(EXIT.unsupported);
  });

  test("of a VG that lvm does not know asks nobody for anything", async () => {
    const readVg = async () => ({ kind: "failed", detail: "no such VG", exit_status: 5 }) as const;
    expect(await runAgainst(0, { readVg })).toMatchObject({ exit_status: 5, asked: [], questions: [] });
  });

  test("says who loses what before it is done", () => {
    expect(warningText({ vg_name: "vg0", remove_key: KEY })).toStartWith(
      "WARNING: the host with host_id 2 (key 0x1000000000000002) is cut off from every PV of VG vg0.",
    );
    expect(warningText({ vg_name: "vg0", remove_key: 0xabcn })).toContain("the host (key 0xabc) is cut off");
  });

  test("needs one shared VG of that name", () => {
    const row = { vg_uuid: "u", vg_lock_type: "dlm", vg_lock_args: "1.0.0:x" };
    expect(vgFacts("vg0", [row])).toMatchObject({ kind: "vg", vg_uuid: "u" });
    for (const rows of [[], [row, row], [{ ...row, vg_lock_type: "" }], [{ ...row, vg_lock_type: "none" }]])
      expect(vgFacts("vg0", rows)).toMatchObject({ kind: "failed" });
  });
});

describe("the command line of takeover", () => {
  test("takes a VG and a key, in hex or decimal", () => {
    for (const text of ["0x1000000000000002", String(KEY)])
      expect(readCommand(["takeover", "vg0", "--removekey", text])).toMatchObject({
        invocation: { command: { kind: "takeover", vg_name: "vg0", remove_key: KEY, yes: false } },
      });
    expect(readCommand(["-y", "takeover", "vg0", "--removekey=2"])).toMatchObject({
      invocation: { command: { yes: true } },
    });
  });

  test("refuses what is missing, too much or no key, before anything is looked at", () => {
    for (const [words, message] of [
      [["takeover"], "takeover needs a VG"],
      [["takeover", "vg0"], "takeover needs --removekey KEY, the key of the host that has the VG"],
      [["takeover", "vg0", "vg1", "--removekey", "1"], '"vg1" is one word too many'],
      [["takeover", "v/g", "--removekey", "1"], "takeover: "],
      [["takeover", "vg0", "--removekey", "0x0"], "--removekey: "],
      [["takeover", "vg0", "--removekey", "dog"], "--removekey: "],
    ] as const) {
      const read = readCommand(words);
      expect(read.kind === "usage-error" ? read.message : "read").toStartWith(message);
    }
  });

  test("ends with status 2, or 3 when no daemon runs", async () => {
    expect((await runProgram("lvmlockctl", ["takeover", "vg0"])).exit_status).toBe(EXIT.usage);
    const words = ["--socket", "/nonexistent/socket", "takeover", "vg0", "--removekey", "0x2"];
    expect((await runProgram("lvmlockctl", words)).exit_status).toBe(EXIT.not_running);
  });
});
