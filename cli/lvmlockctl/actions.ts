/** The commands that change something in the daemon: one request each, and an honest word about its result. */
import { DEADLINES } from "../../core/deadlines.ts";
import { ERRORS, type ErrorName, EXIT, errorName, explain } from "../../core/errors.ts";
import type { RequestKeys } from "../../core/wire/client-codec.ts";
import { jsonReport } from "../json-report.ts";
import type { ReportFormat } from "../shared-options.ts";
import { say, sayError } from "../streams.ts";
import type { DaemonConnection, DaemonReply } from "./connection.ts";
import { showProgress } from "./progress.ts";

export interface Action {
  /** What the request is called on the wire. */
  readonly request: string;
  readonly keys: RequestKeys;
  /** The key that carries the result: quit answers with "result". */
  readonly result_key: "op_result" | "result";
  /** null for a request that may rightly take any time. */
  readonly deadline_ms: number | null;
  /** What is being done, for people: "stopping the lockspaces". */
  readonly doing: string;
  /** What is true after a success; "" says nothing, as lvm2's lvmlockctl does. */
  readonly success: string;
  /** What a failure means for this request and what to do, with the number at its end. */
  readonly explain: (result: number) => string;
  /** What is in the way while it lasts, for the terminal; "" when that is not known. */
  readonly reason: () => Promise<string>;
  /** What a positive result means: for stop_all it counts what is left. null where it is a plain success. */
  readonly judgeCount: ((count: number) => Promise<CountVerdict>) | null;
}

/** Whether a positive result is a success, and words about it; "" when there is nothing to say. */
export interface CountVerdict {
  readonly is_success: boolean;
  readonly text: string;
}

/** Asks, waits, and reports. Returns the exit status. */
export async function carryOut(
  connection: DaemonConnection,
  action: Action,
  format: ReportFormat,
): Promise<number> {
  const progress = showProgress(action.doing, action.reason);
  const answer = await connection.ask(action.request, action.keys, action.deadline_ms);
  progress.end();
  if (answer.kind === "failed") return sayError(`lvmlockctl: ${answer.message}`, answer.exit_status);
  const result = answer.reply.number(action.result_key);
  if (result === null)
    return sayError(`lvmlockctl: lvmlockd gave no result for ${action.request}`, EXIT.failure);
  const detail = answer.reply.text("detail") ?? "";
  if (result > 0 && action.judgeCount !== null) {
    return reportCount(action, result, await action.judgeCount(result), answer.reply, format);
  }
  const exit_status = resultExitStatus(result);
  if (format !== "basic") {
    return say(resultJson(action, result, errorName(result), detail, answer.reply, format), exit_status);
  }
  if (result >= 0) return action.success === "" ? EXIT.ok : say(action.success, EXIT.ok);
  const reason = `${detail === "" ? "" : `${asSentence(detail)} `}${action.explain(result)}`;
  return sayError(`lvmlockctl: ${action.doing} failed: ${reason}`, exit_status);
}

/** Something is left: it is on its way, or it stays and the command has not done what it was asked for. */
function reportCount(
  action: Action,
  count: number,
  verdict: CountVerdict,
  reply: DaemonReply,
  format: ReportFormat,
): number {
  const exit_status = verdict.is_success ? EXIT.ok : EXIT.busy;
  if (format !== "basic") {
    const name = verdict.is_success ? null : "EBUSY";
    return say(resultJson(action, count, name, verdict.text, reply, format), exit_status);
  }
  if (verdict.is_success) return verdict.text === "" ? EXIT.ok : say(verdict.text, EXIT.ok);
  return sayError(`lvmlockctl: ${action.doing} failed: ${verdict.text}`, exit_status);
}

/** The daemon's details are clauses as often as sentences; what follows them must not run on. */
function asSentence(detail: string): string {
  return /[.!?]$/.test(detail) ? detail : `${detail}.`;
}

/** The exit status for an op_result: that of its entry in the error table. */
export function resultExitStatus(result: number): number {
  if (result >= 0) return EXIT.ok;
  const name = errorName(result);
  return name === null ? EXIT.failure : ERRORS[name].exit_status;
}

function resultJson(
  action: Action,
  result: number,
  name: ErrorName | null,
  detail: string,
  reply: DaemonReply,
  format: Exclude<ReportFormat, "basic">,
): string {
  const entry = name === null ? null : ERRORS[name];
  const row = {
    request: action.request,
    vg_name: String(action.keys.vg_name ?? ""),
    op_result: result,
    error: name ?? "",
    cause: entry?.cause ?? "",
    remedy: entry?.remedy ?? "",
    retryable: entry?.retryable ?? false,
    detail,
    result_flags: reply.text("result_flags") ?? "",
  };
  return jsonReport({ result: [row] }, format);
}

async function unknownReason(): Promise<string> {
  return "";
}

/** The keys that lvm2's lvmlockctl sends with every request but quit. */
export function senderKeys(): RequestKeys {
  return { cmd: "lvmlockctl", pid: process.pid };
}

/** A request about one VG. */
export function vgAction(request: string, vg_name: string, doing: string): Action {
  return {
    request,
    keys: { ...senderKeys(), vg_name },
    result_key: "op_result",
    deadline_ms: DEADLINES.ctl_reply_ms,
    doing,
    success: "",
    explain,
    reason: unknownReason,
    judgeCount: null,
  };
}

export const QUIT: Action = {
  request: "quit",
  keys: {},
  result_key: "result",
  deadline_ms: DEADLINES.ctl_reply_ms,
  doing: "quitting",
  success: "",
  // The table's words for EBUSY are about VGs in use; here any started VG is in the way.
  explain: (result) =>
    errorName(result) === "EBUSY"
      ? `VGs are started. Stop them first: lvmlockctl --stop-lockspaces (EBUSY ${result})`
      : explain(result),
  reason: unknownReason,
  judgeCount: null,
};

/** --stop-lockspaces. With `wait` it lasts as long as the lock managers need. */
export function stopAction(wait: boolean, force: boolean, socket_path: string): Action {
  const opts = `${wait ? "wait " : ""}${force ? "force " : ""}`;
  return {
    request: "stop_all",
    keys: { ...senderKeys(), opts: opts === "" ? "none" : opts },
    result_key: "op_result",
    deadline_ms: wait ? null : DEADLINES.ctl_reply_ms,
    doing: "stopping the lockspaces",
    success: "",
    explain,
    reason: async () => (await import("./stop-reason.ts")).askStopReason(socket_path),
    judgeCount: async (count) =>
      (await import("./stop-verdict.ts")).judgeStop(socket_path, { count, wait, force }),
  };
}

/** --set-remote-lv-lock, for tests. */
export function remoteLockAction(vg_name: string, lv_uuid: string, mode: string): Action {
  return {
    request: "set_remote_lv_lock",
    keys: { ...senderKeys(), vg_name, lv_uuid, mode },
    result_key: "op_result",
    deadline_ms: DEADLINES.ctl_reply_ms,
    doing: "setting the remote LV lock",
    success: "",
    explain,
    reason: unknownReason,
    judgeCount: null,
  };
}
