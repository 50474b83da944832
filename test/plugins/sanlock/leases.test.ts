import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { chooseSectorSize } from "../../../plugins/sanlock/device.ts";
import {
  chooseGeometry,
  FIRST_LV_SLOT,
  type Geometry,
  geometryFromFlags,
  hasValueBlock,
  hostIdMax,
  lvSlotAt,
  sizeFlags,
  slotCount,
  slotOffset_bytes,
} from "../../../plugins/sanlock/geometry.ts";
import { hasJoinedQuickly } from "../../../plugins/sanlock/peers.ts";
import { createSlotMap } from "../../../plugins/sanlock/slot-map.ts";
import { startTimes } from "../../../plugins/sanlock/timing.ts";
import { decodeValueBlock, encodeValueBlock } from "../../../plugins/sanlock/value-block.ts";

const MIB = 1024 * 1024;
const GEOMETRIES: readonly Geometry[] = [
  { sector_size_bytes: 512, align_mb: 1 },
  { sector_size_bytes: 4096, align_mb: 1 },
  { sector_size_bytes: 4096, align_mb: 2 },
  { sector_size_bytes: 4096, align_mb: 4 },
  { sector_size_bytes: 4096, align_mb: 8 },
];

describe("the geometry of a lockspace", () => {
  test("survives its way through sanlock's flags", () => {
    for (const geometry of GEOMETRIES) expect(geometryFromFlags(sizeFlags(geometry))).toEqual(geometry);
    expect(geometryFromFlags(0)).toBeNull();
  });

  test("bounds the host ids", () => {
    expect(GEOMETRIES.map(hostIdMax)).toEqual([2000, 250, 500, 1000, 2000]);
  });

  test("follows the user's lease size only on 4K sectors", () => {
    expect(chooseGeometry(512, 8)).toEqual({ sector_size_bytes: 512, align_mb: 1 });
    expect(chooseGeometry(4096, 0)).toEqual({ sector_size_bytes: 4096, align_mb: 8 });
    expect(chooseGeometry(4096, 2)).toEqual({ sector_size_bytes: 4096, align_mb: 2 });
    expect(chooseGeometry(4096, 3)).toBeNull();
  });

  test("puts the first LV's lease where the C daemon does", () => {
    expect(slotOffset_bytes({ sector_size_bytes: 512, align_mb: 1 }, FIRST_LV_SLOT)).toBe(70254592);
    expect(lvSlotAt({ sector_size_bytes: 512, align_mb: 1 }, 70254592)).toBe(FIRST_LV_SLOT);
    expect(lvSlotAt({ sector_size_bytes: 512, align_mb: 1 }, 66 * MIB)).toBeNull();
    expect(lvSlotAt({ sector_size_bytes: 4096, align_mb: 8 }, 67 * 8 * MIB + 512)).toBeNull();
    expect(slotCount({ sector_size_bytes: 512, align_mb: 1 }, 256 * MIB)).toBe(256);
  });

  test("has room for a value block where sanlock keeps it, or does without", () => {
    expect(GEOMETRIES.map(hasValueBlock)).toEqual([true, false, false, false, true]);
  });

  test("takes 4K sectors as soon as the device has them anywhere", () => {
    expect(chooseSectorSize(512, 512)).toBe(512);
    expect(chooseSectorSize(4096, 512)).toBe(4096);
    expect(chooseSectorSize(512, 4096)).toBe(4096);
    expect(chooseSectorSize(0, 512)).toBe(512);
    expect(chooseSectorSize(0, 0)).toBeNull();
  });
});

describe("the map of lease slots", () => {
  test("gives out every free slot once and reads the disk once, whatever order LVs come and go in", () => {
    const steps = fc.array(fc.oneof(fc.constant("add" as const), fc.nat(30)), { maxLength: 120 });
    fc.assert(
      fc.property(steps, (plan) => {
        const end = FIRST_LV_SLOT + 20;
        const map = createSlotMap();
        const used: number[] = [];
        for (const step of plan) {
          if (step === "add") {
            const slot = map.candidate(end);
            expect(slot === null).toBe(used.length === 20);
            if (slot === null) continue;
            expect(used).not.toContain(slot);
            map.take(slot);
            used.push(slot);
          } else {
            const [slot] = used.splice(step, 1);
            if (slot !== undefined) map.free(slot);
          }
        }
      }),
    );
  });

  test("goes on behind the old end when the lock LV was extended", () => {
    const map = createSlotMap();
    map.take(FIRST_LV_SLOT);
    expect(map.candidate(FIRST_LV_SLOT + 1)).toBeNull();
    expect(map.candidate(FIRST_LV_SLOT + 2)).toBe(FIRST_LV_SLOT + 1);
  });

  test("starts over to find what other hosts have freed", () => {
    const map = createSlotMap();
    map.take(FIRST_LV_SLOT);
    map.startOver();
    expect(map.candidate(FIRST_LV_SLOT + 1)).toBe(FIRST_LV_SLOT);
  });
});

describe("the value block", () => {
  test("is a whole sector with the struct at its start", () => {
    const bytes = encodeValueBlock({ layout: 0, flags: 0, r_version: 0 }, 77, 512);
    expect(bytes).toHaveLength(512);
    expect(decodeValueBlock(bytes)).toEqual({ layout: 0x0101, flags: 0, r_version: 77 });
    expect(decodeValueBlock(new Uint8Array(512))).toEqual({ layout: 0, flags: 0, r_version: 0 });
  });

  test("keeps the layout and the flags that another host has written", () => {
    const bytes = encodeValueBlock({ layout: 0x0102, flags: 3, r_version: 1 }, 2, 4096);
    expect(decodeValueBlock(bytes)).toEqual({ layout: 0x0102, flags: 3, r_version: 2 });
  });
});

test("the time that a start takes is sanlock's own: 20 to 50 s, and 140 to 200 s after an unclean stop", () => {
  expect(startTimes(10, 60)).toEqual({ free_min: 20, free_max: 50, held_min: 140, held_max: 200 });
});

test("a join that took longer than sanlock's own sleep wrote its lease late, and earlier renewals prove nothing", () => {
  const prepared = (io_timeout_s: number) => ({ io_timeout_s }) as Parameters<typeof hasJoinedQuickly>[0];
  expect([3000, 3600].map((took_ms) => hasJoinedQuickly(prepared(1), took_ms))).toEqual([true, false]);
  expect([21_000, 26_000, 160_000].map((took_ms) => hasJoinedQuickly(prepared(10), took_ms))).toEqual([
    true,
    false,
    false,
  ]);
});
