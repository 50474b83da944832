/**
 * Runs in a guest: carries out commands on a device and prints their answers. Arguments: the device, the calls as JSON. The call
 * `untilGone` is none of the device's: it makes the file OPEN_MARK and waits, with the device open, until its name has gone.
 */
import { existsSync, writeFileSync } from "node:fs";
import { printKey } from "../../../plugins/scsi-pr/keys.ts";
import { openReservable } from "../../../plugins/scsi-pr/open-device.ts";
import type { DeviceCommand } from "../../../plugins/scsi-pr/scripted-device.ts";
import { type Call, OPEN_MARK } from "./reservations.ts";

const [device = "", calls = "[]"] = process.argv.slice(2);

const bigintsFromText = (_: string, value: unknown): unknown =>
  typeof value === "string" && /^0x[0-9a-f]+$/.test(value) ? BigInt(value) : value;
const textFromBigints = (_: string, value: unknown): unknown =>
  typeof value === "bigint" ? printKey(value) : value;

const opened = openReservable(device);
const answers: object[] = [];
if (opened.kind === "done") {
  for (const [command, call] of JSON.parse(calls, bigintsFromText) as Call[]) {
    if (command === "untilGone") {
      writeFileSync(OPEN_MARK, "");
      while (existsSync(device)) Bun.sleepSync(50);
      answers.push({ kind: "done" });
      continue;
    }
    const run = opened.device[command as DeviceCommand] as (call?: object) => object;
    const start_ms = performance.now();
    const answer = run(call);
    answers.push({ ...answer, elapsed_ms: Math.round((performance.now() - start_ms) * 100) / 100 });
  }
  opened.device.close();
} else answers.push(opened);
console.log(JSON.stringify(answers, textFromBigints));
