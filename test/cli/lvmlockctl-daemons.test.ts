import { afterEach, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { EXIT } from "../../core/errors.ts";
import { type Connection, connectAndGreet } from "../rig/connection.ts";
import { type Flavour, type RunningDaemon, startDaemon } from "../rig/daemon.ts";
import { encodeRequest, lockRequest, startRequest } from "../rig/requests.ts";
import { runProgram } from "./stub-daemon.ts";

/* lvmlockctl against real daemons in test mode: ours, and the C daemon of this machine. */

const C_DAEMON = "/usr/sbin/lvmlockd";
const UUID = "u1-lv0";

let daemon: RunningDaemon | null = null;
let holder: Connection | null = null;
let waiter: Connection | null = null;

afterEach(async () => {
  holder?.close();
  waiter?.close();
  await daemon?.destroy();
  holder = null;
  waiter = null;
  daemon = null;
});

/** A daemon with the VG vg0 started, its lock held by one client and waited for by another, and one active LV. */
async function startWithLocks(flavour: Flavour): Promise<string> {
  const running = await startDaemon({ flavour, options: ["--test", "-g", "dlm"] });
  daemon = running;
  holder = await connectAndGreet(running.socket_path);
  waiter = await connectAndGreet(running.socket_path);
  const start = { vg_lock_type: "dlm", vg_lock_args: "1.0.0:test", vg_uuid: "u1", host_id: 1 };
  await holder.ask(encodeRequest(startRequest("vg0", start)));
  await holder.ask(encodeRequest({ request: "start_wait", keys: { pid: process.pid } }));
  const lv = { kind: "lv", vg_name: "vg0", lv_name: "lv0", lv_uuid: UUID } as const;
  await holder.ask(encodeRequest(lockRequest(lv, "ex", "persistent,")));
  await holder.ask(encodeRequest(lockRequest({ kind: "vg", vg_name: "vg0" }, "ex")));
  waiter.send(encodeRequest(lockRequest({ kind: "vg", vg_name: "vg0" }, "sh")));
  return running.socket_path;
}

const flavours: readonly (readonly [Flavour, string, boolean])[] = [
  ["ours", "our daemon", true],
  ["c", "the C daemon (skipped when lvm2-lockd is not installed)", existsSync(C_DAEMON)],
];

for (const [flavour, name, isThere] of flavours) {
  describe.skipIf(!isThere)(`lvmlockctl and ${name}`, () => {
    const ctl = (socket: string, ...words: string[]) =>
      runProgram("lvmlockctl", ["--socket", socket, ...words]);

    test("who names the holder and the waiter with pid and command", async () => {
      const socket = await startWithLocks(flavour);
      const run = await ctl(socket, "who", "vg0");
      expect(run.exit_status).toBe(EXIT.ok);
      expect(run.stdout).toMatch(new RegExp(`vg0 +ex +.*${process.pid} \\(rig\\)`));
      expect(run.stdout).toMatch(new RegExp(`vg0 +sh +.*${process.pid} \\(rig\\) +held ex by`));
    });

    test("who of an LV by its UUID knows that the LV is active", async () => {
      const run = await ctl(await startWithLocks(flavour), "who", `vg0/${UUID}`);
      expect(run.stdout).toContain("active LV");
    });

    test("--info into a pipe has the lines that scripts look for", async () => {
      const run = await ctl(await startWithLocks(flavour), "--info");
      const lines = run.stdout.split("\n");
      expect(lines).toContain("VG vg0 lock_type=dlm u1");
      expect(lines).toContain("LS dlm lvm_vg0");
      expect(lines).toContain(`LK LV ex ${UUID}`);
      expect(lines).toContain(`LK VG ex ver 0 pid ${process.pid} (rig)`);
      expect(lines).toContain(`LW VG sh ver 0 pid ${process.pid} (rig)`);
    });

    test("--info -d has the raw lines, and --dump the log", async () => {
      const socket = await startWithLocks(flavour);
      expect((await ctl(socket, "-id")).stdout).toContain("\ninfo=r name=VGLK type=vg mode=ex ");
      expect((await ctl(socket, "-d")).stdout).toMatch(/^\d{10} /m);
    });

    test("--quit is refused while a VG is started, and -S -f 1 makes way for it", async () => {
      const socket = await startWithLocks(flavour);
      expect((await ctl(socket, "-q")).exit_status).toBe(EXIT.busy);
      holder?.close();
      waiter?.close();
      expect((await ctl(socket, "-S", "-f", "1")).exit_status).toBe(EXIT.ok);
      expect((await ctl(socket, "-q")).exit_status).toBe(EXIT.ok);
      expect(await daemon?.exited).toBe(0);
    });
  });
}
