/**
 * The suite that every lock manager passes, run by `bun test` on one of two hosts with a nexus each to the same LUNs. The scenario
 * pr-conformance brings it there.
 */
import { keyOfHost, printKey } from "../../../plugins/scsi-pr/keys.ts";
import definition from "../../../plugins/scsi-pr/plugin.ts";
import { conformanceOnMembers } from "./on-members.ts";

conformanceOnMembers("scsi-pr", {
  definition,
  lock_type: "dlm",
  take_over_key: (host) => printKey(keyOfHost({ host_id: host + 1 })),
});
