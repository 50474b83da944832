import { describe, expect, test } from "bun:test";
import { SANLOCK_LAYOUTS } from "../../../plugins/sanlock/layouts.ts";
import { canCompare, compilerSays, type HeaderCheck, oursSay } from "../../rig/c-layouts.ts";

/** Where sanlock.h is; test:sanlock compares the headers of other releases too. */
const directory = process.env.TEST_SANLOCK_HEADERS ?? "/usr/include";
const check: HeaderCheck = {
  headers: [`${directory}/sanlock.h`],
  layouts: SANLOCK_LAYOUTS,
  // A resource is followed by its disk, which the C struct ends before.
  tails: { "struct sanlk_resource": "struct sanlk_disk" },
};

describe("sanlock's structs", () => {
  test.skipIf(!canCompare(check, "libsanlock-dev"))(
    "have the sizes and offsets that the C headers give",
    () => {
      expect(compilerSays(check)).toBe(oursSay(check));
    },
  );
});
