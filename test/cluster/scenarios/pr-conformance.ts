import assert from "node:assert/strict";
import { ADDRESSES_VARIABLE } from "../conformance/messages.ts";
import { scenario } from "../scenario.ts";
import { startStorage } from "../services/lio.ts";
import { GUEST_CONFORMANCE, startMembers } from "../services/members.ts";
import { GUEST_BUN } from "../services/sources.ts";

const suite_ms_max = 600_000;
/** To be changed with the suite, so that a run of none is never taken for one that passes. */
const suite_tests = 25;

/** The names of the suite's VGs, and on which of the two LUNs each of them is; two of them are started at the same time. */
const longName = (letter: string): string => `${"n".repeat(64 - 5)}${letter}`;
const PVS = [
  ...["conform", "fresh", "theirs", "older", "newer", longName("a")].map((vg_name) => `${vg_name}:/dev/sda`),
  ...["conform", longName("b")].map((vg_name) => `${vg_name}:/dev/sdb`),
];

export default scenario(
  "pr-conformance",
  {
    about: "The scsi-pr plugin passes the suite of every lock manager on two hosts with real SCSI disks.",
    guests: 3,
    timeout_ms: suite_ms_max + 120_000,
    unforgiving: true,
  },
  async ({ cluster, step, say }) => {
    const lab = await cluster({ hosts: 2 });
    const hosts = [lab.host(1), lab.host(2)];
    const storage = await startStorage(lab, { luns: 2 });
    for (const lun of [0, 1]) await lab.plug(storage.disk(lun), hosts);
    await startMembers(hosts, { lock_type: "dlm", manager: "scsi-pr", settings: { pvs: PVS } });
    const addresses = hosts.map(({ address }) => address).join(",");
    const test = `${GUEST_BUN} test ${GUEST_CONFORMANCE}/scsi-pr.guest.ts`;
    await step(`every test of the suite passes, and all ${suite_tests} of them have run`, async () => {
      const run = `cd / && ${ADDRESSES_VARIABLE}=${addresses} ${test}`;
      const { stderr } = await lab.host(1).must(run, { timeout_ms: suite_ms_max });
      const ran = stderr.split("\n").findLast((line) => line.startsWith("Ran ")) ?? "";
      say(ran);
      assert.match(ran, new RegExp(`^Ran ${suite_tests} tests `), "the suite has other tests than it had");
    });
    await step("and leaves nothing on the devices", async () => {
      for (const device of ["/dev/sda", "/dev/sdb"])
        await lab.host(1).must(`sg_persist -n -k ${device} | grep -q 'NO registered'`);
    });
  },
);
