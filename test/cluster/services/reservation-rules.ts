/** What reservations let hosts do, and how a scenario looks at it. */
import type { Host } from "../lab/host.ts";
import { bringReservations, reservation } from "./reservations.ts";

export const TYPES = ["WE", "EA", "WERO", "EARO", "WEAR", "EAAR"] as const;
export type Type = (typeof TYPES)[number];

/** What a host that does not hold the reservation may do, by whether it is registered: SPC-4 clause 5.13.1, NVMe Base 8.19. */
export const MAY: Readonly<Record<Type, { readonly registered: string; readonly unregistered: string }>> = {
  WE: { registered: "read", unregistered: "read" },
  EA: { registered: "", unregistered: "" },
  WERO: { registered: "read write", unregistered: "read" },
  EARO: { registered: "read write", unregistered: "" },
  WEAR: { registered: "read write", unregistered: "read" },
  EAAR: { registered: "read write", unregistered: "" },
};

/** What dd can do with a device, past every cache: "read write", "read", "". */
export async function can(host: Host, device: string): Promise<string> {
  const { stdout } = await host.must(`
dd if=${device} of=/dev/null bs=4k count=1 skip=100 iflag=direct 2>/dev/null && echo read
dd if=/dev/zero of=${device} bs=4k count=1 seek=100 oflag=direct 2>/dev/null && echo write; true`);
  return stdout.trim().split(/\s+/).join(" ");
}

/** Fails unless both are the same plain data. */
export function want(what: string, found: unknown, expected: unknown): void {
  const [is, should] = [JSON.stringify(found), JSON.stringify(expected)];
  if (is !== should) throw new Error(`${what}: ${is}, not ${should}`);
}

/** A device that two hosts see, and the key of each. */
export interface TwoHosts {
  readonly a: Host;
  readonly b: Host;
  readonly device: string;
}
export const KEY_A = "0x1001";
export const KEY_B = "0x1002";

/** Reserves with a type as host a, and tries with real reads and writes what both hosts may do. Nothing is left behind. */
export async function checkType({ a, b, device }: TwoHosts, type: Type): Promise<void> {
  await reservation(a, device, "registerAndIgnore", { to: KEY_A, aptpl: false });
  await reservation(a, device, "reserve", { key: KEY_A, type });
  want(`${type}: the holder`, await can(a, device), "read write");
  want(`${type}: a host that is not registered`, await can(b, device), MAY[type].unregistered);
  await reservation(b, device, "register", { from: "0x0", to: KEY_B, aptpl: false });
  want(`${type}: a host that is registered`, await can(b, device), MAY[type].registered);
  const { reservation: held } = await reservation(b, device, "readReservation");
  const key = type === "WEAR" || type === "EAAR" ? "0x0" : KEY_A;
  want(`${type}: the reservation`, held, { type, key });
  await reservation(a, device, "release", { key: KEY_A, type });
  want(`${type}: after the release`, await can(b, device), "read write");
  await reservation(b, device, "clear", { key: KEY_B });
  const { keys } = await reservation(a, device, "readKeys");
  want(`${type}: after the clear`, keys, []);
}

/** Brings our commands into both hosts. */
export async function bringBoth({ a, b }: Pick<TwoHosts, "a" | "b">): Promise<void> {
  await Promise.all([bringReservations(a), bringReservations(b)]);
}

/** While host b writes with several processes, a takes it off the device; from then on no write of b's may land. */
export async function preemptUnderLoad({ a, b, device }: TwoHosts): Promise<void> {
  await reservation(a, device, "registerAndIgnore", { to: KEY_A, aptpl: false });
  await reservation(b, device, "registerAndIgnore", { to: KEY_B, aptpl: false });
  await reservation(b, device, "reserve", { key: KEY_B, type: "WERO" });
  await b.must(`
rm -f /tmp/ended /tmp/loads; tr '\\0' b </dev/zero | head -c 1M >/tmp/b
for n in 1 2 3 4; do
  (while dd if=/tmp/b of=${device} bs=64k oflag=direct conv=notrunc; do echo $n >>/tmp/loads; done
   echo $n >>/tmp/ended) </dev/null >/dev/null 2>&1 &
done`);
  await b.until("[ $(wc -l </tmp/loads) -ge 4 ] && [ ! -e /tmp/ended ]", { timeout_ms: 60_000 });
  await reservation(a, device, "preempt", { key: KEY_A, remove: KEY_B, type: "WERO", abort: true });
  await a.must(
    `tr '\\0' a </dev/zero | head -c 1M | dd of=${device} bs=1M iflag=fullblock oflag=direct 2>/dev/null`,
  );
  await b.until("[ $(wc -l </tmp/ended) = 4 ]", { timeout_ms: 60_000 });
  const { stdout } = await a.must(
    `sleep 1; dd if=${device} bs=1M count=1 iflag=direct 2>/dev/null | tr -d a | wc -c`,
  );
  want("bytes of b in what a wrote after it", stdout.trim(), "0");
  // What b is told first is news of the preempt (in SCSI a unit attention); it must not fail the next command.
  const { keys } = await reservation(b, device, "readKeys");
  want("keys after the preempt", keys, [KEY_A]);
}
