import { conformance } from "../../../../plugins/conformance/suite.ts";
import { keyOfHost, printKey } from "../../../../plugins/scsi-pr/keys.ts";
import definition from "../../../../plugins/scsi-pr/plugin.ts";
import { createWorld } from "./world.ts";

conformance("scsi-pr on fake disks", {
  definition,
  lock_type: "dlm",
  host_count: 2,
  take_over_key: (host) => printKey(keyOfHost({ host_id: host + 1 })),
  async open() {
    const world = createWorld();
    const hosts = [await world.host({ nexus: "host1" }), await world.host({ nexus: "host2" })];
    return {
      hosts: hosts.map(({ manager }) => manager),
      async restart(index) {
        await hosts[index]?.manager.close?.();
        return (await world.host({ nexus: `host${index + 1}` })).manager;
      },
      close: async () => {},
    };
  },
});
