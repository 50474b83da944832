/** takeover VG --removekey KEY: makes this host the owner of a VG that another host has, which is cut off from it. */
import { EXIT, explain } from "../../core/errors.ts";
import { hostOfKey, printKey } from "../../plugins/scsi-pr/keys.ts";
import { runLvmReport } from "../../plugins/scsi-pr/manager/lvm-report.ts";
import type { ReservationKey } from "../../plugins/scsi-pr/reservable.ts";
import { confirm } from "../lvmpersist/confirm.ts";
import { findLvm } from "../lvmpersist/devices.ts";
import type { ReportFormat } from "../shared-options.ts";
import { sayError } from "../streams.ts";
import { printable } from "../table.ts";
import { type Action, carryOut, senderKeys } from "./actions.ts";
import type { DaemonConnection } from "./connection.ts";

export interface TakeOverOrder {
  readonly vg_name: string;
  readonly remove_key: ReservationKey;
  /** The question was answered on the command line. */
  readonly yes: boolean;
}

/** What lvm says of the VG, or why it can't; the exit status says what a script would do next. */
export type VgFacts =
  | {
      readonly kind: "vg";
      readonly vg_uuid: string;
      readonly vg_lock_type: string;
      readonly vg_lock_args: string;
    }
  | { readonly kind: "failed"; readonly detail: string; readonly exit_status: number };

export interface TakeOverSurroundings {
  readonly readVg: (vg_name: string) => Promise<VgFacts>;
  readonly ask: (question: string, warnings: readonly string[]) => Promise<boolean>;
  /** Notes in the host's log what is done now. */
  readonly record: (doing: string) => Promise<void>;
}

/** The real ones but for the log. */
export const SURROUNDINGS: Omit<TakeOverSurroundings, "record"> = { readVg: readVgOfLvm, ask: confirm };

/** Says what will be cut off, asks a person at a terminal, has it done. Returns the exit status. */
export async function takeOver(
  connection: DaemonConnection,
  order: TakeOverOrder,
  format: ReportFormat,
  surroundings: TakeOverSurroundings,
): Promise<number> {
  const vg = await surroundings.readVg(order.vg_name);
  if (vg.kind === "failed") return sayError(`lvmlockctl: ${printable(vg.detail)}`, vg.exit_status);
  const warning = warningText(order);
  sayError(warning, EXIT.ok);
  if (!order.yes && !(await surroundings.ask(`Take VG ${order.vg_name} over?`, [warning])))
    return sayError("lvmlockctl: nothing was done", EXIT.failure);
  const action = takeOverAction(order, vg);
  await surroundings.record(action.doing);
  return carryOut(connection, action, format);
}

/** What the order does to others, before anything is done. */
export function warningText({ vg_name, remove_key }: Pick<TakeOverOrder, "vg_name" | "remove_key">): string {
  const host = hostOfKey(remove_key);
  const who = host === null ? "the host" : `the host with host_id ${host.host_id}`;
  return (
    `WARNING: ${who} (key ${printKey(remove_key)}) is cut off from every PV of VG ${vg_name}. Its commands under way are ` +
    "aborted, and what it writes to the VG fails from then on: data that it has not written yet is lost. This host takes the VG."
  );
}

function takeOverAction(
  { vg_name, remove_key }: TakeOverOrder,
  { vg_uuid, vg_lock_type, vg_lock_args }: VgFacts & { readonly kind: "vg" },
): Action {
  return {
    request: "takeover_vg",
    keys: {
      ...senderKeys(),
      vg_name,
      vg_uuid,
      vg_lock_type,
      vg_lock_args,
      removekey: printKey(remove_key),
    },
    result_key: "op_result",
    // Each PV takes as long as its device needs, and half a take-over is no state to walk away from.
    deadline_ms: null,
    doing: `taking over VG ${vg_name}`,
    success: `VG ${vg_name} is this host's now, and is started here.`,
    explain,
    reason: async () => "",
    judgeCount: null,
  };
}

async function readVgOfLvm(vg_name: string): Promise<VgFacts> {
  const lvm = findLvm(process.env.LVM_BINARY);
  if (lvm.kind === "refused") return { kind: "failed", detail: lvm.detail, exit_status: lvm.exit_status };
  const fields = ["vg_uuid", "vg_lock_type", "vg_lock_args"];
  const report = await runLvmReport({ lvm_path: lvm.path, fields, vg_name });
  if (report.kind === "failed") {
    const exit_status = report.detail.includes("not found") ? EXIT.not_found : EXIT.failure;
    return { kind: "failed", detail: report.detail, exit_status };
  }
  return vgFacts(vg_name, report.rows);
}

/** The one VG of a report. Two VGs of a name can't be told apart by the request that follows. */
export function vgFacts(vg_name: string, rows: readonly Readonly<Record<string, string>>[]): VgFacts {
  const failed = (detail: string): VgFacts => ({ kind: "failed", detail, exit_status: EXIT.not_found });
  const [row, other] = rows;
  if (row === undefined) return failed(`there is no VG ${vg_name}`);
  if (other !== undefined) return failed(`there is more than one VG ${vg_name}`);
  const { vg_uuid = "", vg_lock_type = "", vg_lock_args = "" } = row;
  if (vg_lock_type === "" || vg_lock_type === "none")
    return failed(`VG ${vg_name} is not shared: it has no lock manager that could take it over`);
  return { kind: "vg", vg_uuid, vg_lock_type, vg_lock_args };
}
