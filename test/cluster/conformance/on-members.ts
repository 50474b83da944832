import type { ConformanceHarness } from "../../../plugins/conformance/harness.ts";
import { conformance } from "../../../plugins/conformance/suite.ts";
import { ADDRESSES_VARIABLE } from "./messages.ts";
import { connectMember } from "./remote.ts";

/** What the suite has to know of a plugin; hosts are what the scenario's members are. */
export type MemberHarness = Omit<
  ConformanceHarness,
  "host_count" | "open" | "neighbours_join" | "test_timeout_ms"
>;

/** Every join and leave is an agreement of all nodes, and a member that is killed comes back: seconds each under emulation. */
const test_timeout_ms = 120_000;

/** Of the hosts that each run a member. */
export const MEMBER_ADDRESSES = (process.env[ADDRESSES_VARIABLE] ?? "").split(",");

/** The suite that every lock manager passes, on hosts that each run a member; their addresses are in the environment. */
export function conformanceOnMembers(name: string, harness: MemberHarness): void {
  conformance(name, {
    ...harness,
    neighbours_join: "when needed",
    host_count: MEMBER_ADDRESSES.length,
    test_timeout_ms,
    async open() {
      const members = await Promise.all(MEMBER_ADDRESSES.map(connectMember));
      return {
        hosts: members.map(({ manager }) => manager),
        async restart(index) {
          await members[index]?.kill();
          const again = await connectMember(MEMBER_ADDRESSES[index] ?? "");
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
}
