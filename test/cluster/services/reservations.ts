/** Our persistent reservation commands in a guest, each as a scenario asks for it, without lvmpersist's rules around them. */
import { join } from "node:path";
import type { Host } from "../lab/host.ts";

const PROGRAM = "/tmp/pr-commands.mjs";

/** Is there as soon as the program waits with a device open. */
export const OPEN_MARK = "/tmp/pr-open";

/** An answer as it crosses: keys are "0x…" text. */
export type Answer = { readonly kind: string; readonly detail?: string } & Readonly<Record<string, unknown>>;

/** A command of ReservableDevice by its name, with its call; keys may be "0x…" text. */
export type Call = readonly [command: string, call?: Readonly<Record<string, unknown>>];

let bundle: Promise<string> | null = null;

function program(): Promise<string> {
  bundle ??= (async () => {
    const built = await Bun.build({
      entrypoints: [join(import.meta.dirname, "reservations-in-guest.ts")],
      target: "bun",
    });
    const [output] = built.outputs;
    if (output === undefined) throw new Error("The program for the guest can't be bundled");
    return output.text();
  })();
  return bundle;
}

/** Brings the program into a host; after each boot again. */
export async function bringReservations(host: Host): Promise<void> {
  await host.write(PROGRAM, await program());
}

/**
 * Runs commands on a device, one after the other with the device open, and gives an answer for each. Where the device can't be
 * opened there is one answer, the refusal.
 */
export async function reservations(
  host: Host,
  device: string,
  calls: readonly Call[],
  options: { readonly timeout_ms?: number } = {},
): Promise<readonly Answer[]> {
  // Our executable is Bun too, and this makes it run any program.
  const words = ["BUN_BE_BUN=1 /opt/lvmlockd/lvmlockd", PROGRAM, `'${device}'`, `'${JSON.stringify(calls)}'`];
  const { stdout } = await host.must(words.join(" "), options);
  return JSON.parse(stdout) as readonly Answer[];
}

/** Runs one command and wants it done. */
export async function reservation(host: Host, device: string, ...call: Call): Promise<Answer> {
  const [answer] = await reservations(host, device, [call]);
  if (answer?.kind !== "done") throw new Error(`${call[0]} on ${host.name}: ${JSON.stringify(answer)}`);
  return answer;
}

/** Runs one command and wants it refused in this way. */
export async function refusedReservation(
  host: Host,
  device: string,
  kind: string,
  ...call: Call
): Promise<string> {
  const [answer] = await reservations(host, device, [call]);
  if (answer?.kind !== kind)
    throw new Error(`${call[0]} on ${host.name}: ${JSON.stringify(answer)}, not ${kind}`);
  return answer.detail ?? "";
}
