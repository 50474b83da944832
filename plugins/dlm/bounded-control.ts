import { DEADLINES } from "../../core/deadlines.ts";
import type { ControlAnswers, ControlCall, DlmControl, Hanging, RunCommands, Silence } from "./control.ts";
import type { ControlThread } from "./control-thread.ts";
import { ERRNO } from "./flags.ts";

/** A lockspace that never is: asking for it tells whether anybody answers. */
const NOBODYS = "lvmlockd.asks";

type Ask = <Kind extends ControlCall["kind"]>(
  call: Extract<ControlCall, { kind: Kind }>,
) => Promise<ControlAnswers[Kind] | Hanging | "failed">;

/**
 * Asks through the thread, each question for `within_ms` at most. One that is not answered by then stays with the thread, and while it
 * does nothing else is asked: whoever wants to know is told at once that the daemon hangs. Its late answer, or the end of the daemon,
 * ends that.
 */
function boundedAsk(thread: ControlThread, within_ms: number): Ask {
  const late = new Set<ControlCall>();
  return async (call) => {
    const [hanging] = late;
    if (hanging !== undefined) return kindOfHanging(hanging);
    await thread.ready();
    const asked = thread.ask(call);
    const { promise: tooLate, resolve } = Promise.withResolvers<typeof TOO_LATE>();
    const timer = setTimeout(resolve, within_ms, TOO_LATE);
    const answer = await Promise.race([asked, tooLate]);
    clearTimeout(timer);
    // The thread answers with what the kind of the question calls for.
    if (answer !== TOO_LATE) return answer as ControlAnswers[typeof call.kind] | "failed";
    late.add(call);
    void asked.then(() => late.delete(call));
    return kindOfHanging(call);
  };
}

const TOO_LATE = Symbol("too late");

function kindOfHanging({ kind }: ControlCall): Hanging {
  return kind === "quorate" ? "corosync-hangs" : "hangs";
}

/** What the daemons tell, asked through a thread. `can_run`: the library can have commands run on other nodes. */
export function boundedControl(
  thread: ControlThread,
  can_run: boolean,
  within_ms: number = DEADLINES.dlm_controld_ms,
): DlmControl {
  const ask = boundedAsk(thread, within_ms);
  const lockspace: DlmControl["lockspace"] = async (name) =>
    orSilence(await ask({ kind: "lockspace", name }));
  return {
    lockspace,
    nodes: async (name, type) => orSilence(await ask({ kind: "nodes", name, type })),
    async daemon() {
      const info = await lockspace(NOBODYS);
      return typeof info === "string" ? info : "answers";
    },
    run: can_run ? boundedRun(ask) : null,
    async isQuorate() {
      const answer = await ask({ kind: "quorate" });
      return answer === "failed" ? null : answer;
    },
  };
}

function orSilence<Told>(answer: Told | Silence | "failed"): Told | Silence {
  return answer === "failed" ? "no-daemon" : answer;
}

function boundedRun(ask: Ask): RunCommands {
  return {
    async start(command) {
      const answer = await ask({ kind: "run-start", command });
      if (answer === "failed") return ERRNO.EINVAL;
      return answer === "hangs" || answer === "corosync-hangs" ? ERRNO.ETIMEDOUT : answer;
    },
    async check(uuid, flags) {
      const answer = await ask({ kind: "run-check", uuid, flags });
      if (answer === "failed") return -ERRNO.EINVAL;
      return typeof answer === "string" ? -ERRNO.ETIMEDOUT : answer;
    },
  };
}
