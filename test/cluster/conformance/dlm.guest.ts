/**
 * The suite that every lock manager passes, run by `bun test` on a host of a real cluster, with a member on each host. The scenario
 * dlm-conformance brings it there.
 */
import definition from "../../../plugins/dlm/plugin.ts";
import { leftBehind } from "./dlm-left-behind.ts";
import { conformanceOnMembers } from "./on-members.ts";

leftBehind();
conformanceOnMembers("dlm", { definition, lock_type: "dlm" });
