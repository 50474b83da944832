import { type Capabilities, CONTRACT_VERSION, defineLockManager, refuse } from "../contract.ts";
import { NAME_SIZE_BYTES } from "./layouts.ts";

const CAPABILITIES: Capabilities = {
  global_lock: "in-vg",
  lockspace_name_max: NAME_SIZE_BYTES,
  on_disk_leases: true,
  value_block: true,
  shared_locks: true,
  owner_info: true,
  adoption: true,
  fencing: true,
  remote_refresh: false,
  queueing: false,
};

/** sanlock: locks as leases on the VG's own storage, through libsanlock_client and the sanlock daemon of the host. */
export default defineLockManager({
  name: "sanlock",
  contract_version: CONTRACT_VERSION,
  execution: "worker",
  lock_types: ["sanlock"],
  capabilities: () => CAPABILITIES,
  async open(context) {
    // Loaded here, because whoever only asks for the capabilities needs neither the library nor the code that calls it.
    const [{ openSanlockClient }, { createManager }, { readSettings }] = await Promise.all([
      import("./client-library.ts"),
      import("./manager.ts"),
      import("./settings.ts"),
    ]);
    const settings = readSettings(context.settings);
    if (settings.kind === "wrong")
      return refuse("EMANAGER", `the settings of the sanlock plugin are wrong: ${settings.problem}`);
    const opened = openSanlockClient();
    if (opened.kind === "missing") return refuse("EMANAGER", opened.detail);
    const tools = { client: opened.client, settings: settings.args, context };
    return { kind: "done", manager: createManager(tools) };
  },
});
