/**
 * The suite that every lock manager passes, run by `bun test` on a host of a real cluster, with a member on each host. The scenario
 * dlm-conformance brings it there.
 */
import { conformance } from "../../../plugins/conformance/suite.ts";
import definition from "../../../plugins/dlm/plugin.ts";
import { ADDRESSES_VARIABLE } from "./messages.ts";
import { connectMember } from "./remote.ts";

const addresses = (process.env[ADDRESSES_VARIABLE] ?? "").split(",");

conformance("dlm", {
  definition,
  lock_type: "dlm",
  host_count: addresses.length,
  // Every join and leave is an agreement of all nodes, which takes a second or two under emulation.
  test_timeout_ms: 120_000,
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
