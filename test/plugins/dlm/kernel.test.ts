import { afterEach, expect, test } from "bun:test";
import { closeSync, mkdirSync, openSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { openKernel } from "../../../plugins/dlm/kernel.ts";
import { formatVgLockArgs, parseVgLockArgs } from "../../../plugins/dlm/lock-args.ts";
import { makeScratch, type Scratch } from "../../rig/scratch.ts";

const scratches: Scratch[] = [];
afterEach(() => {
  for (const scratch of scratches.splice(0)) scratch.remove();
});

function tree(files: Readonly<Record<string, string>>): Scratch {
  const scratch = makeScratch("dlm-sys");
  scratches.push(scratch);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(scratch.file(path)), { recursive: true });
    writeFileSync(scratch.file(path), text);
  }
  return scratch;
}

test("the cluster's name and this host's node are read from configfs", () => {
  const comms = "sys/kernel/config/dlm/cluster/comms";
  const kernel = openKernel(
    tree({
      "sys/kernel/config/dlm/cluster/cluster_name": "lab\n",
      [`${comms}/1/local`]: "0\n",
      [`${comms}/1/nodeid`]: "1\n",
      [`${comms}/2/local`]: "1\n",
      [`${comms}/2/nodeid`]: "2\n",
    }).path,
  );
  expect(kernel.clusterName()).toBe("lab");
  expect(kernel.localNodeid()).toBe(2);
});

test("whether a lockspace has locks is seen in debugfs, where that can be read", () => {
  const columns = "id nodeid remid pid xid exflags flags sts grmode rqmode time_ms r_nodeid r_len r_name\n";
  const kernel = openKernel(
    tree({
      "sys/kernel/debug/dlm/lvm_none_locks": "",
      "sys/kernel/debug/dlm/lvm_names_locks": columns,
      "sys/kernel/debug/dlm/lvm_one_locks": `${columns}2 0 0 547 0 81 1 2 5 -1 0 0 7 "lv-uuid"\n`,
      "sys/kernel/debug/dlm/lvm_large_locks": `${columns}1a2f 2 3 547 0 81 1 2 5 -1 0 0 7 "lv-uuid"\n`,
    }).path,
  );
  expect(
    ["none", "names", "one", "large", "unseen"].map((vg_name) => kernel.hasLocks(`lvm_${vg_name}`)),
  ).toEqual([false, false, true, true, null]);
});

test("a host without the dlm has neither", () => {
  const kernel = openKernel(tree({}).path);
  expect(kernel.clusterName()).toBeNull();
  expect(kernel.localNodeid()).toBeNull();
  expect(kernel.isLoaded()).toBe(false);
});

// Seen on three nodes: ff on the one that leads the recovery, 55 on the others, 0 while it is stopped.
test.each([
  ["ff", "running"],
  ["55", "running"],
  ["0", "stopped"],
  ["15", "stopped"],
] as const)("a lockspace with recovery status %s is %s", (status, state) => {
  const kernel = openKernel(tree({ "sys/kernel/dlm/lvm_vg/recover_status": `${status}\n` }).path);
  expect(kernel.lockspace("lvm_vg")).toBe(state);
  expect(kernel.lockspace("lvm_other")).toBe("gone");
});

test("what a dead worker left open of a lockspace is closed, and nothing else", () => {
  const scratch = tree({ "proc/self/fd/.keep": "" });
  const [left, other] = [openSync("/dev/null", "r"), openSync("/dev/null", "r")];
  symlinkSync("/dev/dlm_lvm_vg", scratch.file(`proc/self/fd/${left}`));
  symlinkSync("/dev/dlm_lvm_vg2", scratch.file(`proc/self/fd/${other}`));
  expect(openKernel(scratch.path).closeLeftovers("lvm_vg")).toBe(1);
  expect(() => closeSync(left)).toThrow("EBADF");
  closeSync(other);
});

test("lock args carry the cluster's name, and what they can't carry is refused", () => {
  expect(formatVgLockArgs("lab")).toBe("1.0.0:lab");
  expect(formatVgLockArgs("x".repeat(57))).toHaveLength(63);
  expect(formatVgLockArgs("x".repeat(58))).toBeNull();
  expect(parseVgLockArgs("1.0.0:lab")).toEqual({ kind: "parsed", cluster_name: "lab" });
  expect(parseVgLockArgs("1.2.3:new:words:lab")).toEqual({ kind: "parsed", cluster_name: "lab" });
  for (const args of ["", "none", "lab", "1.0.0:", "2.0.0:lab", "1.0:lab"])
    expect(parseVgLockArgs(args)).toMatchObject({ kind: "wrong" });
});
