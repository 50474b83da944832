import { describe, expect, test } from "bun:test";
import { loadConfig } from "../../grammar/load.ts";
import { readManagerSettings } from "../../grammar/manager-settings.ts";
import { optionsFor } from "./memory-files.ts";

const load = (text: string) => loadConfig(optionsFor({ "lvmlockd.conf": text }));

describe("the settings of lock managers that are not ours", () => {
  test("are passed on by the lock type, whatever they are called", () => {
    const config = load(
      'lock_manager_settings {\n dlm {\n server = "10.0.0.1"\n port = 7000\n ratio = 0.5\n peers = ["a", "b"]\n }\n}\n',
    );
    expect([config.ok, config.diagnostics]).toEqual([true, []]);
    expect(readManagerSettings(config.own).settings).toEqual({
      dlm: { server: "10.0.0.1", port: 7000, ratio: 0.5, peers: ["a", "b"] },
    });
  });

  test("that can't be passed on are errors with their place", () => {
    const config = load(
      "lock_manager_settings {\n dml {\n a = 1\n }\n idm {\n deep {\n b = 1\n }\n big = 9007199254740993\n }\n}\n",
    );
    expect(config.ok).toBe(false);
    expect(config.diagnostics.map(({ position, message }) => `${position?.line} ${message}`)).toEqual([
      '2 lock_manager_settings has no "dml": its sections are lock types',
      '6 "deep" can\'t be passed to a lock manager',
      '9 "big" can\'t be passed to a lock manager',
    ]);
  });

  test("do not loosen the check of names elsewhere", () => {
    expect(load("lock_manager_setings { }\n").ok).toBe(false);
  });
});
