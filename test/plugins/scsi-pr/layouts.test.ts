import { describe, expect, test } from "bun:test";
import { IOCTLS, PASSTHROUGH_LAYOUTS } from "../../../plugins/scsi-pr/layouts.ts";
import { canCompare, compilerSays, type HeaderCheck, oursSay } from "../../rig/c-layouts.ts";

const check: HeaderCheck = {
  headers: PASSTHROUGH_LAYOUTS.map(({ header }) => `/usr/include/${header}`),
  layouts: PASSTHROUGH_LAYOUTS,
  constants: IOCTLS,
};

describe("the structs of SG_IO and NVMe passthrough", () => {
  test.skipIf(!canCompare(check, "kernel headers"))(
    "have the offsets and request numbers of the headers",
    () => {
      expect(compilerSays(check)).toBe(oursSay(check));
    },
  );
});
