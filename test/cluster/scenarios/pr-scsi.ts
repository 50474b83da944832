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
import { type Call, refusedReservation, reservation, reservations } from "../services/reservations.ts";

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

async function loseTheDevice({ lab, a, luns }: Lab, lun_number: number): Promise<string> {
  const lun = luns[lun_number] ?? "";
  await lab.disk(lun_number).fail({ hosts: [a], how: "gone" });
  const [answer] = await reservations(a, lun, [["readKeys"]], { timeout_ms: 120_000 });
  want("a disk that was unplugged", answer?.kind, "gone");
  return answer?.detail ?? "";
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
    await step("a disk that is unplugged is gone", async () => say(await loseTheDevice(parts, 1)));
  },
);
