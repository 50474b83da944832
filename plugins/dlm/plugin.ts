import { type Capabilities, CONTRACT_VERSION, defineLockManager, refuse } from "../contract.ts";

const CAPABILITIES: Capabilities = {
  global_lock: "own",
  // One less than the dlm takes, as the C daemon cuts its names.
  lockspace_name_max: 63,
  on_disk_leases: false,
  value_block: true,
  shared_locks: true,
  owner_info: false,
  adoption: true,
  fencing: false,
  remote_refresh: true,
  queueing: true,
};

/** dlm: locks in the kernels of a corosync cluster, through libdlm and dlm_controld. */
export default defineLockManager({
  name: "dlm",
  contract_version: CONTRACT_VERSION,
  execution: "worker",
  lock_types: ["dlm"],
  capabilities: () => CAPABILITIES,
  async open(context) {
    // Loaded here, because whoever only asks for the capabilities needs neither the libraries nor the code that calls them.
    const [
      { openDlmClient },
      { openControlLibrary },
      threads,
      { openInThread },
      { createManager },
      { openKernel },
    ] = await Promise.all([
      import("./client-library.ts"),
      import("./control-library.ts"),
      Promise.all([import("./bounded-control.ts"), import("./control-thread.ts")]),
      import("./opener.ts"),
      import("./manager.ts"),
      import("./kernel.ts"),
    ]);
    const client = openDlmClient();
    if (client.kind === "missing") return refuse("EMANAGER", client.detail);
    const library = openControlLibrary();
    if (library.kind === "missing") return refuse("EMANAGER", library.detail);
    const [{ boundedControl }, { createControlThread }] = threads;
    const control = boundedControl(createControlThread(), library.can_run);
    const clock = { now_ms: () => performance.now(), sleep: (ms: number) => Bun.sleep(ms) };
    const tools = { client: client.client, control };
    const opening = { opener: openInThread, openings: new Map() };
    const manager = createManager({ ...tools, ...opening, kernel: openKernel(), clock, context });
    return { kind: "done", manager };
  },
});
