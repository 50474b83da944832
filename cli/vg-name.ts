import { LIMITS } from "../core/limits.ts";

/** What is wrong with a VG name, as a clause; null when LVM takes it. The name goes to a command and onto the wire. */
export function vgNameProblem(name: string): string | null {
  if (name === "") return "the VG name is empty";
  if (name.length > LIMITS.vg_name_length) return `a VG name has ${LIMITS.vg_name_length} characters at most`;
  if (!/^[A-Za-z0-9+_.-]+$/.test(name)) return `"${name}" is no VG name: letters, digits and + _ . - only`;
  if (name.startsWith("-")) return `"${name}" is no VG name: it begins with -`;
  if (name === "." || name === "..") return `"${name}" is no VG name`;
  return null;
}
