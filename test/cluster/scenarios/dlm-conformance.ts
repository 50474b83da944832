import assert from "node:assert/strict";
import { ADDRESSES_VARIABLE } from "../conformance/messages.ts";
import { scenario } from "../scenario.ts";
import { startDlm } from "../services/dlm.ts";
import { GUEST_CONFORMANCE, startMembers } from "../services/members.ts";
import { GUEST_BUN } from "../services/sources.ts";

const suite_ms_max = 1_500_000;
/** Of the suite and of `dlm-left-behind.ts`: to be changed with them, so that a run of none is never taken for one that passes. */
const TESTS = { 2: 33, 3: 32 } as const;

const conformanceOn = (count: 2 | 3) =>
  scenario(
    `dlm-conformance-${count}`,
    {
      about: `The dlm plugin passes the suite of every lock manager on a cluster of ${count} nodes.`,
      guests: count,
      timeout_ms: suite_ms_max + 120_000,
      unforgiving: true,
    },
    async ({ cluster, step, say }) => {
      const lab = await cluster({ hosts: count, disks: [] });
      const { hosts } = lab;
      await step(`corosync and dlm_controld run on ${count} nodes`, () => startDlm(hosts));
      await startMembers(hosts, { lock_type: "dlm" });
      const addresses = hosts.map(({ address }) => address).join(",");
      const test = `${GUEST_BUN} test ${GUEST_CONFORMANCE}/dlm.guest.ts`;
      await step(`the tests of the suite pass, and all ${TESTS[count]} of them have run`, async () => {
        const run = `cd / && ${ADDRESSES_VARIABLE}=${addresses} ${test}`;
        const { stderr } = await lab.host(1).must(run, { timeout_ms: suite_ms_max });
        const passed = Number(/^ *(\d+) pass$/m.exec(stderr)?.[1]);
        say(stderr.split("\n").findLast((line) => line.startsWith("Ran ")) ?? "");
        assert.equal(passed, TESTS[count], "the suite has other tests than it had");
      });
    },
  );

export default [conformanceOn(2), conformanceOn(3)];
