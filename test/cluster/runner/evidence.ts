/** What is kept of a cluster in which a scenario failed. */
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheDirectory } from "../image/cache.ts";
import type { Cluster } from "../lab/cluster.ts";

/** A host that hangs is not waited for. */
const collect_ms_max = 15_000;
const tail_lines = 60;

const LOGS = `
exec 2>&1
say() { echo; echo "==== $*"; timeout 5 "$@"; }
say ps -eo pid,ppid,stat,etimes,args --forest
say lvmlockctl --info
say lvmlockctl --dump
say sanlock client status
say sanlock client log_dump
say dlm_tool status
say dlm_tool ls
say dlm_tool dump
say corosync-quorumtool -s
say dmsetup table
say cat /run/lvm/lvmlockd.adopt
say cat /etc/lvm/lvm.conf /etc/lvm/lvmlocal.conf
say dmesg
for log in /var/log/*.log /var/log/*/*.log; do say tail -n 2000 "$log"; done
true`;

/** Writes transcript, consoles and daemon logs into a directory and returns its path. */
export async function keepEvidence(
  name: string,
  clusters: readonly Cluster[],
  error: unknown,
): Promise<string> {
  const directory = join(cacheDirectory(), "failures", name);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  writeFileSync(
    join(directory, "error.txt"),
    error instanceof Error ? (error.stack ?? error.message) : String(error),
  );
  for (const [number, cluster] of clusters.entries()) {
    const file = (what: string): string => join(directory, `${number > 0 ? `${number}-` : ""}${what}.txt`);
    writeFileSync(file("transcript"), cluster.transcript.text());
    await Promise.all(
      cluster.hosts.map(async (host) => {
        const guest = host.guest();
        if (existsSync(guest.console_path)) copyFileSync(guest.console_path, file(`${host.name}-console`));
        if (!guest.running()) return;
        const late = Bun.sleep(collect_ms_max).then(() => null);
        const logs = await Promise.race([guest.agent.run(LOGS, collect_ms_max), late]);
        writeFileSync(file(`${host.name}-logs`), logs?.stdout ?? "The host gives no answer.\n");
      }),
    );
  }
  return directory;
}

/** The end of what happened, for the terminal. */
export function lastLines(cluster: Cluster): string {
  return cluster.transcript.text().trimEnd().split("\n").slice(-tail_lines).join("\n");
}
