/** Why --stop-lockspaces is still waiting, asked on a connection of its own. */
import type { InfoReport } from "../../core/daemon/info/report.ts";
import { connectDaemon } from "./connection.ts";
import { fetchReport, type ReportAnswer } from "./info-query.ts";

/** "" when there is nothing to say, or nobody answers. */
export async function askStopReason(socket_path: string): Promise<string> {
  const answer = await askReport(socket_path);
  return answer.kind === "report" ? stopReason(answer.report) : "";
}

/** The daemon's report, without disturbing the connection on which a reply is awaited. */
export async function askReport(socket_path: string): Promise<ReportAnswer> {
  const connected = await connectDaemon(socket_path);
  if (connected.kind === "failed") return connected;
  const answer = await fetchReport(connected.connection, socket_path);
  connected.connection.close();
  return answer;
}

/** Names the VGs that are left, with what keeps them. */
export function stopReason(report: InfoReport): string {
  const parts = report.lockspace
    .filter((row) => row.vg_name !== "")
    .map((row) => {
      const locks = report.lock.filter((lock) => lock.lockspace_name === row.lockspace_name);
      const lvs = locks.filter((lock) => lock.kind === "lv").length;
      if (lvs > 0) {
        return `${row.vg_name} has ${lvs} active ${lvs === 1 ? "LV" : "LVs"} (lvchange -an, or --force 1)`;
      }
      const [holder] = locks;
      if (holder !== undefined) return `${row.vg_name} is used by pid ${holder.pid ?? "?"} (${holder.cmd})`;
      return `${row.vg_name} is ${row.state}`;
    });
  return parts.join(", ");
}
