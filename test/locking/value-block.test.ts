import { describe, expect, test } from "bun:test";
import { wireResult } from "../../core/errors.ts";
import { VALUE_BLOCK_LAYOUT, VALUE_BLOCK_REMOVED, type ValueBlock } from "../../plugins/contract.ts";
import { argsOf, granted, refused } from "./manager.ts";
import { makeRig, type Rig } from "./rig.ts";

const block = (r_version: number, flags = 0, layout = VALUE_BLOCK_LAYOUT): ValueBlock => ({
  layout,
  flags,
  r_version,
});

function started(value_block: ValueBlock | null = null): Rig {
  const rig = makeRig();
  rig.startVg();
  rig.script("lock", () => granted(value_block));
  return rig;
}

/** The r_version of the latest release or conversion. */
const written = (rig: Rig, method: "unlock" | "convert" = "unlock"): number | undefined => {
  const call = rig.calls(method).at(-1);
  return call === undefined ? undefined : argsOf(call).r_version;
};

describe("the global lock's version", () => {
  test("counts every release from exclusive", () => {
    const rig = started(block(41));
    const a = rig.client();
    a.gl("ex");
    a.gl("un");
    expect(written(rig)).toBe(42);
  });

  test("is not written by a shared release", () => {
    const rig = started(block(41));
    const a = rig.client();
    a.gl("sh");
    a.gl("un");
    expect(written(rig)).toBe(0);
  });

  test("is counted by a conversion from exclusive and by the end of the client", () => {
    const rig = started(block(41));
    const a = rig.client();
    a.gl("ex");
    a.gl("sh");
    expect(written(rig, "convert")).toBe(42);
    a.gl("un");
    const b = rig.client();
    b.gl("ex");
    b.close();
    expect(written(rig)).toBe(42);
  });
});

describe("vg_update", () => {
  test("announces the version that giving up exclusive writes", () => {
    const rig = started(block(5));
    const a = rig.client();
    a.vg("ex");
    expect(a.ask("vg_update", { vg_name: "vg", version: 6 })).toBe(0);
    a.vg("un");
    expect(written(rig)).toBe(6);
    expect(rig.resource("VGLK")?.version).toBe(6);
  });

  test("counts for a conversion to shared and for the end of the client too", () => {
    const rig = started(block(5));
    const a = rig.client();
    a.vg("ex");
    a.ask("vg_update", { vg_name: "vg", version: 6 });
    a.vg("sh");
    expect(written(rig, "convert")).toBe(6);
    a.vg("ex");
    a.ask("vg_update", { vg_name: "vg", version: 7 });
    a.close();
    expect(written(rig)).toBe(7);
  });

  test("with next_version goes one up from the current version", () => {
    const rig = started(block(5));
    const a = rig.client();
    a.vg("ex");
    a.ask("vg_update", { vg_name: "vg", opts: { next_version: true } });
    a.vg("un");
    expect(written(rig)).toBe(6);
  });

  test("with a version that is not larger is no error and writes nothing", () => {
    const rig = started(block(5));
    const a = rig.client();
    a.vg("ex");
    expect(a.ask("vg_update", { vg_name: "vg", version: 5 })).toBe(0);
    a.vg("un");
    expect(written(rig)).toBe(0);
  });

  test("without a lock is ENOENT, with a shared one EINVAL, without the VG ENOLS", () => {
    const rig = started();
    const a = rig.client();
    expect(a.ask("vg_update", { vg_name: "vg", version: 1 })).toBe(wireResult("ENOENT"));
    a.vg("sh");
    expect(a.ask("vg_update", { vg_name: "vg", version: 1 })).toBe(wireResult("EINVAL"));
    expect(a.ask("vg_update", { vg_name: "other", version: 1 })).toBe(wireResult("ENOLS"));
  });

  test("of a client that does not hold the lock itself is ENOENT", () => {
    const rig = started();
    rig.client().vg("ex");
    expect(rig.client().ask("vg_update", { vg_name: "vg", version: 1 })).toBe(wireResult("ENOENT"));
  });
});

describe("a version", () => {
  test("that a refused release did not write is written by the next try", () => {
    const rig = started(block(5));
    const a = rig.client();
    a.vg("ex");
    a.ask("vg_update", { vg_name: "vg", version: 6 });
    rig.script("unlock", () => refused("ELOCKIO"));
    a.vg("un");
    rig.unscript("unlock");
    a.vg("un");
    expect(written(rig)).toBe(6);
  });
});

describe("a value block", () => {
  const versionAfter = (...blocks: (ValueBlock | null)[]): number | undefined => {
    const rig = started();
    for (const next of blocks) {
      rig.script("lock", () => granted(next));
      const a = rig.client();
      a.vg("sh");
      a.close();
    }
    return rig.resource("VGLK")?.version;
  };

  test("that another host has written on gives the new version", () => {
    expect(versionAfter(block(5), block(9))).toBe(9);
  });

  test("that went backward (a VG made anew) is believed", () => {
    expect(versionAfter(block(9), block(2))).toBe(2);
  });

  test("that is zero or lost leaves the version as it was", () => {
    expect(versionAfter(block(9), block(0))).toBe(9);
    expect(versionAfter(block(9), null)).toBe(9);
  });

  test("that was written again after it was lost is believed", () => {
    expect(versionAfter(block(9), null, block(3))).toBe(3);
  });

  test("of a newer layout refuses the lock with EINVAL and gives it back", () => {
    const rig = started(block(5, 0, 0x0201));
    expect(rig.client().vg("sh")).toBe(wireResult("EINVAL"));
    expect(rig.resource("VGLK")?.mode).toBe("un");
    expect(rig.calls("unlock").length).toBe(1);
  });

  test("of a newer minor layout is good", () => {
    expect(
      started(block(5, 0, 0x01ff))
        .client()
        .vg("sh"),
    ).toBe(0);
  });

  test("that says REMOVED refuses the lock with EREMOVED and gives it back", () => {
    const rig = started(block(5, VALUE_BLOCK_REMOVED));
    expect(rig.client().vg("ex")).toBe(wireResult("EREMOVED"));
    expect(rig.resource("VGLK")?.mode).toBe("un");
    expect(written(rig)).toBe(0);
  });

  test("that says REMOVED refuses those behind as well, one after the other", () => {
    const rig = started(block(5, VALUE_BLOCK_REMOVED));
    rig.hold("lock");
    const [a, b] = [rig.client(), rig.client()];
    a.vg("ex");
    b.vg("sh");
    rig.answer(granted(block(5, VALUE_BLOCK_REMOVED)));
    rig.answer(granted(block(5, VALUE_BLOCK_REMOVED)));
    expect([a.result(), b.result()]).toEqual([wireResult("EREMOVED"), wireResult("EREMOVED")]);
  });

  test("on an LV lock means nothing", () => {
    expect(started(block(5, VALUE_BLOCK_REMOVED)).client().lv("lv1", "ex")).toBe(0);
  });
});
