import { DEADLINES } from "../../core/deadlines.ts";
import { type Answer, type RefreshLvCall, type Refused, refuse } from "../contract.ts";
import { errnoText } from "../native/errno.ts";
import { RUN_CHECK, RUN_STATUS } from "./flags.ts";
import { RUN_COMMAND_BYTES } from "./layouts.ts";
import type { Tools } from "./lockspace-state.ts";

/**
 * Has the other nodes reload an LV that is active on them, after its size has changed here. dlm_controld runs the command on each of
 * them and collects the results; the nodes on which the LV is not active have nothing to do and say that it went well.
 */
export async function refreshLv(tools: Tools, { path }: RefreshLvCall): Promise<Answer<object>> {
  const { run } = tools.control;
  if (run === null)
    return refuse(
      "EPROTONOSUPPORT",
      "this libdlmcontrol can't run commands on other nodes: it is older than 4.0.6",
    );
  const lv = lvOfPath(path);
  if (lv === null) return refuse("EINVAL", `"${path}" is not the path of an LV`);
  const command = `lvm lvchange --refresh --partial --nolocking ${lv}`;
  if (command.length >= RUN_COMMAND_BYTES) return refuse("EINVAL", `the path of LV ${lv} is too long`);
  const uuid = await run.start(command);
  if (typeof uuid === "number")
    return refuse("EMANAGER", `dlm_controld does not run commands on the other nodes: ${errnoText(uuid)}`, {
      lm_result: -uuid,
    });
  return waitForNodes(tools, uuid, lv);
}

/** Names of VGs and LVs as LVM allows them; dlm_controld splits the command at spaces and runs it without a shell. */
const LV_PATH = /^\/dev\/+([A-Za-z0-9+_.][A-Za-z0-9+_.-]*)\/+([A-Za-z0-9+_.][A-Za-z0-9+_.-]*)$/;

/** "vg/lv" of "/dev/vg/lv"; null for what is no such path. */
export function lvOfPath(path: string): string | null {
  const names = LV_PATH.exec(path);
  return names === null ? null : `${names[1]}/${names[2]}`;
}

async function waitForNodes(tools: Tools, uuid: string, lv: string): Promise<Answer<object>> {
  const { control, clock } = tools;
  const until_ms = clock.now_ms() + DEADLINES.dlm_refresh_ms;
  for (;;) {
    const status = (await control.run?.check(uuid, RUN_CHECK.CLEAR)) ?? -1;
    if (status < 0)
      return refuseLoudly(
        tools,
        `dlm_controld does not tell whether the other nodes have refreshed LV ${lv}`,
      );
    const isDone = (status & RUN_STATUS.DONE) !== 0;
    if ((status & RUN_STATUS.FAILED) !== 0 && isDone)
      return refuseLoudly(
        tools,
        `another node could not refresh LV ${lv}, which has its old size there: \`lvchange --refresh ${lv}\` on the nodes where it is active tells why`,
      );
    if (isDone) return { kind: "done" };
    if (clock.now_ms() >= until_ms) {
      await control.run?.check(uuid, RUN_CHECK.CANCEL);
      return refuseLoudly(tools, `not all nodes have said that they have refreshed LV ${lv}`);
    }
    await clock.sleep(DEADLINES.dlm_refresh_look_ms);
  }
}

/** lvm says only that it failed, so the reason is in the log as well. */
function refuseLoudly({ context }: Tools, text: string): Refused {
  context.news({ kind: "log", level: "error", text });
  return refuse("ELMERR", text, { lm_result: -1 });
}
