/** multipathd's socket as the system has it; what its replies mean is in multipath.test.ts. */
import { expect, test } from "bun:test";
import { closeSync } from "node:fs";
import { join } from "node:path";
import { unixAddress } from "../../../plugins/native/datagram.ts";
import { libc } from "../../../plugins/native/libc.ts";

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
/** More than any backlog that Bun asks for. */
const CONNECTIONS_MAX = 5000;

/** Connects to the socket until no more connections can wait there. */
function fillBacklog(name: string): number[] {
  const address = unixAddress(name);
  if (address === null) throw new Error(`${name} is no address`);
  const fds: number[] = [];
  while (fds.length < CONNECTIONS_MAX) {
    const fd = libc().socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0) throw new Error(`no socket after ${fds.length}`);
    fds.push(fd);
    if (libc().connect(fd, address.bytes, address.size_bytes) !== 0) return fds;
  }
  throw new Error("the socket takes any number of connections");
}

test("a multipathd that hangs and takes no more connections is not waited for", () => {
  const name = `@multipathd-test-${process.pid}`;
  const listener = Bun.listen({ unix: `\0${name.slice(1)}`, socket: { data: () => undefined } });
  const fds = fillBacklog(name);
  try {
    // A process of its own, since a call that blocks would block the test's own time limit as well.
    const module = join(import.meta.dir, "../../../plugins/scsi-pr/multipathd.ts");
    const script = `const { askMultipathd } = await import(${JSON.stringify(module)});
      console.log(JSON.stringify(askMultipathd("getprkey map dm-0", [${JSON.stringify(name)}])));`;
    const asked = Bun.spawnSync([process.execPath, "--config=/dev/null", "-e", script], {
      timeout: 4000,
      killSignal: "SIGKILL",
    });
    expect(asked.stdout.toString().trim()).toBe(
      JSON.stringify({ kind: "absent", detail: "multipathd does not take connections" }),
    );
  } finally {
    for (const fd of fds) closeSync(fd);
    listener.stop(true);
  }
});
