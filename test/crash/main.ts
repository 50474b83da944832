/**
 * Kills the daemon again and again (kill -9) while clients lock: after each restart what is held is what was granted.
 *
 *   bun run test/crash/main.ts [--seed N] [--rounds N]
 */
import { parseArgs } from "node:util";
import { connectAndGreet } from "../rig/connection.ts";
import { launchDaemon, startDaemon } from "../rig/daemon.ts";
import { chooseSeed, makeRandom } from "../rig/random.ts";
import { parseReply } from "../rig/replies.ts";
import { encodeRequest, lockRequest, type RequestSpec, startRequest, vgRequest } from "../rig/requests.ts";
import { makeScratch } from "../rig/scratch.ts";
import { rerunWithoutDeviceMapper } from "../rig/without-device-mapper.ts";
import { makeBeliefs } from "./beliefs.ts";
import { ask, loadUntilDeath, type OwnedLock } from "./load.ts";

await rerunWithoutDeviceMapper(import.meta.path);

const { values } = parseArgs({
  options: { seed: { type: "string" }, rounds: { type: "string", default: "60" } },
});
const seed = chooseSeed();
const rounds = Number(values.rounds);
console.log(`seed ${seed}`);

const CLIENTS = 6;
const VGS = ["vg0", "vg1", "vg2"] as const;
const LVS_PER_CLIENT = 8;
/** Longer than a few hundred requests take: the daemon dies at every stage of the load. */
const LONGEST_LIFE_MS = 40;
/** Longer than a start takes: some daemons die before they have adopted anything. */
const LONGEST_START_MS = 120;
const ESTARTING = -211;

const random = makeRandom(seed);
const scratch = makeScratch("crash");
const socket_path = scratch.file("socket");
const setup = {
  flavour: "ours",
  options: ["--lock-manager", "local", "--adopt-file", scratch.file("journal")],
  socket_path,
  pid_file: scratch.file("pid"),
} as const;

const locks: OwnedLock[] = [];
for (let client = 0; client < CLIENTS; client++)
  for (let lv = 0; lv < LVS_PER_CLIENT; lv++) {
    const vg_name = VGS[lv % VGS.length] as string;
    const name = `${vg_name}/c${client}l${lv}`;
    const lv_uuid = `crash-${client}-${lv}`.padEnd(38, "x");
    locks.push({ name, target: { kind: "lv", vg_name, lv_name: name, lv_uuid } });
  }
const beliefs = makeBeliefs(locks.map(({ name }) => name));

async function startVgs(): Promise<void> {
  const connection = await connectAndGreet(socket_path);
  for (const vg_name of VGS) {
    const init = vgRequest("init_vg", vg_name, { vg_lock_type: "dlm" });
    const args = parseReply(await connection.ask(encodeRequest(init))).get("vg_lock_args");
    const start = startRequest(vg_name, {
      vg_lock_type: "dlm",
      vg_lock_args: String(args),
      vg_uuid: `crash-${vg_name}`.padEnd(38, "x"),
      host_id: 0,
    });
    const result = await ask(connection, start);
    if (result !== 0) throw new Error(`start_vg ${vg_name}: ${result}`);
  }
  await ask(connection, { request: "start_wait", keys: { pid: process.pid } });
  connection.close();
}

/** The mode that the daemon says a lock has; waits while the VG is being adopted. */
async function modeOf(
  connection: Awaited<ReturnType<typeof connectAndGreet>>,
  query: RequestSpec,
): Promise<string> {
  for (;;) {
    const reply = parseReply(await connection.ask(encodeRequest(query)));
    if (reply.get("op_result") === 0) return String(reply.get("mode"));
    if (reply.get("op_result") !== ESTARTING) return `refused (${reply.get("op_result")})`;
    await Bun.sleep(1);
  }
}

/** What the restarted daemon holds that nobody was told, or does not hold that somebody was. */
async function contradictions(): Promise<string[]> {
  const connection = await connectAndGreet(socket_path);
  const found: string[] = [];
  for (const vg_name of VGS) {
    const mode = await modeOf(connection, vgRequest("query_lock_vg", vg_name));
    if (mode !== "un") found.push(`the lock of ${vg_name} is ${mode} though its holder is gone`);
  }
  for (const { name, target } of locks) {
    const { kind: _kind, ...names } = target as OwnedLock["target"] & { kind: "lv" };
    const wrong = beliefs.contradiction(
      name,
      await modeOf(connection, { request: "query_lock_lv", keys: names }),
    );
    if (wrong !== null) found.push(wrong);
  }
  const gl = await ask(connection, lockRequest({ kind: "gl" }, "ex"));
  if (gl !== 0) found.push(`the global lock can't be had: ${gl}`);
  connection.close();
  return found;
}

/** A daemon that is killed on its way to readiness, perhaps in the middle of the adoption. */
async function dieWhileStarting(): Promise<void> {
  const daemon = launchDaemon(setup);
  await Bun.sleep(random.below(LONGEST_START_MS));
  await daemon.destroy();
}

let daemon = await startDaemon(setup);
let requests = 0;
let deaths = 0;
let failed = false;
try {
  await startVgs();
  for (let round = 1; round <= rounds && !failed; round++) {
    const loads = Array.from({ length: CLIENTS }, (_nothing, client) =>
      loadUntilDeath({
        socket_path,
        locks: locks.slice(client * LVS_PER_CLIENT, (client + 1) * LVS_PER_CLIENT),
        vg_names: VGS,
        beliefs,
        random: random.fork(),
      }),
    );
    await Bun.sleep(1 + random.below(LONGEST_LIFE_MS));
    daemon.kill("SIGKILL");
    await daemon.exited;
    deaths++;
    requests += (await Promise.all(loads)).reduce((sum, count) => sum + count, 0);
    while (random.chance(30)) {
      await dieWhileStarting();
      deaths++;
    }
    await daemon.destroy();
    daemon = await startDaemon(setup);
    const wrong = await contradictions();
    if (wrong.length > 0) {
      console.log(`round ${round}, seed ${seed}:\n${wrong.join("\n")}\n${daemon.output()}`);
      failed = true;
    }
  }
} finally {
  await daemon.destroy();
  scratch.remove();
}
const held = [...beliefs.locks()].filter((name) => beliefs.mode(name) !== "un").length;
console.log(
  `${deaths} deaths, ${requests} requests answered, ${held} of ${locks.length} locks held at the end`,
);
if (failed) process.exitCode = 1;
