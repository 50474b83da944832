/** A sanlock VG whose lock args ask for persistent reservations, made with Debian's lvm, which has no option for that. */
import assert from "node:assert/strict";
import { resultOf, showReply } from "../../rig/replies.ts";
import type { Host } from "../lab/host.ts";
import { askLvmlockd } from "./wire.ts";

/** lvmlockd has stopped the VG while its metadata are changed. */
const NO_LOCKS = "--lockopt skipgl,skipvg";
const PLAIN_ARGS = "1.0.0:lvmlock";

/** What the guests' lvm needs for such args: before 2.03.37 its own check knows of one colon in them. */
export const ANY_LOCK_ARGS = { validate_metadata: "none" } as const;

/**
 * What `vgchange --setlockargs` does with vg0. Debian's lvm has no such option, but to lvm the args are a text that it keeps and hands
 * to lvmlockd: so lvmlockd is asked as a newer lvm asks it, and what it answers is put into the metadata.
 *
 * @param words As a person gives them: "persist,notimeout".
 */
export async function setLockArgs(host: Host, words: string, expected: string): Promise<void> {
  const keys = {
    vg_name: "vg0",
    vg_lock_type: "sanlock",
    vg_lock_args: PLAIN_ARGS,
    set_lock_args: words,
  };
  const before = await askLvmlockd(host, { request: "setlockargs_vg_before", keys });
  assert.equal(resultOf(before), 0, showReply(before));
  const final = await askLvmlockd(host, { request: "setlockargs_vg_final", keys });
  assert.equal(resultOf(final), 0, showReply(final));
  assert.equal(final.get("vg_lock_args"), expected);
  await host.must(`vgcfgbackup ${NO_LOCKS} -f /run/vg0.txt vg0
sed -i 's/lock_args = "${PLAIN_ARGS}"/lock_args = "${expected}"/' /run/vg0.txt
vgcfgrestore ${NO_LOCKS} --yes -f /run/vg0.txt vg0`);
}
