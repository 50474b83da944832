/** The last things that happened, kept cheaply and only told when something went wrong. */
import type { Effect, LockingEvent } from "../../core/locking/api.ts";

export interface Trace {
  note(at_ms: number, host_index: number, what: LockingEvent | Effect): void;
  lines(): string[];
}

export function createTrace(kept: number): Trace {
  const ring: { at_ms: number; host_index: number; what: LockingEvent | Effect | null }[] = Array.from(
    { length: kept },
    () => ({ at_ms: 0, host_index: 0, what: null }),
  );
  let next = 0;
  return {
    note(at_ms, host_index, what) {
      const slot = ring[next++ % kept];
      if (slot === undefined) return;
      slot.at_ms = at_ms;
      slot.host_index = host_index;
      slot.what = what;
    },
    lines() {
      const ordered = Array.from({ length: kept }, (_, i) => ring[(next + i) % kept]);
      return ordered.flatMap((slot) =>
        slot === undefined || slot.what === null
          ? []
          : [`${slot.at_ms.toFixed(1).padStart(10)} ms host ${slot.host_index} ${describe(slot.what)}`],
      );
    },
  };
}

function describe(what: LockingEvent | Effect): string {
  switch (what.kind) {
    case "request": {
      const { name, mode, vg_name, lv_uuid, opts } = what.request;
      const flags = Object.entries(opts).flatMap(([key, value]) => (value === true ? [key] : []));
      return `client ${what.client_id} asks: ${[name, vg_name, lv_uuid, mode, ...flags].filter(Boolean).join(" ")}`;
    }
    case "reply":
      return `  reply to client ${what.client_id}: ${what.reply.result}${"detail" in what.reply && what.reply.detail !== "" ? ` (${what.reply.detail})` : ""}`;
    case "ask": {
      const where =
        what.target.kind === "lockspace" ? what.target.identity.lockspace_name : what.target.lock_type;
      return `  call ${what.call_id}: ${what.target.method} in ${where} ${JSON.stringify(what.args)}`;
    }
    case "ask-reservations":
      return `  call ${what.call_id}: ${what.method} in ${what.vg_name} ${JSON.stringify([what.own, what.removed])}`;
    case "answer":
      return `answer to call ${what.call_id}: ${JSON.stringify(what.answer)}`;
    case "journal":
      return `  journal: ${JSON.stringify(what.record)}`;
    case "log":
      return `  log: ${what.text}`;
    default:
      return JSON.stringify(what);
  }
}
