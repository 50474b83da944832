/**
 * The suite that every lock manager passes, run by `bun test` on a host of a real cluster, with a member on each host. The scenario
 * dlm-conformance brings it there.
 */
import definition from "../../../plugins/dlm/plugin.ts";
import { leftBehind } from "./dlm-left-behind.ts";
import { conformanceOnMembers, MEMBER_ADDRESSES } from "./on-members.ts";

// It happens on one host, whose kernel does not ask how many others there are.
if (MEMBER_ADDRESSES.length === 2) leftBehind();
conformanceOnMembers("dlm", { definition, lock_type: "dlm" });
