import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Refused, refuse } from "../contract.ts";
import { INIT_HOST, LSF } from "./flags.ts";
import { chooseGeometry, leaseSize_bytes, sizeFlags } from "./geometry.ts";
import type { LockspaceState, Prepared, Tools } from "./lockspace-state.ts";
import { returnValueText } from "./return-codes.ts";

/*
 * A damaged host lease can be written anew from what this host knew at its last start. That is kept in the file that the C
 * daemon keeps too (lvmlockd_info_<vg>), so that either can repair what the other has joined.
 */

function infoPath({ settings }: Tools, vg_name: string): string {
  return join(settings.info_directory, `lvmlockd_info_${vg_name}`);
}

/** Remembers a start. Only libraries that can repair have a use for it; without the file there is no repair, and no harm. */
export function rememberStart(state: LockspaceState, prepared: Prepared, generation: number): void {
  const { tools, identity } = state;
  if (!tools.client.features.init_lockspace_host) return;
  writeInfo(tools, identity.vg_name, {
    host_id: identity.host_id,
    generation,
    sector_size: prepared.geometry.sector_size_bytes,
    align_size: leaseSize_bytes(prepared.geometry),
    no_timeout: prepared.no_timeout ? 1 : 0,
    using_caw: prepared.using_caw ? 1 : 0,
  });
}

/** vgchange --setlockargs has changed whether the VG's leases time out; a repair before the next start must know it. */
export function rememberTimeout(tools: Tools, vg_name: string, no_timeout: boolean): void {
  if (!tools.client.features.init_lockspace_host) return;
  const known = readInfo(infoPath(tools, vg_name));
  if (known !== null) writeInfo(tools, vg_name, { ...known, no_timeout: no_timeout ? 1 : 0 });
}

function writeInfo(tools: Tools, vg_name: string, info: Info): void {
  const path = infoPath(tools, vg_name);
  const lines = Object.entries(info).map(([key, value]) => `${key} ${value}`);
  const text = `# vg ${vg_name} created ${new Date().toUTCString()}\n${lines.join("\n")}\n`;
  try {
    writeFileSync(`${path}.new`, text, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch (error) {
    tools.context.news({ kind: "log", level: "warning", text: `${path} can't be written: ${String(error)}` });
  }
}

/** The VG was removed, and its host lease with it. */
export function forgetStart(state: LockspaceState): void {
  const { tools, identity } = state;
  if (tools.client.features.init_lockspace_host) rmSync(infoPath(tools, identity.vg_name), { force: true });
}

/** Writes this host's lease anew. Null when that worked. */
export function repairHostLease(state: LockspaceState, path: string): Refused | null {
  const { client } = state.tools;
  const { lockspace_name, host_id } = state.identity;
  if (!client.features.init_lockspace_host)
    return refuse(
      "ELOCKREPAIR",
      `the lease of host_id ${host_id} is damaged, and this sanlock can't repair it`,
    );
  const info_path = infoPath(state.tools, state.identity.vg_name);
  const known = readInfo(info_path);
  if (known === null || known.host_id !== host_id)
    return refuse(
      "ELOCKREPAIR",
      `the lease of host_id ${host_id} is damaged, and ${info_path} does not know it`,
    );
  const geometry = chooseGeometry(known.sector_size === 512 ? 512 : 4096, known.align_size / (1024 * 1024));
  if (geometry === null) return refuse("ELOCKREPAIR", `${info_path} has a wrong align_size`);
  const flags = sizeFlags(geometry) | (known.no_timeout === 1 ? LSF.NO_TIMEOUT : 0);
  const init_flags = known.using_caw === 1 ? INIT_HOST.USE_CAW : INIT_HOST.NO_CAW;
  const lease = { lockspace_name, host_id, path, flags };
  const rv = client.initLockspaceHost(lease, known.generation, init_flags);
  if (rv >= 0) return null;
  return refuse("ELOCKREPAIR", `the lease of host_id ${host_id} can't be repaired: ${returnValueText(rv)}`, {
    lm_result: rv,
  });
}

interface Info {
  readonly host_id: number;
  readonly generation: number;
  readonly sector_size: number;
  readonly align_size: number;
  readonly no_timeout: number;
  readonly using_caw: number;
}

function readInfo(path: string): Info | null {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    // No file: this host never joined the VG under a daemon that writes it.
    return null;
  }
  const number = (key: string): number => Number(new RegExp(`^${key} (\\d+)$`, "m").exec(text)?.[1] ?? 0);
  return {
    host_id: number("host_id"),
    generation: number("generation"),
    sector_size: number("sector_size"),
    align_size: number("align_size"),
    no_timeout: number("no_timeout"),
    using_caw: number("using_caw"),
  };
}
