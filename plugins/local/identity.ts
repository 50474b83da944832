import { readFileSync } from "node:fs";
import { hostname } from "node:os";

/** Who this machine is in the lock args of the VGs that it makes. */
export interface MachineIdentity {
  /** "local.<12 hex digits>" */
  readonly name: string;
  /** Where it comes from. A host name is a poor identity: renaming the host makes its own VGs foreign to it. */
  readonly source: "machine-id" | "hostname";
}

/** What systemd writes into the file while a machine's first boot is not over. */
const UNSET = "uninitialized";

/**
 * The identity of this machine, made from /etc/machine-id. machine-id(5) asks not to show the id itself to others, and lock
 * args travel with the VG's metadata, so it is hashed with our own name in front.
 */
export function machineIdentity(machine_id_path = "/etc/machine-id"): MachineIdentity {
  const machine_id = readMachineId(machine_id_path);
  return machine_id === null
    ? { name: identityName(`hostname ${hostname()}`), source: "hostname" }
    : { name: identityName(`machine-id ${machine_id}`), source: "machine-id" };
}

function readMachineId(path: string): string | null {
  try {
    const text = readFileSync(path, "utf8").trim();
    return text === "" || text === UNSET ? null : text;
  } catch {
    // No file, or one that we may not read: both mean that there is no machine id for us.
    return null;
  }
}

function identityName(seed: string): string {
  const digest = new Bun.CryptoHasher("sha256").update(`lvmlockd local lock manager ${seed}`).digest("hex");
  return `local.${digest.slice(0, 12)}`;
}
