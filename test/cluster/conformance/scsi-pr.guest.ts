/**
 * The suite that every lock manager passes, run by `bun test` on one of two hosts with a nexus each to the same LUNs. The scenario
 * pr-conformance brings it there.
 */
import { conformance } from "../../../plugins/conformance/suite.ts";
import { keyOfHost, printKey } from "../../../plugins/scsi-pr/keys.ts";
import definition from "../../../plugins/scsi-pr/plugin.ts";
import { ADDRESSES_VARIABLE } from "./messages.ts";
import { connectMember } from "./remote.ts";

const addresses = (process.env[ADDRESSES_VARIABLE] ?? "").split(",");

conformance("scsi-pr", {
  definition,
  lock_type: "dlm",
  host_count: addresses.length,
  // Commands on the devices take milliseconds; a member that is killed and comes back takes seconds under emulation.
  test_timeout_ms: 120_000,
  take_over_key: (host) => printKey(keyOfHost({ host_id: host + 1 })),
  async open() {
    const members = await Promise.all(addresses.map(connectMember));
    return {
      hosts: members.map(({ manager }) => manager),
      async restart(index) {
        await members[index]?.kill();
        const again = await connectMember(addresses[index] ?? "");
        members[index] = again;
        return again.manager;
      },
      async close() {
        await Promise.all(members.map((member) => member.leaveAll()));
        for (const member of members) member.close();
      },
    };
  },
});
