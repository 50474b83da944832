import type { FakeDisk } from "../fake-disk.ts";

/** Who is registered with a disk, and who holds it. */
export const stateOf = (disk: FakeDisk) => ({
  registered: [...disk.registered],
  reservation: disk.reservation,
});
