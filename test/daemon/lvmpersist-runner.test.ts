import { afterAll, describe, expect, test } from "bun:test";
import { runJson } from "../../cli/lvmpersist/json.ts";
import { lvmpersistRunner } from "../../core/daemon/reservations/lvmpersist.ts";
import { readDeviceRows } from "../../core/daemon/reservations/pv-state.ts";
import { keyOfHost } from "../../plugins/scsi-pr/keys.ts";
import { makeScratch } from "../rig/scratch.ts";

const scratch = makeScratch("lvmpersist-runner");
afterAll(() => scratch.remove());

/** The key in the rows. */
const OWN_KEY = keyOfHost({ host_id: 1, generation: 7 });

describe("lvmpersist's report", () => {
  const row = {
    device: "/dev/sdb",
    status: "ok",
    keys: ["0x1000000000070001"],
    reservation: "WEAR",
    ptpl: 1,
    result: "done",
  };
  const json = (device: unknown) => JSON.stringify({ report: [{ run: [{}], device, registration: [] }] });

  test("is read as it is written", () => {
    expect(readDeviceRows(json([{ ...row, detail: "" }]))).toEqual([
      { device: "/dev/sdb", problem: "", keys: [OWN_KEY], reservation: "WEAR", ptpl: true, result: "done" },
    ]);
  });

  test("is understood as lvmpersist itself writes it", () => {
    const state = { generation: 3, keys: [OWN_KEY], reservation: { type: "WEAR", key: 0n } } as const;
    const done = {
      transport: "scsi",
      result: "done",
      problem: null,
      detail: "",
      registrations: null,
    } as const;
    const ptpl = (active: boolean) => ({
      persist_through_power_loss: { capable: true, active },
      types: ["WEAR"] as const,
    });
    const devices = [
      { path: "/dev/sda", state, capabilities: ptpl(true), ...done },
      { path: "/dev/sdb", state, capabilities: ptpl(false), ...done },
      { path: "/dev/sdc", state, capabilities: null, ...done },
    ];
    const command = { kind: "read" } as Parameters<typeof runJson>[1]["command"];
    const facts = { command, group: "vg0", exit_status: 0, warnings: [] };
    const written = runJson({ result: "done", devices }, facts, "json_std");
    expect(readDeviceRows(written)?.map(({ ptpl: active }) => active)).toEqual([true, false, false]);
  });

  test("of a PV that could not be read keeps the PV, with the reason", () => {
    const gone = { ...row, status: "gone", detail: "it is gone", keys: null, reservation: null };
    expect(readDeviceRows(json([gone]))).toMatchObject([{ problem: "it is gone", keys: [] }]);
    expect(readDeviceRows(json([{ ...row, keys: null }]))).toMatchObject([{ problem: "ok" }]);
  });

  test("is none when it lists no PV, or a key that is none", () => {
    for (const device of [[], [{ ...row, keys: ["0x0"] }], [{ ...row, keys: [7] }], undefined])
      expect(readDeviceRows(json(device))).toBeNull();
    for (const text of ["", "no json", "null", "[]"]) expect(readDeviceRows(text)).toBeNull();
  });
});

describe("the program", () => {
  const runnerOf = (script: string, deadline_ms?: number) => {
    const call = { program: process.execPath, words: ["-e", script], argv0: process.execPath };
    return lvmpersistRunner(call, deadline_ms);
  };

  test("gets its words without a shell, with the one that no paths are to be asked, and nothing of our surroundings", async () => {
    process.env.BUN_OPTIONS_OF_TEST = "secret";
    const script = `const ok = process.argv.at(-4) === "$(id) 'x'" && process.argv.at(-3) === "--no-paths" && process.cwd() === "/" && !process.env.BUN_OPTIONS_OF_TEST;
      console.log(JSON.stringify({report: [{device: [{device: ok ? "good" : JSON.stringify(process.argv), status: "ok",
      detail: "", keys: [], reservation: "none", ptpl: 0}]}]}))`;
    expect(await runnerOf(script)(["read", "$(id) 'x'"])).toMatchObject({ pvs: [{ device: "good" }] });
    delete process.env.BUN_OPTIONS_OF_TEST;
  });

  test("that gives no report is told by its last words", async () => {
    const script = 'console.error("warning: x"); console.error("VG vg not found"); process.exit(5)';
    expect(await runnerOf(script)(["read"])).toEqual({
      kind: "failed",
      detail: "lvmpersist read: VG vg not found",
    });
  });

  test("that is not there, or does not end, is a sentence", async () => {
    const missing = { program: scratch.file("missing"), words: [], argv0: "x" };
    expect(await lvmpersistRunner(missing)(["read"])).toMatchObject({ kind: "failed" });
    expect(await runnerOf("setInterval(() => {}, 1000)", 50)(["remove"])).toEqual({
      kind: "failed",
      detail: expect.stringMatching(/^lvmpersist remove: (it has not ended in 0.05 s|SIGKILL)$/),
    });
  });
});
