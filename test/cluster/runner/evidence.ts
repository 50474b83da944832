/** What is kept of a cluster in which a scenario failed. */
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheDirectory } from "../image/cache.ts";
import type { Cluster } from "../lab/cluster.ts";
import type { Guest } from "../lab/qemu.ts";

/** A host that hangs is not waited for; one among many others on a busy machine needs a while for each command. */
const collect_ms_max = 60_000;
const tail_lines = 60;

/** Each by itself, so that one which hangs takes nothing else along. */
const LOGS = [
  "ps -eo pid,ppid,stat,etimes,args --forest",
  "lvmlockctl --info",
  "lvmlockctl --dump",
  "sanlock client status",
  "sanlock client log_dump",
  "dlm_tool status",
  "dlm_tool ls",
  "dlm_tool dump",
  "corosync-quorumtool -s",
  "dmsetup table",
  "cat /run/lvm/lvmlockd.adopt",
  "cat /etc/lvm/lvm.conf /etc/lvm/lvmlocal.conf",
  "dmesg",
  'for log in /var/log/*.log /var/log/*/*.log; do echo "---- $log"; tail -n 2000 "$log"; done',
];

/** What the host's daemons say, in the order of the list, and of each that gives no answer that it gives none. */
async function collectLogs({ agent }: Guest): Promise<string> {
  const late = Bun.sleep(collect_ms_max).then(() => null);
  const said = await Promise.all(
    LOGS.map(async (command) => {
      const result = await Promise.race([agent.run(`exec 2>&1; ${command}`, collect_ms_max), late]);
      return `==== ${command}\n${result?.stdout ?? "No answer."}\n`;
    }),
  );
  return said.join("\n");
}

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
        writeFileSync(file(`${host.name}-logs`), await collectLogs(guest));
      }),
    );
  }
  return directory;
}

/** The end of what happened, for the terminal. */
export function lastLines(cluster: Cluster): string {
  return cluster.transcript.text().trimEnd().split("\n").slice(-tail_lines).join("\n");
}
