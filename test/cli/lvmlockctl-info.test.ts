import { afterEach, describe, expect, test } from "bun:test";
import { infoText } from "../../cli/lvmlockctl/info-table.ts";
import { compatibleLines } from "../../cli/lvmlockctl/raw-lines.ts";
import { rawReport } from "../../cli/lvmlockctl/raw-report.ts";
import { parseReport } from "../../cli/lvmlockctl/report-schema.ts";
import { STANDARD_SOCKET_PATH, socketPath } from "../../cli/lvmlockctl/socket-path.ts";
import { stopReason } from "../../cli/lvmlockctl/stop-reason.ts";
import { whoText } from "../../cli/lvmlockctl/who.ts";
import type {
  FenceRow,
  InfoReport,
  LockRow,
  LockspaceRow,
  OwnerKeys,
  RefusalRow,
  WaiterRow,
} from "../../core/daemon/info/report.ts";
import { EXIT } from "../../core/errors.ts";
import { quoteText } from "../../core/wire/quote.ts";
import { runProgram, type StubAnswer, type StubDaemon, startStub } from "./stub-daemon.ts";

const RAW = `info=structs unused_action_count=31 unused_client_count=31 unused_resource_count=29 unused_lock_count=32
info=client pid=2133 fd=7 pi=2 id=13 name=lvcreate
info=client pid=2140 fd=8 pi=3 id=14 name=lvremove
info=ls ls_name=REM:lvm_old vg_name=old vg_uuid=u0 vg_args=1.0.0:test lm_type=dlm host_id=0 create_fail=0 create_done=1 thread_work=0 thread_stop=1 thread_done=1 kill_vg=0 sanlock_gl_enabled=0
info=ls ls_name=lvm_global vg_name= vg_uuid= vg_args= lm_type=dlm host_id=0 generation=0 create_fail=0 create_done=1 thread_work=0 thread_stop=0 thread_done=0 kill_vg=0 sanlock_gl_enabled=0
info=r name=GLLK type=gl mode=un sh_count=0 version=0
info=ls ls_name=lvm_vg0 vg_name=vg0 vg_uuid=u1 vg_args=1.0.0:test lm_type=dlm host_id=3 generation=0 create_fail=0 create_done=1 thread_work=1 thread_stop=0 thread_done=0 kill_vg=0 sanlock_gl_enabled=0
info=r name=VGLK type=vg mode=ex sh_count=0 version=7
info=lk mode=ex version=7 flags=0x0 client_id=13
info=r_action client_id=14 flags=0x0 version=0 op=lock rt=vg mode=sh lm_type=dlm result=0 lm_rv=0
info=r name=uuid-lv0 type=lv mode=ex sh_count=0 version=0
info=lk mode=ex version=0 flags=0x1 client_id=0
info=ls_fence_history op=fence_result result=0 msg_id=1 owner_host_id=4 owner_generation=2 ourkey=0x1 remkey=0x2
info=news text=1
`;

describe("lines that scripts look for", () => {
  test("are those of lvm2's lvmlockctl", () => {
    expect(compatibleLines(RAW)).toEqual([
      "VG old lock_type=dlm u0",
      "LS dlm REM:lvm_old",
      "",
      "LS dlm lvm_global",
      "LK GL un ver 0",
      "",
      "VG vg0 lock_type=dlm u1",
      "LS dlm lvm_vg0",
      "LK VG ex ver 7 pid 2133 (lvcreate)",
      "LW VG sh ver 0 pid 2140 (lvremove)",
      "LK LV ex uuid-lv0",
      "PR host_id 4 generation 2 key 0x2 removed",
      "UN info=news text=1",
    ]);
  });

  test("keep up with any number of clients", () => {
    const clients = Array.from(
      { length: 500 },
      (_, id) => `info=client pid=${id + 1000} fd=1 pi=1 id=${id} name=c${id}\n`,
    );
    const text = `${clients.join("")}info=ls ls_name=lvm_v vg_name=v vg_uuid=u lm_type=dlm\ninfo=r name=VGLK type=vg mode=sh\ninfo=lk mode=sh version=1 flags=0x0 client_id=499\n`;
    expect(compatibleLines(text).at(-1)).toBe("LK VG sh ver 1 pid 1499 (c499)");
  });
});

describe("a C daemon's text as a report", () => {
  test("has its fences, and who waits for one", () => {
    const text = `${RAW}info=r name=uuid-lv1 type=lv mode=un sh_count=0 version=0
info=r_fence_wait_action client_id=14 flags=0x0 version=0 op=lock rt=lv mode=sh lm_type=sanlock result=0 lm_rv=0 owner_host_id=4 owner_generation=2
info=ls_fence_history op=fence result=0 msg_id=2 owner_host_id=6 owner_generation=1 ourkey=0x1 remkey=0x3
info=ls_fence_history op=fence_result result=256 msg_id=3 owner_host_id=7 owner_generation=1 ourkey=0x1 remkey=0x4
`;
    const { fence, waiter } = rawReport(text, "");
    expect(fence.map(({ vg_name, host_id, key, state }) => [vg_name, host_id, key, state])).toEqual([
      ["vg0", 4, "0x2", "removed"],
      ["vg0", 6, "0x3", "waiting"],
      ["vg0", 7, "0x4", "failed"],
    ]);
    expect(waiter.at(-1)).toMatchObject({ waits_for: "fence", fence_host_id: 4, fence_generation: 2 });
  });

  const report = rawReport(RAW, "/run/lvm/lvmlockd.socket");

  test("has the lockspaces that are not gone, and none of their times", () => {
    expect(report.lockspace.map((row) => [row.vg_name, row.state, row.state_s])).toEqual([
      ["", "started", null],
      ["vg0", "started", null],
    ]);
  });

  test("has holders and waiters with pid and command", () => {
    expect(report.lock).toMatchObject([
      { kind: "vg", vg_name: "vg0", mode: "ex", pid: 2133, cmd: "lvcreate", persistent: false },
      { kind: "lv", lv_uuid: "uuid-lv0", mode: "ex", pid: null, persistent: true },
    ]);
    expect(report.waiter).toMatchObject([{ kind: "vg", mode: "sh", pid: 2140, cmd: "lvremove" }]);
  });
});

const LOCKSPACE: LockspaceRow = {
  vg_name: "vg0",
  vg_uuid: "u1",
  lockspace_name: "lvm_vg0",
  lock_type: "dlm",
  manager: "local",
  vg_lock_args: "1.0.0:x",
  host_id: 0,
  generation: 0,
  state: "started",
  state_s: 7300,
  killed_reason: "",
  global_lock: false,
  calls_in_flight: 0,
};

const ON_VG = { vg_name: "vg0", lockspace_name: "lvm_vg0", kind: "vg", lv_name: "", lv_uuid: "" } as const;
const ON_LV = { ...ON_VG, kind: "lv", lv_name: "lv0", lv_uuid: "uuid-lv0" } as const;

const VG_LOCK: LockRow = {
  ...ON_VG,
  mode: "ex",
  persistent: false,
  pid: 4711,
  cmd: "lvcreate",
  held_s: 12,
  version: 3,
};
const LV_LOCK: LockRow = {
  ...ON_LV,
  mode: "ex",
  persistent: true,
  pid: 99,
  cmd: "lvchange",
  held_s: 200000,
  version: 0,
};
const NO_OWNER: OwnerKeys = {
  owner_host_id: 0,
  owner_generation: 0,
  owner_timestamp_s: 0,
  owner_state: "",
  owner_name: "",
  detail: "",
};
const OWNER: OwnerKeys = {
  owner_host_id: 3,
  owner_generation: 2,
  owner_timestamp_s: 5311,
  owner_state: "LIVE",
  owner_name: "alpha",
  detail: "host_id 3 (alpha) holds it and is alive",
};
const LV_REFUSAL: RefusalRow = { ...ON_LV, ...OWNER, mode: "sh", ago_s: 12 };
const VG_WAITER: WaiterRow = {
  ...ON_VG,
  ...NO_OWNER,
  mode: "sh",
  pid: 4712,
  cmd: "lvs",
  waiting_s: 11,
  waits_for: "local",
  fence_host_id: 0,
  fence_generation: 0,
  retries: 0,
};
const FENCE: FenceRow = {
  vg_name: "vg0",
  host_id: 5,
  generation: 3,
  key: "0x1000000000030005",
  state: "waiting",
  state_s: 2,
  attempts: 1,
  detail: "",
};

function reportOf(part: Partial<InfoReport>): InfoReport {
  const empty: InfoReport = {
    lvmlockd: [],
    lockspace: [LOCKSPACE],
    lock: [],
    waiter: [],
    refusal: [],
    fence: [],
    client: [],
    incident: [],
  };
  return { ...empty, ...part };
}

describe("--info for people", () => {
  test("says who holds what for how long, and who waits for whom", () => {
    const text = infoText(reportOf({ lock: [VG_LOCK, LV_LOCK], waiter: [VG_WAITER] }));
    expect(text).toMatch(/vg0 +dlm +local +started +2 h +- +VG 1 LV/);
    expect(text).toMatch(/vg0 +ex +12 s +4711 \(lvcreate\)/);
    expect(text).toMatch(/vg0\/lv0 +ex +2 days +active LV, taken by 99 \(lvchange\)/);
    expect(text).toMatch(/vg0 +sh +11 s +4712 \(lvs\) +held ex by 4711 \(lvcreate\)/);
  });

  test("says what to type when a VG has lost its locks", () => {
    const killed: LockspaceRow = { ...LOCKSPACE, state: "killed", killed_reason: "storage lost" };
    const text = infoText(reportOf({ lockspace: [killed] }));
    expect(text).toContain("KILLED");
    expect(text).toContain("lvmlockctl --drop vg0");
  });

  test("says what to type when two VGs, or none, hold the global lock", () => {
    const one: LockspaceRow = { ...LOCKSPACE, lock_type: "sanlock", global_lock: true };
    const two: LockspaceRow = { ...one, vg_name: "vg1", lockspace_name: "lvm_vg1" };
    expect(infoText(reportOf({ lockspace: [one, two] }))).toContain("lvmlockctl --gl-disable vg1");
    expect(infoText(reportOf({ lockspace: [one] }))).not.toContain("! ");
    expect(infoText(reportOf({ lockspace: [{ ...one, global_lock: false }] }))).toContain(
      "lvmlockctl --gl-enable vg0",
    );
  });

  test("names the owner of each lock that was refused, and of one that is waited for", () => {
    const waiter: WaiterRow = { ...VG_WAITER, ...OWNER, waits_for: "remote", retries: 4 };
    const text = infoText(reportOf({ waiter: [waiter], refusal: [LV_REFUSAL] }));
    expect(text).toMatch(/lvs\) +host_id 3 \(alpha\), generation 2, state LIVE holds it, tried 5 times/);
    expect(text).toMatch(
      /REFUSED TO THIS HOST\nvg0\/lv0 held by host_id 3 \(alpha\), generation 2, state LIVE/,
    );
  });

  test("explains an incident with the remedy of its error", () => {
    const incident = { vg_name: "vg0", code: "EHOSTID", text: "the start failed", ago_s: 90 };
    const text = infoText(reportOf({ incident: [incident] }));
    expect(text).toContain("vg0: the start failed (90 s ago) Set local/host_id");
  });

  test("says which failed hosts were cut off, and which could not be", () => {
    const failed: FenceRow = { ...FENCE, host_id: 6, state: "failed", detail: "/dev/sdb does not answer" };
    const text = infoText(reportOf({ fence: [FENCE, failed, { ...FENCE, state: "removed" }] }));
    expect(text).toMatch(/vg0 +5 +3 +0x1000000000030005 +being cut off +2 s +-/);
    expect(text).toMatch(/vg0 +6 +3 .*NOT CUT OFF +2 s +\/dev\/sdb does not answer/);
    expect(text).toMatch(/vg0 +5 +3 .* cut off +2 s/);
  });

  test("lets no command name talk to the terminal", () => {
    const text = infoText(reportOf({ lock: [{ ...VG_LOCK, cmd: "\u001b[2Jevil\n" }] }));
    expect(text).toContain("(?[2Jevil?)");
  });
});

describe("who", () => {
  const report = reportOf({ lock: [VG_LOCK, LV_LOCK], waiter: [VG_WAITER] });

  test("of a VG shows its lock, the LV locks and the waiters", () => {
    const text = whoText(report, { vg_name: "vg0", lv: "" });
    expect(text).toContain("4711 (lvcreate)");
    expect(text).toContain("4712 (lvs)");
    expect(text).toContain("vg0/lv0");
  });

  test("of an LV takes its name or its UUID", () => {
    for (const lv of ["lv0", "uuid-lv0"]) {
      const text = whoText(report, { vg_name: "vg0", lv });
      expect(text).toContain("active LV");
      expect(text).not.toContain("4711");
    }
  });

  test("of one VG leaves the others out", () => {
    expect(whoText(report, { vg_name: "vg1", lv: "" })).toContain("vg1 is held by nobody");
  });

  test("of a free lock says that nobody has it", () => {
    expect(whoText(report, { vg_name: "vg0", lv: "lv9" })).toContain(
      "vg0/lv9 is held by nobody on this host",
    );
  });

  test("of a lock that was refused here names its owner, what that means and when that was", () => {
    const at_ms = new Date(2026, 10, 22, 23, 0, 12).getTime();
    const report = reportOf({ refusal: [LV_REFUSAL] });
    expect(whoText(report, { vg_name: "vg0", lv: "lv0" }, at_ms)).toBe(
      "vg0/lv0 is held by nobody on this host.\n" +
        "vg0/lv0 held by host_id 3 (alpha), generation 2, state LIVE, last renewal at 5311 of its clock, " +
        "refused sh 12 s ago, at 23:00:00\n  host_id 3 (alpha) holds it and is alive\n",
    );
    expect(whoText(report, { vg_name: "vg0", lv: "other" }, at_ms)).not.toContain("alpha");
    const yesterday = whoText(
      reportOf({ refusal: [{ ...LV_REFUSAL, ago_s: 86400 }] }),
      { vg_name: "vg0", lv: "" },
      at_ms,
    );
    expect(yesterday).toContain("at 23:00:12 on Sat Nov 21 2026");
  });

  test("of a lock whose owner the lock manager can't name says what it can", () => {
    const waiter: WaiterRow = { ...VG_WAITER, waits_for: "remote", detail: "another node has it" };
    const text = whoText(reportOf({ waiter: [waiter] }), { vg_name: "vg0", lv: "" });
    expect(text).toContain("another node has it, tried 1 times");
    expect(text).toContain("Another host holds it; ask there as well.");
  });

  test("of a lock that a failed host has says what is done about that host", () => {
    const waiter: WaiterRow = { ...VG_WAITER, waits_for: "fence", fence_host_id: 5, fence_generation: 3 };
    const text = whoText(reportOf({ waiter: [waiter], fence: [FENCE] }), { vg_name: "vg0", lv: "" });
    expect(text).toContain("host_id 5 (generation 3) holds it and has failed; it is being cut off");
    expect(text).toMatch(/vg0 +5 +3 +0x1000000000030005 +being cut off/);
    expect(whoText(reportOf({ fence: [FENCE] }), { vg_name: "vg1", lv: "" })).not.toContain("cut off");
  });

  test("of the global lock looks at that lock only", () => {
    expect(whoText(report, { vg_name: "", lv: "" })).toContain("The global lock is held by nobody");
  });
});

describe("why lockspaces do not stop", () => {
  test("is an active LV, a command that runs, or the stop itself", () => {
    expect(stopReason(reportOf({ lock: [LV_LOCK, VG_LOCK] }))).toBe(
      "vg0 has 1 active LV (lvchange -an, or --force 1)",
    );
    expect(stopReason(reportOf({ lock: [VG_LOCK] }))).toBe("vg0 is used by pid 4711 (lvcreate)");
    expect(stopReason(reportOf({ lockspace: [{ ...LOCKSPACE, state: "stopping" }] }))).toBe(
      "vg0 is stopping",
    );
  });
});

describe("the socket that is talked to", () => {
  test("is the one that is named, else that of the environment, else the standard one", () => {
    expect(socketPath("/s", { LVM_LVMLOCKD_SOCKET: "/e" }, 0)).toBe("/s");
    expect(socketPath(null, { LVM_LVMLOCKD_SOCKET: "/e" }, 0)).toBe("/e");
    expect(socketPath(null, {}, 0)).toBe(STANDARD_SOCKET_PATH);
    expect(socketPath(null, {}, 1000, () => null)).toBe(STANDARD_SOCKET_PATH);
  });

  test("is a user's own when that user runs a daemon, but never for root", () => {
    expect(socketPath(null, {}, 1000, ({ uid }) => `/own/${uid}`)).toBe("/own/1000");
    expect(socketPath(null, {}, 0, () => "/own")).toBe(STANDARD_SOCKET_PATH);
  });
});

let stub: StubDaemon | null = null;
afterEach(() => {
  stub?.stop();
  stub = null;
});

async function ctl(answer: StubAnswer, ...words: string[]) {
  stub = startStub(answer);
  return runProgram("lvmlockctl", ["--socket", stub.socket_path, ...words]);
}

const textReply = (text: string): string =>
  `response = "OK"\nop = 1001\nop_result = 0\ntext = ${quoteText(text)}\n`;
const report = reportOf({ lock: [VG_LOCK], waiter: [VG_WAITER] });
const ours: StubAnswer = (request) =>
  request.get("request") === "info_json" ? textReply(JSON.stringify({ report: [report] })) : null;

describe("asked over the socket", () => {
  test("our daemon is shown as a table when that is asked for", async () => {
    const run = await ctl(ours, "--info", "--reportformat", "basic");
    expect(run.exit_status).toBe(EXIT.ok);
    expect(run.stdout).toContain("4711 (lvcreate)");
  });

  test("json_std has typed values, json has strings, both have lvm's report shape", async () => {
    const std = await ctl(ours, "--info", "--reportformat", "json_std");
    expect(JSON.parse(std.stdout).report[0].lock[0]).toMatchObject({
      pid: 4711,
      persistent: 0,
      cmd: "lvcreate",
    });
    stub?.stop();
    const strings = await ctl(ours, "who", "vg0", "--reportformat", "json");
    expect(JSON.parse(strings.stdout).report[0].waiter[0]).toMatchObject({ pid: "4712", waiting_s: "11" });
  });

  test("a daemon that ignores our request is recognised by the hello behind it, not by time alone", async () => {
    const slow: StubAnswer = (request) => {
      if (request.get("request") !== "info_json") return null;
      // Longer than the probe waits: the hello is sent behind it, and this reply still comes first.
      Bun.sleepSync(400);
      return ours(request);
    };
    const run = await ctl(slow, "--info", "--reportformat", "basic");
    expect(run.stdout).toContain("4711 (lvcreate)");
  });

  test("who of a VG that is not started says so and exits with 5", async () => {
    const run = await ctl(ours, "who", "vg9");
    expect(run.exit_status).toBe(EXIT.not_found);
    expect(run.stderr).toContain("vgchange --lockstart vg9");
  });

  test("a report that makes no sense is an error, not a stack trace", async () => {
    const run = await ctl(
      (request) => (request.get("request") === "info_json" ? textReply('{"report":[{"lock":[{}]}]}') : null),
      "who",
      "vg0",
    );
    expect(run.exit_status).toBe(EXIT.failure);
    expect(run.stderr).toContain("can't read");
    expect(run.stderr).not.toContain("    at ");
  });

  test("--dump of our daemon comes over the stream", async () => {
    const run = await ctl(
      (request) => (request.get("request") === "dump_text" ? textReply("one\ntwo\n") : null),
      "-d",
    );
    expect(run.stdout).toBe("one\ntwo\n");
  });
});

test("a report of an older daemon may lack keys", () => {
  const json = JSON.stringify({ report: [{ lockspace: [{ vg_name: "vg0", state: "started" }] }] });
  expect(parseReport(json).lockspace[0]).toMatchObject({ vg_name: "vg0", host_id: 0, state_s: null });
});
