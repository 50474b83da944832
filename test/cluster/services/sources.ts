/** The project's sources in a guest, for tests that run there under the Bun that is inside our executable. */
import { join } from "node:path";
import type { Host } from "../lab/host.ts";

const repository = process.env.LVMLOCKD_CLUSTER_SOURCE ?? join(import.meta.dirname, "../../..");

/** Where they are in the guest. */
export const GUEST_SOURCES = "/run/lvmlockd-sources";

/** An executable of Bun's build is Bun itself when it is told to be. */
export const GUEST_BUN = "BUN_BE_BUN=1 /opt/lvmlockd/lvmlockd";

/** Brings these folders of the repository to the hosts. */
export async function bringSources(hosts: readonly Host[], folders: readonly string[]): Promise<void> {
  const tar = Bun.spawn(["tar", "-C", repository, "-cz", ...folders], { stdout: "pipe" });
  const packed = Buffer.from(await new Response(tar.stdout).arrayBuffer()).toString("base64");
  if ((await tar.exited) !== 0) throw new Error(`tar failed for ${folders.join(" ")}`);
  await Promise.all(
    hosts.map(async (host) => {
      await host.write("/run/sources.b64", packed);
      await host.must(
        `mkdir -p ${GUEST_SOURCES} && base64 -d /run/sources.b64 | tar -C ${GUEST_SOURCES} -xz && rm /run/sources.b64`,
      );
    }),
  );
}
