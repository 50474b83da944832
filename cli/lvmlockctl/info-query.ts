/** Asks a daemon for its report, in whichever way it can answer. */
import type { InfoReport } from "../../core/daemon/info/report.ts";
import { DEADLINES } from "../../core/deadlines.ts";
import { EXIT } from "../../core/errors.ts";
import type { RequestKeys } from "../../core/wire/client-codec.ts";
import { type DaemonConnection, failure, type TalkFailure } from "./connection.ts";
import { fetchRawText } from "./raw-info.ts";
import { rawReport } from "./raw-report.ts";

export type ReportAnswer =
  | { readonly kind: "report"; readonly report: InfoReport; readonly warning: string }
  | TalkFailure;

/** Asks our daemon with info_json; a daemon of lvm2, which ignores that, with its datagrams. */
export async function fetchReport(connection: DaemonConnection, socket_path: string): Promise<ReportAnswer> {
  const asked = await askOurs(connection, "info_json", {});
  if (asked.kind === "text") return readReport(asked.text);
  if (asked.kind === "failed") return asked;
  const raw = await fetchRawText(connection, "info");
  if (raw.kind === "failed") return raw;
  return { kind: "report", report: rawReport(raw.text, socket_path), warning: raw.warning };
}

/**
 * Sends one of our own requests. The C daemon never answers a request that it does not know, so a hello goes behind it
 * after a moment: replies come in order, and a hello that comes first says that the request was ignored. No clock decides.
 */
export async function askOurs(
  connection: DaemonConnection,
  name: string,
  keys: RequestKeys,
): Promise<{ readonly kind: "text"; readonly text: string } | { readonly kind: "not-ours" } | TalkFailure> {
  connection.send(name, keys);
  const quick = await connection.next(DEADLINES.ctl_probe_ms);
  if (quick === null) connection.send("hello", {});
  const answer = quick ?? (await connection.next(DEADLINES.ctl_reply_ms));
  if (answer === null) return failure("lvmlockd does not answer; look at its log.", EXIT.not_running);
  if (answer.kind === "failed") return answer;
  const text = answer.reply.text("text");
  if (text === null) return { kind: "not-ours" };
  // The hello's own reply is still to come; it must not be taken for the answer to the next request.
  if (quick === null) await connection.next(DEADLINES.ctl_reply_ms);
  return { kind: "text", text };
}

/** Reads the JSON of our daemon. */
export async function readReport(json: string): Promise<ReportAnswer> {
  // Only here, because it takes some milliseconds and only this kind of answer needs it.
  const { parseReport } = await import("./report-schema.ts");
  try {
    return { kind: "report", report: parseReport(json), warning: "" };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return failure(`lvmlockd sent a report that this lvmlockctl can't read: ${reason}`, EXIT.failure);
  }
}
