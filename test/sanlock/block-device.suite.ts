/**
 * VGs on real block devices with sectors of 512 and of 4096 bytes, with every lease size, through two lvmlockd and real sanlock. The
 * devices are Linux's loop devices; the other suites use plain files, where the sector size is a setting.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { wireResult } from "../../core/errors.ts";
import { resultOf } from "../rig/replies.ts";
import { MIB } from "./cluster.ts";
import { type Daemons, startDaemons, startVg } from "./daemons.ts";
import { makeLoopDevice } from "./loop-device.ts";

setDefaultTimeout(60_000);

/** Sector size, what vgcreate asks for (0 for nothing), the lease size that comes of it, and for how many hosts that is. */
const SIZES = [
  { sector_size_bytes: 512, align_mb: 0, lease_mb: 1, hosts: 2000 },
  { sector_size_bytes: 512, align_mb: 8, lease_mb: 1, hosts: 2000 },
  { sector_size_bytes: 4096, align_mb: 0, lease_mb: 8, hosts: 2000 },
  { sector_size_bytes: 4096, align_mb: 1, lease_mb: 1, hosts: 250 },
  { sector_size_bytes: 4096, align_mb: 2, lease_mb: 2, hosts: 500 },
  { sector_size_bytes: 4096, align_mb: 4, lease_mb: 4, hosts: 1000 },
  { sector_size_bytes: 4096, align_mb: 8, lease_mb: 8, hosts: 2000 },
] as const;
type Size = (typeof SIZES)[number];

const nameOf = ({ sector_size_bytes, align_mb }: Size): string => `disk${sector_size_bytes}-${align_mb}`;
/** The GL and VG locks' leases and those of two LVs. */
const LEASES = 69;

let daemons: Daemons;
/** Why there are no block devices with this sector size; "" when there are. */
const impossible = new Map<number, string>();
const removing: (() => void)[] = [];

beforeAll(async () => {
  daemons = await startDaemons(2);
  for (const size of SIZES) {
    const vg_name = nameOf(size);
    const file = join(daemons.cluster.directory, `${vg_name}.image`);
    const made = makeLoopDevice(file, LEASES * size.lease_mb * MIB, size.sector_size_bytes);
    impossible.set(size.sector_size_bytes, made.kind === "made" ? "" : made.reason);
    if (made.kind === "impossible") continue;
    removing.push(made.device.remove);
    daemons.cluster.useDevice(vg_name, made.device.path);
  }
});
afterAll(async () => {
  await daemons.close();
  for (const remove of removing) remove();
});

const lvKeys = (vg_name: string) => ({
  vg_name,
  vg_lock_type: "sanlock",
  vg_lock_args: "1.0.0:lvmlock",
  lv_name: "one",
  lv_uuid: `uuid-${vg_name}`,
});

async function useOnBothHosts(size: Size): Promise<void> {
  const first = await daemons.client(0);
  const second = await daemons.client(1);
  const vg_name = nameOf(size);
  const made = await first.ask("init_vg", {
    vg_name,
    vg_lock_type: "sanlock",
    vg_lock_args: "lvmlock",
    align_mb: size.align_mb,
  });
  expect([resultOf(made), made.get("vg_lock_args")]).toEqual([0, "1.0.0:lvmlock"]);
  const beyond = await first.ask("start_vg", {
    ...{ vg_name, vg_lock_type: "sanlock", vg_lock_args: "1.0.0:lvmlock" },
    ...{ vg_uuid: "u", version: 1, host_id: size.hosts + 1 },
  });
  expect(resultOf(beyond)).toBe(wireResult("EHOSTID"));
  expect(String(beyond.get("detail"))).toContain(`1..${size.hosts}`);

  await Promise.all([startVg(daemons, 0, vg_name), startVg(daemons, 1, vg_name)]);
  const lv = await first.ask("init_lv", { ...lvKeys(vg_name), prev_lv_args: "none" });
  expect(lv.get("lv_lock_args")).toBe(`1.0.0:${67 * size.lease_mb * MIB}`);
  const lv_lock_args = String(lv.get("lv_lock_args"));
  for (const [request, keys] of [
    ["lock_vg", { vg_name }],
    ["lock_lv", { ...lvKeys(vg_name), lv_lock_args, opts: "persistent" }],
  ] as const) {
    const locked = await first.ask(request, { ...keys, mode: "ex" });
    expect([resultOf(locked), locked.get("detail")]).toEqual([0, undefined]);
    expect(await second.result(request, { ...keys, mode: "ex", max_retries: 0 })).toBe(wireResult("EAGAIN"));
    expect(await first.result(request, { ...keys, mode: "un" })).toBe(0);
    expect(await second.result(request, { ...keys, mode: "ex" })).toBe(0);
    expect(await second.result(request, { ...keys, mode: "un" })).toBe(0);
  }
}

describe("a VG on a block device", () => {
  for (const size of SIZES) {
    const { sector_size_bytes, align_mb, lease_mb } = size;
    const asked = align_mb === 0 ? "" : `, asked for ${align_mb} MiB`;
    test.concurrent(`with ${sector_size_bytes}-byte sectors${asked}: leases of ${lease_mb} MiB, used by two hosts`, async () => {
      const reason = impossible.get(sector_size_bytes);
      if (reason !== "") {
        console.error(`NOT TESTED: no block device with ${sector_size_bytes}-byte sectors here (${reason})`);
        return;
      }
      await useOnBothHosts(size);
    });
  }
});
