import {
  bindDatagram,
  closeDatagram,
  openDatagram,
  receiveDatagram,
  unixAddress,
} from "../../plugins/native/datagram.ts";

/** The socket on which lvmlockctl takes the info and dump texts. */
export interface DumpSocket {
  /** The text that has arrived. Daemons send it after their reply, so ask with a deadline for its length. */
  text(size_bytes: number): Promise<string>;
  close(): void;
}

const NAME = "\0lvmlockd-dump.sock";
const DATAGRAM_SIZE_BYTES = 65536;
/** The name is one for the whole machine: another test may have it for a moment. */
const FREE_DEADLINE_MS = 20_000;
/** The C daemon gives up sending after half a second. */
const ARRIVAL_DEADLINE_MS = 5_000;

/** Binds the name as lvmlockctl does, and waits while somebody else has it. */
export async function openDumpSocket(): Promise<DumpSocket> {
  const opened = openDatagram();
  const address = unixAddress(NAME);
  if (opened.kind !== "opened" || address === null) throw new Error("no datagram socket");
  const { fd } = opened;
  for (const deadline = Date.now() + FREE_DEADLINE_MS; bindDatagram(fd, address).kind !== "bound"; ) {
    if (Date.now() > deadline) throw new Error("somebody keeps lvmlockctl's socket");
    await Bun.sleep(5);
  }
  const chunk = new Uint8Array(DATAGRAM_SIZE_BYTES);
  return {
    text: async (size_bytes) => {
      const parts: Buffer[] = [];
      const size = (): number => parts.reduce((sum, part) => sum + part.length, 0);
      for (const deadline = Date.now() + ARRIVAL_DEADLINE_MS; size() < size_bytes; ) {
        const received = receiveDatagram(fd, chunk);
        if (received.kind === "received") parts.push(Buffer.from(chunk.subarray(0, received.size_bytes)));
        else if (Date.now() > deadline) throw new Error(`only ${size()} of ${size_bytes} bytes have arrived`);
        else await Bun.sleep(1);
      }
      return Buffer.concat(parts).toString("latin1");
    },
    close: () => closeDatagram(fd),
  };
}
