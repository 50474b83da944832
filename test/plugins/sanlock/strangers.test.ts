/** Exclusive leases beside hosts that have started the VG and that sanlock has not met. */
import { describe, expect, test } from "bun:test";
import { renameSync } from "node:fs";
import { DEADLINES } from "../../../core/deadlines.ts";
import type { HostInfo } from "../../../plugins/sanlock/client.ts";
import { fakeJoined, listedHost, VG, writeHostLease } from "./fake-client.ts";

const host = (host_id: number, generation: number): HostInfo => listedHost(host_id, { generation });

/** A joined handle. What sanlock knows, who owns the lease and what was asked for can be seen and changed. */
async function joinedBeside(known: readonly HostInfo[], owners: readonly HostInfo[]) {
  const sanlock = { rv: 0, known, owners, acquired: 0, converted: 0, looks: 0 };
  const { handle, lease_file } = await fakeJoined({
    hosts: () => {
      sanlock.looks++;
      return { rv: sanlock.rv, hosts: [host(1, 1), ...sanlock.known] };
    },
    readOwners: () => ({ rv: 0, owners: sanlock.owners }),
    acquire: () => {
      sanlock.acquired++;
      return { rv: 0, owner: null, owner_name: "" };
    },
    convert: () => {
      sanlock.converted++;
      return 0;
    },
  });
  const away = `${lease_file}.away`;
  const disk = {
    lose: () => renameSync(lease_file, away),
    bringBack: () => renameSync(away, lease_file),
  };
  const starts = (host_id: number, generation: number): void =>
    writeHostLease(lease_file, host_id, { generation, timestamp_s: 9 });
  const lock = (mode: "sh" | "ex") =>
    handle.lock({
      resource: VG,
      mode,
      adopt: "no",
      repair: false,
      persistent: false,
      patience_ms: 0,
    });
  const convert = () => handle.convert({ resource: VG, from: "sh", mode: "ex", r_version: 0 });
  sanlock.looks = 0;
  return { sanlock, lock, convert, starts, disk };
}

describe("a lock that a host holds which sanlock has not met", () => {
  test("is not taken away by an exclusive one, and sanlock is not even asked", async () => {
    const { sanlock, lock, starts } = await joinedBeside([], [host(2, 1)]);
    starts(2, 1);
    expect(await lock("ex")).toMatchObject({
      kind: "refused",
      code: "EAGAIN",
      retry: "soon",
      owner: { host_id: 2 },
    });
    expect(sanlock.acquired).toBe(0);
  });

  test("is not taken away by a conversion either", async () => {
    const { sanlock, lock, convert, starts } = await joinedBeside([], [host(2, 1)]);
    starts(2, 1);
    await lock("sh");
    expect(await convert()).toMatchObject({ kind: "refused", code: "EAGAIN", retry: "soon" });
    expect(sanlock.converted).toBe(0);
  });

  test("is respected as well when sanlock knows an earlier life of that host", async () => {
    const { lock, starts } = await joinedBeside([host(2, 3)], [host(2, 4)]);
    starts(2, 4);
    expect(await lock("ex")).toMatchObject({ kind: "refused", code: "EAGAIN" });
  });

  test("can be shared", async () => {
    const { lock, starts } = await joinedBeside([], [host(2, 1)]);
    starts(2, 1);
    expect(await lock("sh")).toMatchObject({ kind: "done" });
  });
});

describe("an exclusive lock", () => {
  test("is asked for as soon as sanlock has met the other host: then sanlock decides", async () => {
    const { sanlock, lock, starts } = await joinedBeside([], [host(2, 1)]);
    starts(2, 1);
    expect(await lock("ex")).toMatchObject({ kind: "refused" });
    sanlock.known = [host(2, 1)];
    expect(await lock("ex")).toMatchObject({ kind: "done" });
  });

  test("does not wait for a host that is still starting and holds nothing", async () => {
    const { lock, starts } = await joinedBeside([], []);
    starts(2, 1);
    expect(await lock("ex")).toMatchObject({ kind: "done" });
  });

  test("is asked for at once while sanlock has not looked at any host, because it then takes all for alive", async () => {
    const { sanlock, lock, starts } = await joinedBeside([], [host(2, 1)]);
    starts(2, 1);
    sanlock.rv = -11;
    expect(await lock("ex")).toMatchObject({ kind: "done" });
  });

  test("is looked after again at once when sanlock has not told anything", async () => {
    const { sanlock, lock, starts } = await joinedBeside([], [host(2, 1)]);
    sanlock.rv = -11;
    expect(await lock("ex")).toMatchObject({ kind: "done" });
    starts(2, 1);
    sanlock.rv = 0;
    expect(await lock("ex")).toMatchObject({ kind: "refused", code: "EAGAIN" });
  });

  test("is looked after again at once when the host leases could not be read: nobody found is not nobody there", async () => {
    const { lock, starts, disk } = await joinedBeside([], [host(2, 1)]);
    disk.lose();
    expect(await lock("ex")).toMatchObject({ kind: "done" });
    disk.bringBack();
    starts(2, 1);
    expect(await lock("ex")).toMatchObject({ kind: "refused", code: "EAGAIN" });
  });

  test("costs no second look within an I/O timeout when nobody was a stranger", async () => {
    const { sanlock, lock } = await joinedBeside([], []);
    await lock("ex");
    await lock("ex");
    await lock("ex");
    expect(sanlock.looks).toBe(1);
  });
});

test("an LV's shared lock that stays refused is given up in time, also while another LV's is refused as well", async () => {
  const { handle } = await fakeJoined({ acquire: () => ({ rv: -243, owner: null, owner_name: "" }) });
  const shared = async (name: string): Promise<string> => {
    const resource = { kind: "lv", name, lv_lock_args: "1.0.0:70254592" } as const;
    const call = {
      resource,
      mode: "sh",
      adopt: "no",
      repair: false,
      persistent: true,
      patience_ms: 0,
    } as const;
    const answer = await handle.lock(call);
    return answer.kind === "refused" ? answer.retry : answer.kind;
  };
  expect([await shared("one"), await shared("two")]).toEqual(["soon", "soon"]);
  await Bun.sleep(DEADLINES.sanlock_shared_race_ms + 50);
  expect([await shared("one"), await shared("two")]).toEqual(["never", "never"]);
});
