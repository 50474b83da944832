/**
 * Starts: what people are told before one, and nodelay. With nodelay sanlock leaves out the time in which the other hosts come to
 * know of a newcomer, and until then it gives them exclusive locks over the newcomer's shared ones. So whoever starts like that has
 * to be respected from its first lock on.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { HeldMode } from "../../plugins/contract.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { good, lockSoon, type Member, makeVg, memberOf, refused, VG } from "./vg.ts";

setDefaultTimeout(120_000);

const version = Bun.spawnSync(["/usr/sbin/sanlock", "version"]).stdout.toString().trim();
const knowsNodelay = Number(version.split(".")[0]) >= 4;
const HOSTS = [0, 1, 2] as const;

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster(HOSTS.length);
});
afterAll(() => cluster.close());

async function start(member: Member, nodelay: boolean): Promise<void> {
  await good(member.handle.prepare({ repair: false }));
  await good(member.handle.join({ adopt: "no", nodelay, repair: false }));
}

/** Everything that a host has told of its starts of a VG. */
function told(host: number, vg_name: string): string {
  const { news = [], logged = [] } = cluster.hosts[host] ?? {};
  return [...news.map((one) => JSON.stringify(one)), ...logged]
    .filter((one) => one.includes(vg_name))
    .join("\n");
}

/** Who has the VG lock, as the tests see it: noted after each grant, and taken off before each release. */
function watchHolders() {
  const holders = new Map<Member, HeldMode>();
  return {
    granted(member: Member, mode: HeldMode): void {
      for (const [other, held] of holders)
        if (other !== member && (mode === "ex" || held === "ex"))
          throw new Error(
            `host ${member.identity.host_id} has ${mode} beside host ${other.identity.host_id} with ${held}`,
          );
      holders.set(member, mode);
    },
    released: (member: Member): boolean => holders.delete(member),
  };
}

type Holders = ReturnType<typeof watchHolders>;

/** Takes the VG lock again and again, shared and exclusive, and makes shared ones exclusive where it can. */
async function contend(member: Member, holders: Holders, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    let mode: HeldMode = (round + member.identity.host_id) % 2 === 0 ? "sh" : "ex";
    let answer = await member.lock(VG, mode);
    for (; answer.kind === "refused"; answer = await member.lock(VG, mode)) {
      expect(answer).toMatchObject({ code: "EAGAIN", retry: "soon" });
      await Bun.sleep(4 + Math.random() * 20);
    }
    holders.granted(member, mode);
    if (mode === "sh" && (await member.convert(VG, "sh", "ex")).kind === "done") {
      mode = "ex";
      holders.granted(member, mode);
    }
    await Bun.sleep(Math.random() * 10);
    holders.released(member);
    await good(member.unlock(VG, mode));
  }
}

/** Hosts that start a new VG at the same moment, some with nodelay, and use it from the first moment on. */
async function startTogether(vg_name: string, nodelay: readonly boolean[]): Promise<void> {
  const vg_lock_args = await makeVg(cluster, vg_name);
  const holders = watchHolders();
  await Promise.all(
    nodelay.map(async (skips, host) => {
      const member = memberOf(cluster, host, vg_name, vg_lock_args);
      await start(member, skips);
      await contend(member, holders, 8);
    }),
  );
}

const numbered = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${name}${i}`);

test("the first host of a VG is told sanlock's own time for its start", async () => {
  const member = memberOf(cluster, 0, "plain", await makeVg(cluster, "plain"));
  await start(member, false);
  expect(told(0, "plain")).toContain("joining takes 2 to 5 s (I/O timeout 1 s)");
  await good(member.handle.leave({ free_vg: false }));
});

if (knowsNodelay) {
  describe("hosts that start a VG at the same moment respect each other from the first lock on", () => {
    test("two, both with nodelay", async () => {
      await Promise.all(numbered("both", 4).map((name) => startTogether(name, [true, true])));
    });

    test("three, two of them with nodelay", async () => {
      await Promise.all(numbered("three", 3).map((name) => startTogether(name, [true, false, true])));
    });

    test("three, all with nodelay", async () => {
      await Promise.all(numbered("all", 3).map((name) => startTogether(name, [true, true, true])));
    });
  });

  describe("a host that starts with nodelay a VG that another one uses", () => {
    test("is respected when it has returned from the start, and told before that it takes a while", async () => {
      const vg_lock_args = await makeVg(cluster, "used");
      const [first, second] = [0, 1].map((host) => memberOf(cluster, host, "used", vg_lock_args)) as [
        Member,
        Member,
      ];
      await start(first, true);
      expect(told(0, "used")).toContain("joining takes no time (I/O timeout 1 s)");
      // The first host has looked at the other leases, so that it does not take everybody for alive any more.
      while ((await good(first.handle.hosts({ notify: false }))).unknown) await Bun.sleep(100);
      await start(second, true);
      expect(told(1, "used")).toContain(
        "joining takes 4 to 5 s, until the other host has seen this one (I/O timeout 1 s)",
      );
      await lockSoon(second, VG, "sh");
      expect((await refused(first.lock(VG, "ex"))).code).toBe("EAGAIN");
      await good(second.unlock(VG, "sh"));
      await lockSoon(first, VG, "sh");
      expect((await refused(second.lock(VG, "ex"))).code).toBe("EAGAIN");
      await good(first.unlock(VG, "sh"));
    });
  });

  test("a start with nodelay is through while one that was asked for before it still waits", async () => {
    const slow = await startCluster(1, { io_timeout_s: 5 });
    try {
      const [ordinary, quick] = (await Promise.all(
        ["ordinary", "quick"].map(async (name) => memberOf(slow, 0, name, await makeVg(slow, name))),
      )) as [Member, Member];
      let ordinaryJoined = false;
      const starting = start(ordinary, false).then(() => {
        ordinaryJoined = true;
      });
      await start(quick, true);
      expect(ordinaryJoined).toBe(false);
      await good(quick.lock(VG, "ex"));
      await starting;
    } finally {
      await slow.close();
    }
  });
} else {
  test("nodelay is passed over with a warning, and people are told that the start takes its usual time", async () => {
    const member = memberOf(cluster, 0, "older", await makeVg(cluster, "older"));
    await start(member, true);
    expect(told(0, "older")).toContain("this libsanlock knows no nodelay");
    expect(told(0, "older")).toContain("joining takes 2 to 5 s (I/O timeout 1 s)");
    await good(member.lock(VG, "ex"));
  });
}
