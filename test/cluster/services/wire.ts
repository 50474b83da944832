/** Requests to a guest's lvmlockd as an lvm newer than the guest's would send them, over lvmlockd's own socket. */
import { parseReply, type ReplyFields } from "../../rig/replies.ts";
import { encodeRequest, HELLO, type RequestSpec } from "../../rig/requests.ts";
import type { Host } from "../lab/host.ts";
import { GUEST_BUN } from "./sources.ts";

/** Sends what it is given one after the other, each when the answer to the one before has come, and prints the last answer. */
const CLIENT = `
import { connect } from "node:net";
const requests = JSON.parse(process.argv[2]);
const socket = connect("/run/lvm/lvmlockd.socket");
let answer = "";
socket.on("connect", () => socket.write(requests.shift()));
socket.on("data", (bytes) => {
  answer += bytes;
  if (!answer.endsWith("\\n##\\n")) return;
  const next = requests.shift();
  if (next === undefined) { console.log(answer.slice(0, -4)); socket.end(); return; }
  answer = "";
  socket.write(next);
});
`;

/** Asks one thing after the other as one client, and gives the fields of the last answer. */
export async function askLvmlockd(host: Host, ...requests: readonly RequestSpec[]): Promise<ReplyFields> {
  await host.write("/run/ask.mjs", CLIENT);
  await host.write(
    "/run/ask.json",
    JSON.stringify([HELLO, ...requests.map((request) => encodeRequest(request))]),
  );
  const { stdout } = await host.must(`${GUEST_BUN} /run/ask.mjs "$(cat /run/ask.json)"`);
  return parseReply(stdout.trim());
}
