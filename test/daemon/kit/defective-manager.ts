/** The local lock manager, except that locking an LV named by "bad" throws where nobody can catch it: on the bare event loop. */
import {
  type Answer,
  defineLockManager,
  type LockManager,
  type LockManagerDefinition,
} from "../../../plugins/contract.ts";
import local from "../../../plugins/local/plugin.ts";
import { lvUuid } from "./in-process.ts";

function withDefect(manager: LockManager): LockManager {
  return {
    ...manager,
    openLockspace(identity) {
      const handle = manager.openLockspace(identity);
      return {
        ...handle,
        lock(call) {
          if (call.resource.name === lvUuid("bad"))
            setTimeout(() => {
              throw new Error("a defect that was put there for a test");
            });
          return handle.lock(call);
        },
      };
    },
  };
}

const definition: LockManagerDefinition = defineLockManager({
  ...local,
  name: "defective",
  open(context) {
    const opened = local.open({ ...context, test_mode: true }) as Answer<{ manager: LockManager }>;
    return opened.kind === "refused" ? opened : { kind: "done", manager: withDefect(opened.manager) };
  },
});

export default definition;
