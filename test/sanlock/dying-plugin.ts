/** The sanlock plugin, but its worker dies when it is asked for its status. */
import type { LockspaceHandle } from "../../plugins/contract.ts";
import definition from "../../plugins/sanlock/plugin.ts";

function mortal(handle: LockspaceHandle): LockspaceHandle {
  return {
    ...handle,
    status() {
      setTimeout(() => {
        throw new Error("died on request");
      }, 0);
      return new Promise(() => {});
    },
  };
}

export default {
  ...definition,
  async open(context: Parameters<typeof definition.open>[0]) {
    const opened = await definition.open(context);
    if (opened.kind === "refused") return opened;
    const { manager } = opened;
    return {
      ...opened,
      manager: {
        ...manager,
        openLockspace: (identity: Parameters<typeof manager.openLockspace>[0]) =>
          mortal(manager.openLockspace(identity)),
      },
    };
  },
};
