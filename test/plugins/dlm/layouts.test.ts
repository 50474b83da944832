import { describe, expect, test } from "bun:test";
import { DLM_LAYOUTS } from "../../../plugins/dlm/layouts.ts";
import { canCompare, compilerSays, type HeaderCheck, oursSay } from "../../rig/c-layouts.ts";

const check: HeaderCheck = {
  headers: ["/usr/include/libdlm.h", "/usr/include/libdlmcontrol.h"],
  layouts: DLM_LAYOUTS,
};

describe("the dlm's structs", () => {
  test.skipIf(!canCompare(check, "libdlm-dev and libdlmcontrol-dev"))(
    "have the sizes and offsets that the C headers give",
    () => {
      expect(compilerSays(check)).toBe(oursSay(check));
    },
  );
});
