/** vgcreate beside other hosts: another one that makes a VG at the same place at once, and leases there that are in use. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import type { InitVgCall } from "../../../plugins/contract.ts";
import type { Lease, SanlockClient } from "../../../plugins/sanlock/client.ts";
import { GL_SLOT } from "../../../plugins/sanlock/geometry.ts";
import { initVg } from "../../../plugins/sanlock/init-vg.ts";
import {
  ABSENT,
  type Fake,
  type FakeHostLease,
  fakeClient,
  fakeLeases,
  fakeTools,
  writeHostLease,
} from "./fake-client.ts";

// One of them waits for three seconds, which is long on a starved machine.
setDefaultTimeout(30_000);

const GL_OFFSET_BYTES = GL_SLOT * 1024 * 1024;
/** The GL lease under the host's own name, the VG lock, and the three leases of LVs that the disk of these tests has room for. */
const ALL_BUT_THE_LAST = 5;
const CALL: InitVgCall = {
  vg_name: "vg",
  lockspace_name: "lvm_vg",
  vg_lock_args: "lvmlock",
  set_lock_args: "",
  align_mb: 0,
  enable_global_lock: true,
};

/** A host that makes a VG. `onWrite` runs after each lease that it writes. */
function maker(onWrite: (written: readonly string[], fake: Fake) => void, more: Partial<SanlockClient> = {}) {
  const disk = fakeLeases();
  const written: string[] = [];
  const writeResource: SanlockClient["writeResource"] = (lease, flags) => {
    const rv = disk.calls.writeResource(lease, flags);
    written.push(lease.name);
    onWrite(written, fake);
    return rv;
  };
  const calls = { hosts: () => ABSENT, ...disk.calls, writeResource, ...more };
  const fake = fakeTools(fakeClient({}, calls));
  const gl = {
    get: (): Lease | undefined => disk.leases.get(GL_OFFSET_BYTES),
    /** As another host writes it. */
    put: (name: string, lockspace_name = "lvm_vg"): void => {
      const lease = disk.leases.get(GL_OFFSET_BYTES);
      if (lease === undefined) throw new Error("the global lock's lease comes first");
      disk.leases.set(GL_OFFSET_BYTES, { ...lease, name, lockspace_name });
    },
  };
  return { ...fake, make: () => initVg(fake.tools, CALL), gl, written };
}

/** The one that makes the VG, with another host's lease of the global lock in its way after so many leases. */
function madeBeside(at_count: number, name: string, lockspace_name?: string) {
  const host = maker((written) => {
    if (written.length === at_count) host.gl.put(name, lockspace_name);
  });
  return host;
}

describe("while a VG's leases are written, the lease of the global lock", () => {
  test("has a name of this host's own, so that nobody can start the VG, and gets its real one at the end", async () => {
    const { make, written } = maker(() => {});
    expect(await make()).toMatchObject({ kind: "done", global_lock: "enabled" });
    expect(written).toEqual([
      expect.stringMatching(/^_making_[0-9a-f]{16}$/),
      "VGLK",
      ...Array(3).fill("#unused"),
      "GLLK",
    ]);
  });

  test("with another host's name on it is a refusal with what to do, and tells the other one", async () => {
    for (const at_count of [1, ALL_BUT_THE_LAST]) {
      const { make, gl, news } = madeBeside(at_count, "_making_0123456789abcdef");
      expect(await make()).toMatchObject({
        kind: "refused",
        code: "EEXIST",
        detail: expect.stringMatching(/another host makes a VG on the same disk.*make it again on one host/),
      });
      expect(gl.get()?.name).toBe("_made_by_two_hosts");
      expect(news).toMatchObject([{ kind: "log", level: "warning" }]);
    }
  });

  test("with the name that the other one leaves is a refusal here as well: neither may think that it has the VG", async () => {
    const { make, gl } = madeBeside(ALL_BUT_THE_LAST, "_made_by_two_hosts");
    expect(await make()).toMatchObject({ kind: "refused", code: "EEXIST" });
    expect(gl.get()?.name).toBe("_made_by_two_hosts");
  });

  test("of a VG with another name is EBUSY, which lvm does not take for a lockspace of the same name", async () => {
    const { make, gl } = madeBeside(ALL_BUT_THE_LAST, "_making_0123456789abcdef", "lvm_other");
    expect(await make()).toMatchObject({ code: "EBUSY", detail: expect.stringContaining("lvm_other") });
    expect(gl.get()).toMatchObject({ name: "_made_by_two_hosts", lockspace_name: "lvm_vg" });
  });

  test("stays as it is when the other host has finished its VG, or does not play this game", async () => {
    const { make, gl } = madeBeside(ALL_BUT_THE_LAST, "GLLK");
    expect(await make()).toMatchObject({ kind: "refused", code: "EEXIST" });
    expect(gl.get()?.name).toBe("GLLK");
  });
});

describe("host leases in use where a VG is to be made", () => {
  const theirs = {
    io_timeout_s: 1,
    lockspace_name: "lvm_vg",
    host_name: "uuid.host-nine",
    generation: 3,
  } as const;

  /** Leases are on the disk, and change after a moment. */
  function madeOver(before: FakeHostLease, after: FakeHostLease) {
    const host = maker(() => {});
    writeHostLease(host.lease_file, 9, before);
    setTimeout(() => writeHostLease(host.lease_file, 9, after), 150);
    return host;
  }

  test("of a host that renews its own are not written over: who it is and what to do is told", async () => {
    const { make, written } = madeOver({ ...theirs, timestamp_s: 50 }, { ...theirs, timestamp_s: 52 });
    expect(await make()).toMatchObject({
      kind: "refused",
      code: "EEXIST",
      detail: expect.stringMatching(
        /host_id 9 \(uuid\.host-nine\) is alive and uses lockspace lvm_vg.*--lockstop/,
      ),
    });
    expect(written).toEqual([]);
  });

  test("by another lockspace are EBUSY", async () => {
    const other = { ...theirs, lockspace_name: "lvm_other" };
    const { make } = madeOver({ ...other, timestamp_s: 50 }, { ...other, timestamp_s: 52 });
    expect(await make()).toMatchObject({ code: "EBUSY", detail: expect.stringContaining("lvm_other") });
  });

  test("of a host that is back since are not written over either", async () => {
    const { make } = madeOver({ ...theirs, timestamp_s: 50 }, { ...theirs, timestamp_s: 50, generation: 4 });
    expect(await make()).toMatchObject({ kind: "refused" });
  });

  test("of a host that leaves meanwhile are written over at once", async () => {
    const host = madeOver({ ...theirs, io_timeout_s: 100, timestamp_s: 50 }, { ...theirs, timestamp_s: 0 });
    expect(await host.make()).toMatchObject({ kind: "done" });
  });

  test("of a crashed host stand still, and are written over after three of its I/O timeouts", async () => {
    const host = maker(() => writeHostLease(host.lease_file, 9, { timestamp_s: 0 }));
    writeHostLease(host.lease_file, 9, { ...theirs, timestamp_s: 50 });
    expect(await host.make()).toMatchObject({ kind: "done" });
    expect(host.news).toMatchObject([{ level: "info", text: expect.stringContaining("for up to 3 s") }]);
  });

  test("are not waited for when there are none", async () => {
    const host = maker(() => {});
    writeHostLease(host.lease_file, 9, { ...theirs, timestamp_s: 0 });
    expect(await host.make()).toMatchObject({ kind: "done" });
    expect(host.news).toEqual([]);
  });

  test("of a host that joins while the leases are written are a refusal", async () => {
    const host = maker((written) => {
      if (written.length === ALL_BUT_THE_LAST)
        writeHostLease(host.lease_file, 9, { ...theirs, timestamp_s: 50 });
    });
    expect(await host.make()).toMatchObject({
      kind: "refused",
      code: "EEXIST",
      detail: expect.stringContaining("has begun to use"),
    });
    expect(host.gl.get()?.name).not.toBe("GLLK");
  });
});

test("a lockspace of this name that sanlock has joined here for another VG is left first", async () => {
  for (const rv of [0, -11]) {
    const { make, written } = maker(() => {}, { hosts: () => ({ rv, hosts: [] }) });
    expect(await make()).toMatchObject({
      code: "EEXIST",
      detail: expect.stringContaining("sanlock client rem_lockspace -s lvm_vg:"),
    });
    expect(written).toEqual([]);
  }
});
