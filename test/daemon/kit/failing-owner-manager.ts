/**
 * The local lock manager with the manners of one whose hosts can fail: the LV "taken" is held by host_id 5, which has failed, until
 * that host is declared dead. This host is host_id 1 in generation 7.
 */
import {
  type Answer,
  defineLockManager,
  type LockManager,
  type LockManagerDefinition,
  refuse,
} from "../../../plugins/contract.ts";
import local from "../../../plugins/local/plugin.ts";
import { lvUuid } from "./in-process.ts";

const OWNER = { host_id: 5, generation: 3, timestamp_s: 1, state: "FAIL", name: "five" };

function withFailedOwner(manager: LockManager): LockManager {
  let isDead = false;
  return {
    ...manager,
    openLockspace(identity) {
      const handle = manager.openLockspace(identity);
      return {
        ...handle,
        prepare: () => ({ kind: "done", lm_result: 0, prev_generation: 6, global_lock: "not-here" }),
        async join(call) {
          const joined = await handle.join(call);
          return joined.kind === "done" ? { ...joined, generation: 7 } : joined;
        },
        lock(call) {
          if (call.resource.name !== lvUuid("taken")) return handle.lock(call);
          if (isDead) return { kind: "done", lm_result: 0, value_block: null, adopted: false };
          return refuse("EAGAIN", "host_id 5 holds it", { owner: OWNER, retry: "after-fence" });
        },
        setHostDead({ host_id, generation }) {
          isDead = host_id === OWNER.host_id && generation === OWNER.generation;
          return { kind: "done" };
        },
      };
    },
  };
}

const definition: LockManagerDefinition = defineLockManager({
  ...local,
  name: "failing-owner",
  capabilities: (lock_type) => ({ ...local.capabilities(lock_type), fencing: true }),
  open(context) {
    const opened = local.open({ ...context, test_mode: true }) as Answer<{ manager: LockManager }>;
    return opened.kind === "refused" ? opened : { kind: "done", manager: withFailedOwner(opened.manager) };
  },
});

export default definition;
