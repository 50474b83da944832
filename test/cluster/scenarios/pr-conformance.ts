import {
  ADDRESSES_VARIABLE,
  LOCK_TYPE_VARIABLE,
  MANAGER_VARIABLE,
  SETTINGS_VARIABLE,
} from "../conformance/messages.ts";
import type { Host } from "../lab/host.ts";
import { scenario } from "../scenario.ts";
import { startStorage } from "../services/lio.ts";
import { bringSources, GUEST_BUN, GUEST_SOURCES } from "../services/sources.ts";

const FOLDERS = ["package.json", "core", "plugins", "test/cluster/conformance"];
const suite_ms_max = 600_000;

/** The names of the suite's VGs, and on which of the two LUNs each of them is; two of them are started at the same time. */
const longName = (letter: string): string => `${"n".repeat(64 - 5)}${letter}`;
const PVS = [
  ...["conform", "fresh", "theirs", "older", "newer", longName("a")].map((vg_name) => `${vg_name}:/dev/sda`),
  ...["conform", longName("b")].map((vg_name) => `${vg_name}:/dev/sdb`),
];

/** A member that comes back after the suite has killed it. */
async function startMember(host: Host): Promise<void> {
  const settings = JSON.stringify({ pvs: PVS });
  const environment = `${LOCK_TYPE_VARIABLE}=dlm ${MANAGER_VARIABLE}=scsi-pr ${SETTINGS_VARIABLE}='${settings}'`;
  const member = `${GUEST_BUN} run ${GUEST_SOURCES}/test/cluster/conformance/member-main.ts`;
  await host.must(
    `(while :; do ${environment} ${member}; done) >/var/log/member.log 2>&1 </dev/null & disown`,
  );
}

export default scenario(
  "pr-conformance",
  {
    about: "The scsi-pr plugin passes the suite of every lock manager on two hosts with real SCSI disks.",
    guests: 3,
    timeout_ms: suite_ms_max + 120_000,
  },
  async ({ cluster, step, say }) => {
    const lab = await cluster({ hosts: 2 });
    const hosts = [lab.host(1), lab.host(2)];
    const storage = await startStorage(lab, { luns: 2 });
    for (const lun of [0, 1]) await lab.plug(storage.disk(lun), hosts);
    await bringSources(hosts, FOLDERS);
    await Promise.all(hosts.map(startMember));
    const addresses = hosts.map(({ address }) => address).join(",");
    const test = `${GUEST_BUN} test ${GUEST_SOURCES}/test/cluster/conformance/scsi-pr.guest.ts`;
    await step("every test of the suite passes", async () => {
      const run = `cd / && ${ADDRESSES_VARIABLE}=${addresses} ${test}`;
      const { stderr } = await lab.host(1).must(run, { timeout_ms: suite_ms_max });
      say(stderr.split("\n").findLast((line) => line.startsWith("Ran ")) ?? "");
    });
    await step("and leaves nothing on the devices", async () => {
      for (const device of ["/dev/sda", "/dev/sdb"])
        await lab.host(1).must(`sg_persist -n -k ${device} | grep -q 'NO registered'`);
    });
  },
);
