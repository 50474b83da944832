import { ADDRESSES_VARIABLE, LOCK_TYPE_VARIABLE } from "../conformance/messages.ts";
import type { Host } from "../lab/host.ts";
import { scenario } from "../scenario.ts";
import { startDlm } from "../services/dlm.ts";
import { bringSources, GUEST_BUN, GUEST_SOURCES } from "../services/sources.ts";

const FOLDERS = ["package.json", "core", "plugins", "test/cluster/conformance"];
const suite_ms_max = 900_000;

/** A member that comes back after the suite has killed it. */
async function startMember(host: Host): Promise<void> {
  const member = `${GUEST_BUN} run ${GUEST_SOURCES}/test/cluster/conformance/member-main.ts`;
  await host.must(
    `(while :; do ${LOCK_TYPE_VARIABLE}=dlm ${member}; done) >/var/log/member.log 2>&1 </dev/null & disown`,
  );
}

const conformanceOn = (count: 2 | 3) =>
  scenario(
    `dlm-conformance-${count}`,
    {
      about: `The dlm plugin passes the suite of every lock manager on a cluster of ${count} nodes.`,
      guests: count,
      timeout_ms: suite_ms_max + 120_000,
    },
    async ({ cluster, step, say }) => {
      const lab = await cluster({ hosts: count, disks: [] });
      const { hosts } = lab;
      await step(`corosync and dlm_controld run on ${count} nodes`, () => startDlm(hosts));
      await bringSources(hosts, FOLDERS);
      await Promise.all(hosts.map(startMember));
      const addresses = hosts.map(({ address }) => address).join(",");
      const test = `${GUEST_BUN} test ${GUEST_SOURCES}/test/cluster/conformance/dlm.guest.ts`;
      await step("every test of the suite passes", async () => {
        const run = `cd / && ${ADDRESSES_VARIABLE}=${addresses} ${test}`;
        const { stderr } = await lab.host(1).must(run, { timeout_ms: suite_ms_max });
        say(stderr.split("\n").findLast((line) => line.startsWith("Ran ")) ?? "");
      });
    },
  );

export default [conformanceOn(2), conformanceOn(3)];
