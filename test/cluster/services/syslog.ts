/** A syslog for guests that have none: what daemons and lvmlockctl say there can be read back. */
import type { Host } from "../lab/host.ts";

export async function startSyslog(host: Host): Promise<void> {
  await host.must("busybox syslogd -O /var/log/messages -s 0 && logger lab 2>/dev/null; test -S /dev/log");
}

export async function readSyslog(host: Host): Promise<string> {
  return (await host.must("cat /var/log/messages")).stdout;
}
