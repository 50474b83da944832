import { type ConformanceHarness, conformance } from "../../../plugins/conformance/suite.ts";
import type { LockManager, LockType, ManagerContext } from "../../../plugins/contract.ts";
import { createLocalDefinition } from "../../../plugins/local/plugin.ts";

const definition = createLocalDefinition({ pathExists: () => true, machine_id_path: "/etc/machine-id" });

function context(lock_type: LockType, test_mode: boolean): ManagerContext {
  return { lock_type, test_mode, io_timeout_s: 0, lvmlockctl_path: "", settings: {}, news: () => {} };
}

async function openLocal(lock_type: LockType, test_mode: boolean): Promise<LockManager> {
  const opened = await definition.open(context(lock_type, test_mode));
  if (opened.kind === "refused") throw new Error(opened.detail);
  return opened.manager;
}

function harness(lock_type: LockType, test_mode: boolean): ConformanceHarness {
  return {
    definition,
    lock_type,
    // There is one host by nature: another one would be another machine, which may not start this one's VGs.
    host_count: 1,
    open: async () => ({
      hosts: [await openLocal(lock_type, test_mode)],
      restart: () => openLocal(lock_type, test_mode),
      close: async () => {},
    }),
  };
}

conformance("local for dlm", harness("dlm", false));
conformance("local for sanlock", harness("sanlock", false));
conformance("local for idm", harness("idm", false));
conformance("local for dlm in test mode", { ...harness("dlm", true), foreign_vg_lock_args: null });
conformance("local for sanlock in test mode", {
  ...harness("sanlock", true),
  init_vg_lock_args: "lvmlock",
  foreign_vg_lock_args: null,
  // As the C daemon's test mode has it.
  convert_stores_version: false,
  keeps_global_lock_disabled: false,
});
