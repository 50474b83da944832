import * as v from "valibot";
import type { InfoReport } from "../../core/daemon/info/report.ts";

const text = v.optional(v.string(), "");
const number = v.optional(v.number(), 0);
const flag = v.optional(v.boolean(), false);
const unknownNumber = v.optional(v.nullable(v.number()), null);
const lockTypeOrNone = v.optional(v.picklist(["dlm", "sanlock", "idm", ""]), "");
const mode = v.picklist(["sh", "ex"]);

const resourceKeys = {
  vg_name: text,
  lockspace_name: text,
  kind: v.picklist(["gl", "vg", "lv"]),
  lv_name: text,
  lv_uuid: text,
};

const ownerKeys = {
  owner_host_id: number,
  owner_generation: number,
  owner_timestamp_s: number,
  owner_state: text,
  owner_name: text,
  detail: text,
};

/** Every key may be missing, because lvmlockctl and daemon can be of different versions for a while. */
const reportSchema = v.object({
  lvmlockd: v.optional(
    v.array(
      v.object({
        pid: unknownNumber,
        version: text,
        socket_path: text,
        uptime_s: unknownNumber,
        test_mode: flag,
        gl_type: lockTypeOrNone,
        gl_lockspace: text,
        adoption: v.optional(v.picklist(["off", "running", "done"]), "off"),
      }),
    ),
    [],
  ),
  lockspace: v.optional(
    v.array(
      v.object({
        vg_name: text,
        vg_uuid: text,
        lockspace_name: text,
        lock_type: lockTypeOrNone,
        manager: text,
        vg_lock_args: text,
        host_id: number,
        generation: number,
        state: v.picklist(["preparing", "joining", "adopting", "started", "stopping", "killed"]),
        state_s: unknownNumber,
        killed_reason: text,
        global_lock: flag,
        calls_in_flight: unknownNumber,
      }),
    ),
    [],
  ),
  lock: v.optional(
    v.array(
      v.object({
        ...resourceKeys,
        mode,
        persistent: flag,
        pid: unknownNumber,
        cmd: text,
        held_s: unknownNumber,
        version: number,
      }),
    ),
    [],
  ),
  waiter: v.optional(
    v.array(
      v.object({
        ...resourceKeys,
        mode,
        pid: unknownNumber,
        cmd: text,
        waiting_s: unknownNumber,
        waits_for: v.optional(v.nullable(v.picklist(["local", "remote", "manager", "fence"])), null),
        fence_host_id: number,
        fence_generation: number,
        retries: unknownNumber,
        ...ownerKeys,
      }),
    ),
    [],
  ),
  refusal: v.optional(v.array(v.object({ ...resourceKeys, mode, ago_s: unknownNumber, ...ownerKeys })), []),
  fence: v.optional(
    v.array(
      v.object({
        vg_name: text,
        host_id: number,
        generation: number,
        key: text,
        state: v.picklist(["waiting", "removed", "failed"]),
        state_s: unknownNumber,
        attempts: unknownNumber,
        detail: text,
      }),
    ),
    [],
  ),
  client: v.optional(v.array(v.object({ client_id: number, pid: unknownNumber, cmd: text })), []),
  incident: v.optional(v.array(v.object({ vg_name: text, code: text, text, ago_s: unknownNumber })), []),
});

/** Reads the JSON that info_json and who answer with. Throws when it is something else. */
export function parseReport(json: string): InfoReport {
  return v.parse(v.object({ report: v.tuple([reportSchema]) }), JSON.parse(json)).report[0];
}
