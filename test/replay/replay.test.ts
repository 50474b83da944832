import { afterAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Connection, connect } from "../rig/connection.ts";
import { type Flavour, type RunningDaemon, startDaemon } from "../rig/daemon.ts";
import { type DumpSocket, openDumpSocket } from "../rig/dump-socket.ts";
import { canMakeLeaseDevices, makeLeaseDevice } from "../rig/lease-device.ts";
import { parseReply } from "../rig/replies.ts";
import { TERMINATOR } from "../rig/requests.ts";
import { type CapturedLife, type Exchange, readCapture } from "./capture.ts";
import { meantReply } from "./meant-otherwise.ts";

/*
 * What real lvm commands sent to the C daemon and what it answered, sent again to ours. LVMLOCKD_REPLAY_AGAINST=c sends
 * those of its version to the C daemon of this machine instead, which shows whether a difference is ours.
 */

interface Capture {
  readonly file: string;
  readonly dialect: string;
  /** The options that the captured daemon ran with, besides -T. */
  readonly options: readonly string[];
  /** VGs that are started with sanlock. */
  readonly sanlock_vgs: readonly string[];
}

const CAPTURES: readonly Capture[] = [
  { file: "lvm-2.03.16-dlm.txt", dialect: "2.03.16", options: ["-g", "dlm"], sanlock_vgs: [] },
  { file: "lvm-2.03.40-dlm.txt", dialect: "2.03.40", options: ["-g", "dlm"], sanlock_vgs: [] },
  { file: "lvm-2.03.40-sanlock.txt", dialect: "2.03.40", options: [], sanlock_vgs: ["vgS", "vgR", "vgT"] },
];

const flavour: Flavour = process.env.LVMLOCKD_REPLAY_AGAINST === "c" ? "c" : "ours";
const running: RunningDaemon[] = [];
const removals = canMakeLeaseDevices()
  ? CAPTURES.flatMap((capture) => capture.sanlock_vgs.map(makeLeaseDevice))
  : [];
afterAll(async () => {
  for (const remove of removals) remove();
  await Promise.all(running.map((daemon) => daemon.destroy()));
});

/** A reply as it is compared: without the length of the info text, which has pids in it, and without our `detail`. */
const masked = (reply: string): string =>
  reply.replace(/^dump_len = \d+$/m, "dump_len = MASKED").replace(/^detail = .*\n/m, "");

function expected({ file }: Capture, { line, reply }: Exchange): string {
  return masked(flavour === "ours" ? meantReply(file, line, reply) : reply);
}

/** Sends one request; of info and dump also takes the text, which must be as long as the reply says. */
async function ask(client: Connection, request: string): Promise<string> {
  if (!/^request = "(info|dump)"$/m.test(request)) return client.ask(request);
  const socket: DumpSocket = await openDumpSocket();
  try {
    const reply = await client.ask(request);
    const size_bytes = Number(parseReply(reply).get("dump_len"));
    expect(await socket.text(size_bytes)).toHaveLength(size_bytes);
    return reply;
  } finally {
    socket.close();
  }
}

async function replay(capture: Capture, life: CapturedLife): Promise<void> {
  const dialect = flavour === "ours" ? ["--wire-dialect", capture.dialect] : [];
  const daemon = await startDaemon({ flavour, options: ["-T", ...capture.options, ...dialect] });
  running.push(daemon);
  for (const { command, exchanges } of life) {
    const client = await connect(daemon.socket_path);
    for (const exchange of exchanges) {
      const reply = `${await ask(client, exchange.request)}${TERMINATOR}`;
      const where = `${capture.file}:${exchange.line} ${command}\n${exchange.request}`;
      expect(where + masked(reply)).toBe(where + expected(capture, exchange));
    }
    client.close();
  }
}

if (!canMakeLeaseDevices())
  console.error(
    "\n*** NOT replayed: the sanlock capture. It needs paths in /dev/mapper, which only root can make. ***\n",
  );
const replayable = CAPTURES.filter(({ sanlock_vgs }) => sanlock_vgs.length === 0 || canMakeLeaseDevices());

const dialects = flavour === "c" ? ["2.03.16"] : ["2.03.16", "2.03.40"];

describe.each(replayable.filter(({ dialect }) => dialects.includes(dialect)))(
  "the requests captured in $file get the captured replies",
  (capture) => {
    const text = readFileSync(join(import.meta.dirname, "captures", capture.file), "utf8");
    test.each(readCapture(text).map((life, index) => ({ number: index + 1, life })))(
      "daemon $number",
      async ({ life }) => replay(capture, life),
      60_000,
    );
  },
);
