/** The plugin's own rules against a dlm in memory, with the suite of every lock manager; the real dlm is in test/cluster. */
import { conformance } from "../../../plugins/conformance/suite.ts";
import { createManager } from "../../../plugins/dlm/manager.ts";
import definition from "../../../plugins/dlm/plugin.ts";
import { fakeCluster, fakeNode } from "./fake-dlm.ts";

conformance("dlm over a dlm in memory", {
  // This dlm waits without letting anybody else run; queue.test.ts has one that releases meanwhile.
  definition: {
    ...definition,
    capabilities: (type) => ({ ...definition.capabilities(type), queueing: false }),
  },
  lock_type: "dlm",
  host_count: 3,
  async open() {
    const cluster = fakeCluster();
    const nodes = [1, 2, 3].map((nodeid) => fakeNode(cluster, nodeid));
    return {
      hosts: nodes.map(({ tools }) => createManager(tools)),
      async restart(index) {
        nodes[index]?.die();
        return createManager(fakeNode(cluster, index + 1).tools);
      },
      close: async () => {},
    };
  },
});
