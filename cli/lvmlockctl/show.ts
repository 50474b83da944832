/** The commands that show something: --info, --dump, who. */
import { EXIT } from "../../core/errors.ts";
import { jsonReport } from "../json-report.ts";
import type { ReportFormat } from "../shared-options.ts";
import { say, sayError } from "../streams.ts";
import { adviceOf } from "./advice.ts";
import type { DaemonConnection, TalkFailure } from "./connection.ts";
import { askOurs, fetchReport } from "./info-query.ts";
import { infoText } from "./info-table.ts";
import { fetchRawText } from "./raw-info.ts";
import { compatibleLines } from "./raw-lines.ts";
import { isKnown, type WhoQuestion, whoRows, whoText } from "./who.ts";

export interface InfoView {
  readonly raw: boolean;
  /** null when --reportformat is not given. */
  readonly format: ReportFormat | null;
  readonly is_terminal: boolean;
  readonly socket_path: string;
}

function tellFailure(failed: TalkFailure): number {
  return sayError(`lvmlockctl: ${failed.message}`, failed.exit_status);
}

/** The status of what was written, or that of a warning behind it. */
function warn(warning: string, written: number): number {
  if (warning === "") return written;
  return sayError(`lvmlockctl: ${warning}`, EXIT.failure);
}

/**
 * --info. People at a terminal get our table. Into a pipe go the lines of lvm2's lvmlockctl, because cluster agents and test
 * suites look for them ("LK LV ex <UUID>"); --reportformat basic asks for the table there as well.
 */
export async function showInfo(connection: DaemonConnection, view: InfoView): Promise<number> {
  if (view.raw || (view.format === null && !view.is_terminal)) {
    const answer = await fetchRawText(connection, "info");
    if (answer.kind === "failed") return tellFailure(answer);
    const text = view.raw ? answer.text : compatibleLines(answer.text).join("\n");
    return warn(answer.warning, say(text, EXIT.ok));
  }
  const answer = await fetchReport(connection, view.socket_path);
  if (answer.kind === "failed") return tellFailure(answer);
  const { report } = answer;
  if (view.format === "json" || view.format === "json_std") {
    const advice = adviceOf(report).map((text) => ({ text }));
    return warn(answer.warning, say(jsonReport({ ...report, advice }, view.format), EXIT.ok));
  }
  return warn(answer.warning, say(infoText(report), EXIT.ok));
}

/** --dump: the log ring, over the stream from our daemon and as datagrams from one of lvm2. */
export async function showDump(connection: DaemonConnection): Promise<number> {
  const ours = await askOurs(connection, "dump_text", {});
  if (ours.kind === "text") return say(ours.text, EXIT.ok);
  if (ours.kind === "failed") return tellFailure(ours);
  const raw = await fetchRawText(connection, "dump");
  if (raw.kind === "failed") return tellFailure(raw);
  return warn(raw.warning, say(raw.text, EXIT.ok));
}

/** who VG[/LV]. The exit status is 5 when the VG is not started here. */
export async function showWho(
  connection: DaemonConnection,
  question: WhoQuestion,
  format: ReportFormat,
  socket_path: string,
): Promise<number> {
  const answer = await fetchReport(connection, socket_path);
  if (answer.kind === "failed") return tellFailure(answer);
  const { report } = answer;
  const known = isKnown(report, question);
  if (format !== "basic") {
    const rows = whoRows(report, question);
    return say(jsonReport({ ...rows }, format), known ? EXIT.ok : EXIT.not_found);
  }
  if (!known) {
    return sayError(
      `lvmlockctl: VG ${question.vg_name} is not started on this host, so it has no locks here. ` +
        `Start it: vgchange --lockstart ${question.vg_name}`,
      EXIT.not_found,
    );
  }
  return warn(answer.warning, say(whoText(report, question), EXIT.ok));
}
