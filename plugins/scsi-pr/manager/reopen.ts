/** Opening a PV's device again: only the disk that was reserved is that PV, under whatever name it comes back. */
import { DEADLINES } from "../../../core/deadlines.ts";
import type { HeldPv } from "./devices.ts";
import { type LockspaceState, logLine } from "./lockspace-state.ts";
import type { Pv } from "./pv-source.ts";

/**
 * Opens the PV's path again. `another`: it leads to another disk now, which is not touched; the device stays what it was, and so
 * answers nothing when that disk is away. lvm is asked for the PV's path where the name does not lead to it any more.
 */
export function openAgain(state: LockspaceState, held: HeldPv): "same" | "another" | "nothing" {
  const found = openAs(state, held, held.pv);
  if (found === "same") return found;
  const why =
    found.kind === "another"
      ? `${held.pv.path} is another disk now (${nameOf(found.identity)}) than the one that was reserved (${nameOf(held.identity)}): it is left alone, and no lock is granted until that one is back`
      : found.detail;
  if (found.kind === "another") tellOnce(state, held, why);
  held.astray = why;
  void seek(state);
  return found.kind;
}

type Found =
  | "same"
  | { readonly kind: "another"; readonly identity: string }
  | { readonly kind: "nothing"; readonly detail: string };

/** Takes the device at a path as the PV's when it is the same disk. */
function openAs(state: LockspaceState, held: HeldPv, pv: Pv): Found {
  const opened = state.tools.open(pv.path);
  if (opened.kind !== "done") return { kind: "nothing", detail: opened.detail };
  if (opened.identity !== held.identity) {
    opened.device.close();
    return { kind: "another", identity: opened.identity };
  }
  held.device.close();
  held.device = opened.device;
  held.pv = pv;
  held.astray = null;
  held.told.clear();
  return "same";
}

function nameOf(identity: string): string {
  return identity === "" ? "of unknown identity" : identity;
}

/** Asks lvm where the PVs are whose names lead astray, not more often than it can answer. What it can't tell is asked again. */
async function seek(state: LockspaceState): Promise<void> {
  const now_ms = performance.now();
  if (state.seeking || now_ms - state.sought_at_ms < DEADLINES.pr_seek_ms) return;
  state.seeking = true;
  state.sought_at_ms = now_ms;
  const listed = await state.tools.pvsOf(state.identity);
  state.seeking = false;
  if (listed.kind === "refused" || !state.joined || state.lost !== null) return;
  for (const held of state.held) {
    const pv = listed.pvs.find(({ id }) => id === held.pv.id);
    if (held.astray !== null && pv !== undefined) follow(state, held, pv);
  }
}

/** lvm may know the PV under another name; but a disk that only says that it is that PV, such as a copy, is not the one. */
function follow(state: LockspaceState, held: HeldPv, pv: Pv): void {
  const old_path = held.pv.path;
  const found = openAs(state, held, pv);
  if (found === "same") {
    if (pv.path !== old_path) logLine(state, "warning", `the PV ${old_path} is ${pv.path} now`);
    return;
  }
  if (pv.path === old_path || found.kind === "nothing") return;
  const text = `lvm has the PV ${old_path} at ${pv.path} now, which is another disk (${nameOf(found.identity)}) than the one that was reserved (${nameOf(held.identity)}): it is left alone`;
  tellOnce(state, held, text);
}

function tellOnce(state: LockspaceState, { told }: HeldPv, text: string): void {
  if (told.has(text)) return;
  told.add(text);
  logLine(state, "error", text);
}

/** Why a PV that was just reserved is not where lvm has it now, as a sentence; null when it is there. Its path is lvm's then. */
export function whyNotAt(state: LockspaceState, held: HeldPv, pv: Pv): string | null {
  const old_path = held.pv.path;
  if (pv.path === old_path) return null;
  const found = openAs(state, held, pv);
  if (found === "same") return null;
  if (found.kind === "nothing") return found.detail;
  return `the PV was reserved as ${old_path} (${nameOf(held.identity)}), and lvm has it at ${pv.path} (${nameOf(found.identity)}) now`;
}
