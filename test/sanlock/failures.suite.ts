/** What happens when storage, sanlock's daemon or another host fails; over real sanlock daemons. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { truncateSync } from "node:fs";
import { join } from "node:path";
import { type Cluster, type ClusterOptions, startCluster } from "./cluster.ts";
import { good, lockSoon, type Member, makeVg, memberOf, present, refused, startedVg, VG } from "./vg.ts";

// sanlock counts a host dead 8 I/O timeouts and 60 s after its last renewal, which no setting of 3.8.5 shortens.
setDefaultTimeout(150_000);

/** A test in a cluster of its own. The tests run beside each other, because they wait for sanlock's clocks most of the time. */
function inCluster(
  host_count: number,
  run: (cluster: Cluster) => Promise<void>,
  options: ClusterOptions = {},
): () => Promise<void> {
  return async () => {
    const cluster = await startCluster(host_count, options);
    try {
      await run(cluster);
    } finally {
      await cluster.close();
    }
  };
}

async function onFirst(cluster: Cluster, vg_name: string): Promise<Member> {
  const [member] = await startedVg(cluster, vg_name, [0]);
  if (member === undefined) throw new Error("a host");
  return member;
}

describe("lost storage", () => {
  test.concurrent(
    "makes sanlock call lvmlockctl for that VG; another VG goes on, and the host process lives",
    inCluster(1, async (cluster) => {
      const [lost, sound] = await Promise.all([onFirst(cluster, "lost"), onFirst(cluster, "sound")]);
      const lv = await lost.newLv("one");
      await good(lost.lock(lv, "ex"));
      truncateSync(cluster.leaseFile("lost"), 0);
      let rounds = 0;
      while ((await cluster.killCalls()).length === 0) {
        await good(sound.lock(VG, "ex"));
        await good(sound.unlock(VG, "ex"));
        rounds += 1;
        await Bun.sleep(100);
      }
      expect((await cluster.killCalls())[0]).toBe("--kill lost");
      // The seconds until sanlock gives up have room for some 60 of them, at a load of 30 for five; a VG that had to wait for the
      // other one would be through with its first when all is over.
      expect(rounds).toBeGreaterThan(1);
      expect(await refused(lost.lock(VG, "ex"))).toMatchObject({ code: "EVGKILLED" });
      // What lvmlockctl --drop makes the core do.
      await good(lost.unlock(lv, "ex"));
      await good(lost.handle.leave({ free_vg: false }));
      await good(sound.lock(VG, "ex"));
      expect(cluster.sanlock[0]?.log()).not.toContain("kill_pids");
    }),
  );
});

describe("sanlock's daemon", () => {
  test.concurrent(
    "that does not run is a refusal with what to do, and isRunning says so",
    inCluster(1, async (cluster) => {
      await makeVg(cluster, "vg0");
      await cluster.sanlock[0]?.kill();
      const member = memberOf(cluster, 0, "vg0");
      expect(await good(member.manager.isRunning())).toMatchObject({ running: false });
      const refusal = await refused(member.handle.prepare({ repair: false }));
      expect(refusal.code).toBe("EMANAGER");
      expect(refusal.detail).toContain("systemctl start wdmd sanlock");
    }),
  );

  test.concurrent(
    "that dies under held locks is reported as a lost lockspace, once, and the VG can be left and started again",
    inCluster(1, async (cluster) => {
      const member = await onFirst(cluster, "vg0");
      const lv = await member.newLv("one");
      await good(member.lock(lv, "ex"));
      await cluster.restartSanlock(0);
      for (let tries = 0; tries < 2; tries++)
        expect((await refused(member.lock(VG, "ex"))).code).toBe("EMANAGER");
      const lost = cluster.hosts[0]?.news.filter((news) => news.kind === "lockspace-lost") ?? [];
      expect(lost).toHaveLength(1);
      expect(lost[0]?.lockspace_name).toBe("lvm_vg0");
      await good(member.unlock(lv, "ex"));
      await good(member.handle.leave({ free_vg: false }));
      const again = memberOf(cluster, 0, "vg0");
      await again.start();
      const told = cluster.hosts[0]?.news.findLast((news) => news.kind === "progress");
      expect(told?.text).toContain("because this host did not stop the VG cleanly");
      await good(again.lock(lv, "ex"));
    }),
  );

  test.concurrent(
    "that is stopped delays its own calls only until it goes on, and loses nothing",
    inCluster(2, async (cluster) => {
      const [first, second] = await startedVg(cluster, "vg0", [0, 1]);
      if (first === undefined || second === undefined) throw new Error("two hosts");
      await good(first.lock(VG, "ex"));
      cluster.sanlock[0]?.signal("SIGSTOP");
      const released = first.unlock(VG, "ex");
      expect((await refused(second.lock(VG, "ex"))).code).toBe("EAGAIN");
      await Bun.sleep(2000);
      expect((await refused(second.lock(VG, "ex"))).code).toBe("EAGAIN");
      cluster.sanlock[0]?.signal("SIGCONT");
      await good(released);
      await lockSoon(second, VG, "ex");
    }),
  );
});

describe("another host", () => {
  test.concurrent(
    "with the same host_id is named as the reason, and another VG is not delayed for the minute that this takes",
    inCluster(2, async (cluster) => {
      const [[first], other] = await Promise.all([
        startedVg(cluster, "vg0", [0]),
        startedVg(cluster, "vg1", [1]).then(([member]) => member),
      ]);
      if (first === undefined || other === undefined) throw new Error("two hosts");
      const twin = memberOf(cluster, 1, "vg0", "1.0.0:lvmlock", 1);
      await good(twin.handle.prepare({ repair: false }));
      let joined = false;
      const joining = refused(twin.handle.join({ adopt: "no", nodelay: false, repair: false })).then(
        (answer) => {
          joined = true;
          return answer;
        },
      );
      let rounds = 0;
      while (!joined) {
        await good(other.lock(VG, "ex"));
        await good(other.unlock(VG, "ex"));
        rounds += 1;
        await Bun.sleep(200);
      }
      const refusal = await joining;
      expect(refusal.code).toBe("EHOSTID");
      expect(refusal.detail).toContain("another host uses host_id 1");
      // The minute has room for some 300 of them.
      expect(rounds).toBeGreaterThan(30);
      await good(first.lock(VG, "ex"));
    }),
  );

  test.concurrent(
    "that dies with a lock keeps it until it counts as dead; then the lock is given to the next",
    inCluster(2, async (cluster) => {
      const [first, second] = await startedVg(cluster, "vg0", [0, 1]);
      if (first === undefined || second === undefined) throw new Error("two hosts");
      const lv = await first.newLv("one");
      await good(second.lock(lv, "ex"));
      // The first host must know that the other one is alive before it goes.
      while ((await refused(first.lock(lv, "ex"))).owner?.state !== "LIVE") await Bun.sleep(200);
      await cluster.sanlock[1]?.kill();
      const states = new Set<string>();
      while (true) {
        const answer = await first.lock(lv, "ex");
        if (answer.kind === "done") break;
        expect(answer.code).toBe("EAGAIN");
        const state = answer.owner?.state ?? "";
        states.add(state);
        if (state === "FAIL") {
          expect(answer.retry).toBe("after-fence");
          expect(answer.detail).toContain("has stopped renewing its lease");
        }
        await Bun.sleep(500);
      }
      expect(states).toContain("FAIL");
    }),
  );
});

describe("a worker that dies while its host goes on", () => {
  test.concurrent(
    "leaves its locks held; the next one has them, gives them back, and leaves the VG cleanly",
    inCluster(
      2,
      async (cluster) => {
        const [first, second] = await startedVg(cluster, "vg0", [0, 1]);
        if (first === undefined || second === undefined) throw new Error("two hosts");
        const lvs = [await first.newLv("one"), await first.newLv("two")];
        const [one, two] = lvs;
        if (one === undefined || two === undefined) throw new Error("two LVs");
        for (const resource of [VG, one, two]) await lockSoon(first, resource, "ex");
        const death = await refused(present(first.handle.status?.()));
        expect(death.detail).toContain("died on request");
        for (const resource of [VG, one, two])
          expect((await refused(second.lock(resource, "ex"))).code).toBe("EAGAIN");
        for (const resource of [VG, one]) {
          await good(first.unlock(resource, "ex"));
          await lockSoon(second, resource, "ex");
        }
        await good(first.convert(two, "ex", "sh"));
        await lockSoon(second, two, "sh");
        // What is left is given back with the lockspace, and with it the connection.
        await good(first.handle.leave({ free_vg: false }));
        await good(second.convert(two, "sh", "ex"));
        await memberOf(cluster, 0, "vg0").start();
        expect(cluster.hosts[0]?.news.filter((news) => news.kind === "lockspace-lost")).toEqual([]);
      },
      { plugin: join(import.meta.dir, "dying-plugin.ts") },
    ),
  );
});
