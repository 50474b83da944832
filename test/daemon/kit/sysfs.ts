/** The part of sysfs that tells which LVs are active. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A device-mapper device, and the driver itself. */
export function makeDevice(sys: string, name: string, uuid: string): void {
  mkdirSync(join(sys, "class/misc/device-mapper"), { recursive: true });
  mkdirSync(join(sys, "block", name, "dm"), { recursive: true });
  writeFileSync(join(sys, "block", name, "dm/uuid"), `${uuid}\n`);
}
