import { type LockType, refuse } from "../contract.ts";
import { DLM_RULES, SANLOCK_TEST_RULES } from "../granting/value-block.ts";
import { createGlobalLockPlace } from "./global-lock.ts";
import { isReadable, LOCK_ARGS_LENGTH_MAX, LOCK_ARGS_VERSION, parseLockArgs } from "./lock-args.ts";
import { createLeaseOffsets, type LocalRules } from "./rules.ts";

/*
 * The C daemon's --test (-T), answer for answer but without its sleeps: read from the daemon_test branches of
 * lvmlockd-dlm.c and lvmlockd-sanlock.c, lvm2 2.03.16 and 2.03.40. Where it returns a bare -1, op_result becomes -1 on the
 * wire, which is EPERM's number, so that is what these rules refuse with.
 */

/** Host ids that sanlock has leases for. */
const HOST_ID_MAX = 2000;

const bareFailure = (detail: string) => refuse("EPERM", detail, { lm_result: -1 });

/** Test mode for lock type dlm (and idm, whose init the C daemon leaves empty): everything succeeds. */
export function createDlmTestRules(lock_type: LockType): LocalRules {
  return {
    value_block: DLM_RULES,
    global_lock: null,
    join_tells_global_lock: false,
    initVg: ({ vg_lock_args }) => ({
      kind: "done",
      lm_result: 0,
      vg_lock_args: lock_type === "dlm" ? `${LOCK_ARGS_VERSION}:test` : vg_lock_args,
      global_lock: "not-here",
    }),
    initLv: () => ({ kind: "done", lm_result: 0, lv_lock_args: "" }),
    renameVg: ({ vg_lock_args }) => ({ kind: "done", lm_result: 0, vg_lock_args }),
    whyNotPrepared: () => null,
    whyNotLockable: () => null,
  };
}

/**
 * Test mode for lock type sanlock. Like the C daemon it wants a host_id and looks for the VG's lock LV, whose path must
 * exist; `pathExists` is how it looks.
 */
export function createSanlockTestRules(pathExists: (path: string) => boolean): LocalRules {
  const global_lock = createGlobalLockPlace(true);
  const nextOffset = createLeaseOffsets();
  return {
    value_block: SANLOCK_TEST_RULES,
    global_lock,
    join_tells_global_lock: false,
    initVg({ lockspace_name, vg_lock_args }) {
      // The command sends the bare name of the lock LV here and gets the full args back.
      if (isNone(vg_lock_args)) return refuse("EARGS", "the name of the lock LV is missing");
      if (vg_lock_args.length + LOCK_ARGS_VERSION.length + 2 > LOCK_ARGS_LENGTH_MAX)
        return refuse("EARGS", "the name of the lock LV is too long");
      const full = `${LOCK_ARGS_VERSION}:${vg_lock_args}`;
      return {
        kind: "done",
        lm_result: 0,
        vg_lock_args: full,
        global_lock: global_lock.offer(lockspace_name),
      };
    },
    initLv({ vg_lock_args }) {
      if (!vg_lock_args.includes(":")) return bareFailure("the VG's lock args have no colon");
      return { kind: "done", lm_result: 0, lv_lock_args: nextOffset() };
    },
    renameVg({ vg_lock_args }) {
      if (isNone(vg_lock_args)) return refuse("EINVAL", "the VG's lock args are missing");
      if (!vg_lock_args.includes(":")) return bareFailure("the VG's lock args have no colon");
      return { kind: "done", lm_result: 0, vg_lock_args };
    },
    whyNotPrepared({ vg_name, vg_lock_args, host_id }) {
      // The order of the checks is the C daemon's, because it decides which error a request with two faults gets.
      const lm_args_result = { lm_result: -212 };
      if (!isReadable(vg_lock_args))
        return refuse("EARGS", "the VG's lock args can't be read", lm_args_result);
      const path = lockLvPath(vg_name, parseLockArgs(vg_lock_args)?.body ?? "");
      if (!pathExists(path)) return refuse("EARGS", `the lock LV ${path} does not exist`, lm_args_result);
      if (host_id < 1 || host_id > HOST_ID_MAX)
        return refuse("EHOSTID", `host_id ${host_id} is not in 1..${HOST_ID_MAX}`, { lm_result: -213 });
      return null;
    },
    whyNotLockable: ({ kind, lv_lock_args }) =>
      kind !== "lv" || isReadable(lv_lock_args) ? null : bareFailure("the LV's lock args can't be read"),
  };
}

function isNone(args: string): boolean {
  return args === "" || args === "none";
}

/** The device-mapper path of an LV: hyphens inside the names are doubled, as libdevmapper does. */
export function lockLvPath(vg_name: string, lv_name: string): string {
  return `/dev/mapper/${vg_name.replaceAll("-", "--")}-${lv_name.replaceAll("-", "--")}`;
}
