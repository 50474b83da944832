/**
 * A program that plays lvmpersist on one PV, whose keys are in the file that its first word names: a JSON list. "stuck" in the list
 * is a PV on which nothing can be changed.
 */
import { readFileSync, writeFileSync } from "node:fs";

const [path = "", command, ...words] = process.argv.slice(2);
const option = (name: string): string => words[words.indexOf(name) + 1] ?? "";
let keys: string[] = JSON.parse(readFileSync(path, "utf8"));
const isStuck = keys.includes("stuck");
const before = keys.length;
if (!isStuck && command === "remove") keys = keys.filter((key) => key !== option("--removekey"));
// Host_id 1 is the only one that registers here.
if (!isStuck && command === "start")
  keys = [...keys.filter((key) => !key.endsWith("0001")), option("--ourkey")];
writeFileSync(path, JSON.stringify(keys));
const shown = keys.filter((key) => key !== "stuck");
const pv = {
  device: "/dev/played",
  status: "ok",
  detail: "",
  keys: shown,
  reservation: "WEAR",
  ptpl: 0,
  result: keys.length < before ? "done" : "nothing",
};
process.stdout.write(`${JSON.stringify({ report: [{ device: [pv] }] })}\n`);
