/** Persistent reservations on real SCSI: two hosts with a nexus each to a LUN of Linux's own target. */
import type { Cluster } from "../lab/cluster.ts";
import type { Host } from "../lab/host.ts";
import { scenario } from "../scenario.ts";
import { type Storage, startStorage } from "../services/lio.ts";
import {
  bringBoth,
  can,
  checkType,
  KEY_A,
  KEY_B,
  MAY,
  preemptUnderLoad,
  TYPES,
  want,
} from "../services/reservation-rules.ts";
import {
  type Call,
  OPEN_MARK,
  refusedReservation,
  reservation,
  reservations,
} from "../services/reservations.ts";
import { udevWatches } from "../services/udev.ts";

const [A, B] = [KEY_A, KEY_B];

interface Lab {
  readonly lab: Cluster;
  readonly storage: Storage;
  readonly a: Host;
  readonly b: Host;
  /** The LUNs' paths on both hosts. */
  readonly luns: readonly string[];
}

/** One step of a sequence as we say it and as sg_persist does; `b` says which host. */
interface SameStep {
  readonly host: "a" | "b";
  readonly ours: Call;
  readonly theirs: string;
}

const out = (action: string, more: string): string => `sg_persist -n --out --${action} ${more}`;
const SAME: readonly SameStep[] = [
  {
    host: "a",
    ours: ["register", { from: "0x0", to: A, aptpl: true }],
    theirs: out("register", "--param-sark=1001 --param-aptpl"),
  },
  {
    host: "b",
    ours: ["registerAndIgnore", { to: B, aptpl: false }],
    theirs: out("register-ignore", "--param-sark=1002"),
  },
  {
    host: "a",
    ours: ["reserve", { key: A, type: "WERO" }],
    theirs: out("reserve", "--param-rk=1001 --prout-type=5"),
  },
  {
    host: "b",
    ours: ["reserve", { key: B, type: "WERO" }],
    theirs: out("reserve", "--param-rk=1002 --prout-type=5"),
  },
  {
    host: "b",
    ours: ["release", { key: B, type: "WERO" }],
    theirs: out("release", "--param-rk=1002 --prout-type=5"),
  },
  {
    host: "a",
    ours: ["release", { key: A, type: "WE" }],
    theirs: out("release", "--param-rk=1001 --prout-type=1"),
  },
  {
    host: "b",
    ours: ["preempt", { key: B, remove: A, type: "EAAR", abort: false }],
    theirs: out("preempt", "--param-rk=1002 --param-sark=1001 --prout-type=8"),
  },
  {
    host: "a",
    ours: ["register", { from: A, to: "0x0", aptpl: false }],
    theirs: out("register", "--param-rk=1001"),
  },
  {
    host: "a",
    ours: ["registerAndIgnore", { to: "0x1003", aptpl: false }],
    theirs: out("register-ignore", "--param-sark=1003"),
  },
  {
    host: "a",
    ours: ["preempt", { key: "0x1003", remove: B, type: "WE", abort: true }],
    theirs: out("preempt-abort", "--param-rk=1003 --param-sark=1002 --prout-type=1"),
  },
  {
    host: "a",
    ours: ["clear", { key: "0x1003" }],
    theirs: out("clear", "--param-rk=1003"),
  },
];

/** sg_persist's status 24 is a conflict, 5 an illegal request. */
const THEIR_STATUS: Readonly<Record<number, string>> = { 0: "done", 24: "conflict", 5: "failed" };

/**
 * All that the target tells of a LUN, as sg_persist prints it; a unit attention is asked through. The generation is counted from
 * `since`, and sessions have names of their own.
 */
async function stateOf(host: Host, lun: string, since: number): Promise<string> {
  const { stdout } = await host.must(
    `for what in -k -r -c -s; do sg_persist -n --in $what ${lun} || sg_persist -n --in $what ${lun}; done`,
  );
  return stdout
    .replaceAll(
      /generation=0x([0-9a-f]+)/g,
      (_, hex: string) => `generation +${Number.parseInt(hex, 16) - since}`,
    )
    .replaceAll(/,i,0x[0-9a-f]+/g, "");
}

async function compareWithSgPersist({ a, b, luns: [ours = "", theirs = ""] }: Lab): Promise<void> {
  const generations = await Promise.all(
    [ours, theirs].map(async (lun) => Number((await reservation(a, lun, "readKeys")).generation)),
  );
  const [our_start = 0, their_start = 0] = generations;
  for (const step of SAME) {
    const host = step.host === "a" ? a : b;
    const [answer] = await reservations(host, ours, [step.ours]);
    // A unit attention (status 6) is retried by us, and by hand for sg_persist.
    const { rc } = await host.run(
      `${step.theirs} ${theirs}; rc=$?; [ $rc = 6 ] || exit $rc; ${step.theirs} ${theirs}`,
    );
    const what = `${step.host}: ${step.theirs}`;
    want(`${what}: our answer`, answer?.kind, THEIR_STATUS[rc] ?? `status ${rc}`);
    want(`${what}: the state`, await stateOf(a, ours, our_start), await stateOf(a, theirs, their_start));
  }
}

async function loseThePower({ storage, a, b, luns: [kept = "", dropped = ""] }: Lab): Promise<void> {
  for (const [lun, aptpl] of [
    [kept, true],
    [dropped, false],
  ] as const) {
    await reservation(a, lun, "registerAndIgnore", { to: A, aptpl });
    await reservation(a, lun, "reserve", { key: A, type: "WE" });
  }
  const { capabilities } = await reservation(a, kept, "readCapabilities");
  const persists = (capabilities as { persist_through_power_loss: unknown }).persist_through_power_loss;
  want("capabilities with APTPL", persists, { capable: true, active: true });
  await storage.stop();
  await storage.start();
  // The target brings a registration back when its initiator logs in, which a read on that host waits for.
  await a.must(`dd if=${kept} of=/dev/null bs=4k count=1 iflag=direct`, { timeout_ms: 120_000 });
  const after = await reservations(b, kept, [["readKeys"], ["readReservation"]], { timeout_ms: 120_000 });
  want("keys that persist", after[0]?.keys, [A]);
  want("the reservation that persists", after[1]?.reservation, { type: "WE", key: A });
  want("b may not write where it persists", await can(b, kept), "read");
  want("keys that don't", (await reservation(b, dropped, "readKeys")).keys, []);
  want("b may write where nothing persists", await can(b, dropped), "read write");
  // a's initiator has a new session name after it has connected again, so that a is not the nexus any more that registered.
  await reservation(b, kept, "register", { from: "0x0", to: B, aptpl: false });
  await reservation(b, kept, "preempt", { key: B, remove: A, type: "WE", abort: true });
  want("b may write after it took over", await can(b, kept), "read write");
  await reservation(b, kept, "clear", { key: B });
}

/** Names that lead to no disk, and names that lead to one in another way. */
async function tryNames({ a, luns: [lun = ""] }: Lab, say: (text: string) => void): Promise<void> {
  const { stdout } = await a.must(`
set -e
# A partition table with one partition of 1 MiB: there is no tool for that in the guest.
(head -c 446 /dev/zero; printf '\\0\\0\\0\\0\\203\\0\\0\\0\\0\\10\\0\\0\\0\\10\\0\\0'; head -c 48 /dev/zero; printf '\\125\\252') |
  dd of=${lun} bs=512 count=1 iflag=fullblock conv=fsync 2>/dev/null
blockdev --rereadpt ${lun}; udevadm settle; ls ${lun}1
modprobe loop; truncate -s 1M /tmp/file; losetup -f --show /tmp/file
echo 0 2048 linear ${lun} 4096 | dmsetup create lab-linear >&2; echo /dev/mapper/lab-linear
echo /tmp; echo /tmp/file; echo /dev/sg0; echo /dev/vda; echo ${lun}x`);
  const kinds: string[] = [];
  for (const name of stdout.trim().split("\n")) {
    const [answer] = await reservations(a, name, [["readKeys"]]);
    kinds.push(answer?.kind ?? "");
    say(answer?.detail ?? "");
  }
  want("names of no disk", kinds, [...Array<string>(7).fill("unsupported"), "gone"]);
  const { stdout: byId } = await a.must(`find /dev/disk/by-id -lname "*/$(basename ${lun})" | head -1`);
  await reservation(a, byId.trim(), "readKeys");
  await a.must(
    `dmsetup remove lab-linear; dd if=/dev/zero of=${lun} bs=512 count=1 conv=fsync; blockdev --rereadpt ${lun}`,
  );
  // A user who may read the disk may not send the commands; one who may not read it may not even open it.
  const kindFor = `BUN_BE_BUN=1 setpriv --reuid 65534 --clear-groups /opt/lvmlockd/lvmlockd /tmp/pr-commands.mjs ${lun} '[["readKeys"],["registerAndIgnore",{"to":"0x1","aptpl":false}]]'`;
  for (const mode of ["600", "644"]) {
    const { stdout: answers } = await a.must(`chmod ${mode} ${lun}; ${kindFor}`);
    say(answers.trim());
    if (!answers.includes('"denied"')) throw new Error(`mode ${mode}: ${answers}`);
  }
  await a.must(`chmod 660 ${lun}`);
  want("keys", (await reservation(a, lun, "readKeys")).keys, []);
}

/** Counts what udev is told of while we register, and while a writer closes the disk. */
async function watchUdev({ a, luns: [lun = ""] }: Lab): Promise<void> {
  await udevWatches(a);
  const watch = (action: string): string => `
udevadm settle; udevadm monitor --kernel --subsystem-match=block >/tmp/events & sleep 1
${action}
udevadm settle; sleep 1; kill $!; grep -c change /tmp/events; true`;
  const calls = '[["registerAndIgnore",{"to":"0x1001","aptpl":false}],["clear",{"key":"0x1001"}]]';
  const ours = await a.must(
    watch(`BUN_BE_BUN=1 /opt/lvmlockd/lvmlockd /tmp/pr-commands.mjs ${lun} '${calls}' >&2`),
  );
  want("events of our commands", ours.stdout.trim(), "0");
  const writers = await a.must(watch(`dd if=/dev/zero of=${lun} bs=4k count=1 seek=200 2>/dev/null`));
  if (Number(writers.stdout) < 1) throw new Error("udev does not watch this disk, so this shows nothing");
}

/** The disk is unplugged while it is open. */
async function loseTheDevice({ lab, a, luns }: Lab, lun_number: number): Promise<string> {
  const lun = luns[lun_number] ?? "";
  const asked = reservations(a, lun, [["readKeys"], ["untilGone"], ["readKeys"]], { timeout_ms: 120_000 });
  await a.until(`test -e ${OPEN_MARK}`, { timeout_ms: 60_000 });
  await lab.disk(lun_number).fail({ hosts: [a], how: "gone" });
  const answers = await asked;
  want(
    "answers",
    answers.map(({ kind }) => kind),
    ["done", "done", "gone"],
  );
  await refusedReservation(a, lun, "gone", "readKeys");
  return answers.at(-1)?.detail ?? "";
}

export default scenario(
  "pr-scsi",
  {
    about: "Every persistent reservation command on real SCSI, from two hosts, beside sg_persist.",
    guests: 3,
  },
  async ({ cluster, step, say }) => {
    const lab = await cluster({ hosts: 2, disks: [] });
    const [a, b] = [lab.host(1), lab.host(2)];
    const storage = await startStorage(lab, { luns: 2 });
    const luns: string[] = [];
    for (const number of [0, 1]) luns.push((await lab.plug(storage.disk(number), [a, b])).path);
    await bringBoth({ a, b });
    const parts: Lab = { lab, storage, a, b, luns };
    const first = { a, b, device: luns[0] ?? "" };
    await step("nobody is registered, and the target takes all types", async () => {
      const answers = await reservations(a, luns[0] ?? "", [
        ["readKeys"],
        ["readReservation"],
        ["readCapabilities"],
      ]);
      want("keys", answers[0]?.keys, []);
      want("reservation", answers[1]?.reservation, null);
      want("types", (answers[2]?.capabilities as { types: unknown } | undefined)?.types, TYPES);
    });
    for (const type of TYPES) {
      await step(
        `${type} lets the other host do what SPC-4 says: ${MAY[type].registered || "nothing"} when registered`,
        () => checkType(first, type),
      );
    }
    await step(
      "the same sequence by us and by sg_persist has the same answers and leaves the same state",
      () => compareWithSgPersist(parts),
    );
    await step("preempt and abort under load: not one write of the preempted host lands later", async () => {
      await preemptUnderLoad(first);
      await refusedReservation(b, first.device, "conflict", "reserve", { key: B, type: "WERO" });
      await reservation(a, first.device, "clear", { key: A });
    });
    await step("APTPL: registrations persist through a loss of the array's power, and only those", () =>
      loseThePower(parts),
    );
    await step("names of no disk are refused, each with its sentence", () => tryNames(parts, say));
    await step("udev is not set off by our commands", () => watchUdev(parts));
    await step("a disk that is unplugged is gone", async () => say(await loseTheDevice(parts, 1)));
  },
);
