/** A host of the cluster: a guest that runs commands, can be crashed, stopped and booted again. */
import type { Result } from "./agent.ts";
import type { Ending } from "./ending.ts";
import { Late, NotRefused } from "./failures.ts";
import type { Guest } from "./qemu.ts";
import { describeResult, type Transcript } from "./transcript.ts";

export interface RunOptions {
  /** The command and what it started in its process group are ended after this; the default is two minutes. */
  readonly timeout_ms?: number;
}

export interface PollOptions {
  readonly timeout_ms: number;
  readonly every_ms?: number;
}

export interface Host {
  readonly name: string;
  /** 1 for the first; also the host_id of lvm and the last byte of its addresses. */
  readonly id: number;
  readonly address: string;
  /** Runs a bash script as root. Scripts that are run at the same time run at the same time. */
  run(script: string, options?: RunOptions): Promise<Result>;
  /** The same, and fails with the transcript of it when the script fails. */
  must(script: string, options?: RunOptions): Promise<Result>;
  /** The same, and fails when the script succeeds or its stderr does not match. */
  refused(script: string, why: RegExp, options?: RunOptions): Promise<Result>;
  /** Fails as `refused` does when the path is there, e.g. the device of an LV that must not be active here. */
  absent(path: string): Promise<void>;
  /** Runs it again until it succeeds. */
  until(script: string, options: PollOptions): Promise<Result>;
  write(path: string, text: string): Promise<void>;
  read(path: string): Promise<string>;
  /** The power goes: nothing of its memory is left, its disks keep what they were given. */
  crash(): Promise<void>;
  /** Nothing runs any more and time goes on, as when a machine's firmware takes it away from its kernel. */
  hang(): void;
  /** Ends `hang` and `freeze`. */
  resume(): Promise<void>;
  /** Nothing runs and the host's own clock stands too, as with a virtual machine that is paused. */
  freeze(): Promise<void>;
  /** Starts a host that has crashed, with its disks, its lvm configuration and no daemon. */
  boot(): Promise<void>;
  running(): boolean;
  /** Resolves when the host goes down, e.g. because its watchdog fires. */
  down(timeout_ms: number): Promise<void>;
  /** The guest underneath, for what is not here. */
  guest(): Guest;
}

const run_ms_default = 120_000;
/** A look costs the emulated host as much as the work that it waits for. */
const poll_ms_default = 800;

export interface HostParts {
  readonly name: string;
  readonly id: number;
  readonly transcript: Transcript;
  readonly ending: Ending;
  readonly start: () => Promise<Guest>;
}

type Commands = Pick<Host, "run" | "must" | "refused" | "absent" | "until" | "write" | "read">;

function commandsOf({ name, transcript, ending }: HostParts, guest: () => Guest): Commands {
  const fail = (why: string, script: string, result: Result): never => {
    throw new Error(`${why}\n${describeResult(name, script, result)}`);
  };
  const notRefused = (why: string, script: string, result: Result): never => {
    transcript.wrong(name, why);
    throw new NotRefused(`${why}\n${describeResult(name, script, result)}`);
  };
  const run: Host["run"] = async (script, options = {}) => {
    const timeout_ms = options.timeout_ms ?? run_ms_default;
    const result = await ending.hold(() => guest().agent.run(script, timeout_ms));
    transcript.command(name, script, result);
    return result;
  };
  const must: Host["must"] = async (script, options) => {
    const result = await run(script, options);
    return result.rc === 0 ? result : fail("This must succeed:", script, result);
  };
  const refused: Host["refused"] = async (script, why, options) => {
    const result = await run(script, options);
    if (result.rc === 0) return notRefused("This must be refused:", script, result);
    if (result.rc === 124 || result.rc === 255)
      return fail("This must be refused, not hang:", script, result);
    return why.test(result.stderr) ? result : fail(`This must be refused with ${why}:`, script, result);
  };
  const absent: Host["absent"] = async (path) => {
    const script = `test -e '${path}'`;
    const result = await run(script);
    if (result.rc === 0) notRefused("This must not be there:", script, result);
    if (result.rc !== 1) fail("This must be answered:", script, result);
  };
  const until: Host["until"] = async (script, { timeout_ms, every_ms = poll_ms_default }) => {
    const end_ms = performance.now() + timeout_ms;
    for (;;) {
      const result = await run(script, { timeout_ms: Math.max(1000, end_ms - performance.now()) });
      if (result.rc === 0) return result;
      if (performance.now() > end_ms)
        return fail(`This must succeed within ${timeout_ms} ms:`, script, result);
      await Bun.sleep(every_ms);
    }
  };
  const write: Host["write"] = async (path, text) => {
    const base64 = Buffer.from(text).toString("base64");
    await must(`mkdir -p "$(dirname '${path}')" && base64 -d >'${path}' <<<'${base64}'`);
  };
  const read: Host["read"] = async (path) => (await must(`cat '${path}'`)).stdout;
  return { run, must, refused, absent, until, write, read };
}

/** Starts the guest and makes a host of it. */
export async function startHost(parts: HostParts): Promise<Host> {
  const { name, id, transcript, ending } = parts;
  let guest = await parts.start();
  let isHung = false;
  let isFrozen = false;
  const boot = async (): Promise<void> => {
    if (guest.running()) throw new Error(`${name} is running`);
    transcript.note(name, "boots");
    guest = await parts.start();
  };
  const down = async (timeout_ms: number): Promise<void> => {
    const late = Bun.sleep(timeout_ms).then(() => "late");
    if ((await Promise.race([guest.ended, late])) === "late")
      throw new Late(`${name} is still up after ${timeout_ms} ms`);
  };
  const resume = async (): Promise<void> => {
    transcript.note(name, "goes on");
    if (isHung) guest.signal("SIGCONT");
    if (isFrozen) await guest.qmp.execute("cont");
    isHung = false;
    isFrozen = false;
  };
  return {
    name,
    id,
    address: `10.77.0.${id}`,
    ...commandsOf(parts, () => guest),
    crash: () =>
      ending.hold(() => {
        transcript.note(name, "crashes");
        return guest.kill();
      }),
    hang: () => {
      transcript.note(name, "hangs");
      isHung = true;
      guest.signal("SIGSTOP");
    },
    freeze: () =>
      ending.hold(async () => {
        transcript.note(name, "is frozen");
        isFrozen = true;
        await guest.qmp.execute("stop");
      }),
    resume: () => ending.hold(resume),
    boot: () => ending.hold(boot),
    running: () => guest.running(),
    down: (timeout_ms) => ending.hold(() => down(timeout_ms)),
    guest: () => guest,
  };
}
