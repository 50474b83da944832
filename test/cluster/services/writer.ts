/** An application that writes to an LV, and knows nothing of what goes on around it. */
import type { Host } from "../lab/host.ts";

/** The writer goes on until this is there. */
export const ENOUGH = "/run/enough";

/** Writes the host's name into the first block, over and over, several times a second. */
export async function startWriting(host: Host, lv: string): Promise<void> {
  const write = `echo ${host.name} | dd of=/dev/${lv} bs=512 conv=sync oflag=direct status=none`;
  await host.must(`(while [ ! -e ${ENOUGH} ]; do ${write}; sleep 0.1; done) >/dev/null 2>&1 </dev/null &`);
}

/** Who has written last. */
export async function readFirst(host: Host, lv: string): Promise<string> {
  const read = `dd if=/dev/${lv} bs=512 count=1 iflag=direct status=none | tr -d '\\0'`;
  return (await host.must(read)).stdout.trim();
}
