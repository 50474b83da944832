/** Locks between two hosts, each with a real sanlock daemon, over one lease file. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { HeldMode, ResourceRef } from "../../plugins/contract.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { GL, good, lockSoon, type Member, refused, startedVg, VG } from "./vg.ts";

setDefaultTimeout(60_000);
const MODES: readonly HeldMode[] = ["sh", "ex"];

let cluster: Cluster;
let first: Member;
let second: Member;
let lv: ResourceRef;

beforeAll(async () => {
  cluster = await startCluster(2);
  const members = await startedVg(cluster, "vg0", [0, 1]);
  [first, second] = members as [Member, Member];
  lv = await first.newLv("one");
});
afterAll(() => cluster.close());

describe("two hosts", () => {
  for (const name of ["GL", "VG", "LV"] as const) {
    const resource = (): ResourceRef => ({ GL, VG, LV: lv })[name];
    for (const held of MODES) {
      for (const wanted of MODES) {
        test(`with ${name} held ${held}: ${wanted} is ${held === "sh" && wanted === "sh" ? "shared" : "refused until it is released"}`, async () => {
          await lockSoon(first, resource(), held);
          if (held === "sh" && wanted === "sh") {
            await lockSoon(second, resource(), wanted);
            await good(first.unlock(resource(), held));
          } else {
            const refusal = await refused(second.lock(resource(), wanted));
            expect(refusal.code).toBe("EAGAIN");
            expect(refusal.owner).toMatchObject({ host_id: 1, generation: 1 });
            expect(["LIVE", "UNKNOWN"]).toContain(refusal.owner?.state ?? "");
            expect(refusal.detail).toMatch(/^host_id 1 (\(host1\) )?holds it/);
            const mayPass = name !== "LV" || wanted === "sh";
            expect(refusal.retry).toBe(mayPass ? "soon" : "never");
            await good(first.unlock(resource(), held));
            await lockSoon(second, resource(), wanted);
          }
          await good(second.unlock(resource(), wanted));
        });
      }
    }

    test(`with ${name} shared: neither can make it exclusive, and the last one can`, async () => {
      await lockSoon(first, resource(), "sh");
      await lockSoon(second, resource(), "sh");
      for (const member of [first, second]) {
        const refusal = await refused(member.convert(resource(), "sh", "ex"));
        expect(refusal.code).toBe("EAGAIN");
      }
      await good(first.unlock(resource(), "sh"));
      await good(second.convert(resource(), "sh", "ex"));
      await refused(first.lock(resource(), "sh"));
      await good(second.unlock(resource(), "ex"));
    });
  }

  test("that take an LV in shared mode at the same moment both get it", async () => {
    for (let round = 0; round < 20; round++) {
      await Promise.all([lockSoon(first, lv, "sh"), lockSoon(second, lv, "sh")]);
      await Promise.all([good(first.unlock(lv, "sh")), good(second.unlock(lv, "sh"))]);
    }
  });

  test("are told for good that an LV is held, when it is not a race of shared locks", async () => {
    await good(first.lock(lv, "ex"));
    await expect(lockSoon(second, lv, "sh")).rejects.toThrow(/^EAGAIN host_id 1 (\(host1\) )?holds it/);
    await good(first.unlock(lv, "ex"));
    await lockSoon(second, lv, "sh");
    await good(second.unlock(lv, "sh"));
  });
});

describe("a host", () => {
  test("knows its own state and the other host", async () => {
    const status = await good(first.handle.status?.() ?? Promise.reject(new Error("no status")));
    expect(status.owner).toMatchObject({ host_id: 1, generation: 1 });
    expect((await good(first.handle.hosts({ notify: false }))).others).toBe(1);
  });
});
