/** lvmpersist at a real terminal, and what it leaves in syslog. */
import assert from "node:assert/strict";
import { PERSIST_EXIT } from "../../../../cli/lvmpersist/exit.ts";
import type { Host } from "../../lab/host.ts";
import { readSyslog, startSyslog } from "../../services/syslog.ts";
import { expectOnAll, KEY_A, KEY_B, persist, sgDevice, type World } from "./world.ts";

/** Runs a command on a terminal, and types the answer when it asks. What stood on the terminal is the result. */
async function onTerminal(
  host: Host,
  command: string,
  { answer, exit_status }: { answer: string | null; exit_status: number },
): Promise<string> {
  const typing =
    answer === null
      ? "true"
      : `for ((i = 0; i < 300; i++)); do grep -q 'y/n' /tmp/screen && break; sleep 0.2; done; echo ${answer}`;
  const { rc, stdout } = await host.run(
    `: >/tmp/screen; { ${typing}; } | script -qefc '${command}' /tmp/screen >/dev/null; rc=$?; cat /tmp/screen; exit $rc`,
  );
  assert.equal(rc, exit_status, `${command}: ${rc}\n${stdout}`);
  return stdout;
}

export async function atATerminal(world: World): Promise<void> {
  const { a, b, all, disks, step } = world;
  const remove = `lvmpersist remove --ourkey ${KEY_A} --removekey ${KEY_B} --vg vg0 ${all}`;
  const warning =
    "warning: vg0: the host with key 0x1000000000010002 (host_id 2, generation 1) loses 3 of 3 devices: ";
  const done = { answer: null, exit_status: PERSIST_EXIT.ok };
  await startSyslog(a);
  await step("at a terminal the host and the reason are named, and a no cuts nobody off", async () => {
    await persist(a, `start --ourkey ${KEY_A} --access sh ${all}`);
    await persist(b, `start --ourkey ${KEY_B} --access sh ${all}`);
    const screen = await onTerminal(a, remove, { answer: "n", exit_status: PERSIST_EXIT.failure });
    assert.ok(screen.includes(`${warning}its commands under way are aborted, its writes fail`), screen);
    assert.match(screen, /Go on\? \[y\/n\]: [\s\S]*not agreed to; nothing is changed/);
    await expectOnAll(world, [KEY_A, KEY_B], /all registrants/);
  });
  await step("a dry run warns and asks nobody, a yes cuts the host off, and syslog has it", async () => {
    const dry = await onTerminal(a, `${remove} --dry-run`, done);
    assert.ok(dry.includes(warning) && dry.includes("planned") && !dry.includes("y/n"), dry);
    await onTerminal(a, remove, { answer: "y", exit_status: PERSIST_EXIT.ok });
    await expectOnAll(world, [KEY_A], /all registrants/);
    const log = await readSyslog(a);
    const lines = log.split("\n").filter((line) => /daemon\.\w+ lvmpersist\[\d+\]:/.test(line));
    const told = [
      /\.notice .*started sda:sdc/,
      /\.warn.*loses 3 of 3/,
      /\.err.*not agreed to/,
      /\.warn.*loses 3 of 3/,
      /\.notice .*removed key 0x1000000000010002 for vg0/,
    ];
    for (const pattern of told) assert.match(lines.shift() ?? "", pattern, log);
    assert.deepEqual(lines, []);
  });
  await step("a person sees a table, and how far a long run is; in a pipe there is neither", async () => {
    assert.match(
      await onTerminal(a, `lvmpersist read ${all}`, done),
      /DEVICE +KIND +RESERVATION[\s\S]*\/dev\/sda +scsi +WEAR +off +0x1000000000010001 +1 +1/,
    );
    const generic = await sgDevice(a, disks.at(-1)?.path ?? "");
    const slow =
      `strace -f -o /dev/null -P ${generic} -e trace=write -e inject=write:delay_enter=300000 ` +
      `lvmpersist start --ourkey ${KEY_A} --access sh ${all}`;
    const screen = (await onTerminal(a, slow, done)).replaceAll("\r\u001b[2K", "<erased>");
    assert.match(screen, /<erased>registering: [12] of 3 devices<erased>/);
    assert.match(screen, /<erased> {2}lvmpersist: started sda:sdc/);
    const { stdout, stderr } = await a.must(`${slow} </dev/null`);
    assert.equal(stdout + stderr, `  lvmpersist: started sda:sdc with key ${KEY_A}.\n`);
    await persist(a, `stop --ourkey ${KEY_A} ${all}`);
  });
}
