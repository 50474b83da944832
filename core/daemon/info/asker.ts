/**
 * Who asks for an info or dump text over the datagram socket. Its abstract name has no owner and no permissions, and stock
 * lvmlockctl trusts the length that we name, so both are looked into before anything is sent.
 */
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync, statSync } from "node:fs";
import { basename } from "node:path";
import { LIMITS } from "../../limits.ts";
import type { WireDialect } from "../options.ts";

/** How /proc/net/unix writes the address that lvmlockctl binds. */
const LISTED_NAME = " @lvmlockd-dump.sock";

/**
 * Does the asking process itself hold the socket that the text would go to? Anybody may bind an abstract name, so a text sent to
 * whoever has it could end up with any user. "unknown" when /proc does not tell (another pid namespace): the asker came through a
 * socket that only root may use, and lvmlockctl binds before it asks.
 */
export function ownsDumpSocket(pid: number, proc = "/proc"): "yes" | "no" | "unknown" {
  try {
    const line = readFileSync(`${proc}/net/unix`, "latin1")
      .split("\n")
      .find((entry) => entry.endsWith(LISTED_NAME));
    if (line === undefined) return "no";
    const inode = line.slice(0, -LISTED_NAME.length).split(/\s+/).at(-1);
    const wanted = `socket:[${inode}]`;
    const descriptors = readdirSync(`${proc}/${pid}/fd`);
    return descriptors.some((fd) => targetOf(`${proc}/${pid}/fd/${fd}`) === wanted) ? "yes" : "no";
  } catch {
    return "unknown";
  }
}

function targetOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return "";
  }
}

/**
 * How long a text the asker can take. lvmlockctl of 2.03.16 has 1 MiB of static memory for it and reads as many bytes as it is
 * told, beyond its end; newer ones have 4 MiB. Which one it is shows in how much static memory its program asks for.
 */
export function roomForText_bytes(pid: number, proc = "/proc"): number {
  try {
    const program = readlinkSync(`${proc}/${pid}/exe`);
    if (basename(program) !== "lvmlockctl") return LIMITS.dump_text_size_bytes;
    const static_bytes = staticMemory_bytes(`${proc}/${pid}/exe`);
    return static_bytes > LIMITS.dump_text_size_bytes
      ? LIMITS.dump_text_size_bytes
      : LIMITS.old_dump_text_size_bytes;
  } catch {
    return LIMITS.old_dump_text_size_bytes;
  }
}

/**
 * In which spelling the asker reads info lines. lvmlockctl scans them with one fixed format, and that of 2.03.16 has a field,
 * vg_sysid, that 2.03.40 dropped; the other's lines show it no VG type. Its format stands in its program as text.
 */
export function infoDialect(pid: number, otherwise: WireDialect, proc = "/proc"): WireDialect {
  try {
    const program = `${proc}/${pid}/exe`;
    if (basename(readlinkSync(program)) !== "lvmlockctl") return otherwise;
    if (statSync(program).size > LIMITS.examined_program_size_bytes) return otherwise;
    return readFileSync(program).includes("vg_sysid=%") ? "2.03.16" : otherwise;
  } catch {
    return otherwise;
  }
}

/** Zero-filled memory (.bss) of a 64-bit little-endian ELF program: what its segments take beyond what the file has. */
function staticMemory_bytes(path: string): number {
  const head = Buffer.alloc(4096);
  const fd = openSync(path, "r");
  try {
    readSync(fd, head, 0, head.length, 0);
  } finally {
    closeSync(fd);
  }
  const PT_LOAD = 1;
  const table_at = Number(head.readBigUInt64LE(32));
  const entry_size = head.readUInt16LE(54);
  const entries = head.readUInt16LE(56);
  let size_bytes = 0;
  for (let i = 0; i < entries; i++) {
    const at = table_at + i * entry_size;
    if (head.readUInt32LE(at) !== PT_LOAD) continue;
    size_bytes += Number(head.readBigUInt64LE(at + 40) - head.readBigUInt64LE(at + 32));
  }
  return size_bytes;
}
