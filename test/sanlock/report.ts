/** What lvmlockd itself tells about its locks, through a client's socket. */
import type { InfoReport } from "../../core/daemon/info/report.ts";
import type { Client } from "./daemons.ts";

export async function reportOf(client: Client): Promise<InfoReport> {
  const text = String((await client.ask("info_json")).get("text"));
  // The reply quotes the JSON as one string of the wire.
  const unquoted = text.replace(/\\(.)/g, "$1");
  const [report] = (JSON.parse(unquoted) as { report: [InfoReport] }).report;
  return report;
}

/** The locks of the LVs of a VG as "name mode", sorted. */
export async function lvLocksOf(client: Client, vg_name: string): Promise<string[]> {
  const { lock } = await reportOf(client);
  return lock
    .filter((row) => row.vg_name === vg_name && row.kind === "lv")
    .map(({ lv_name, mode }) => `${lv_name} ${mode}`)
    .sort();
}
