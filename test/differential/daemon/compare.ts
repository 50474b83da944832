import { type ReplyFields, showReply } from "../../rig/replies.ts";
import type { RequestSpec } from "../../rig/requests.ts";

/** One request and what became of it. null: the daemon keeps the client waiting (or never answers). */
export interface Exchange {
  /** Exchanges of the same step became known together: one request can let several others go on. */
  readonly step: number;
  readonly client: number;
  /** The request with real names; for bytes that are no request, its name is "garbage". */
  readonly request: RequestSpec;
  readonly c: ReplyFields | null;
  readonly ours: ReplyFields | null;
}

/** Keys that only our replies have: lvm passes over keys that it does not know. */
const OUR_KEYS = new Set(["detail"]);

/** A reply as it is compared: keys in order with their values, without the keys that only ours has. */
export function comparable(reply: ReplyFields | null): string {
  if (reply === null) return "no reply";
  return showReply(new Map([...reply].filter(([key]) => !OUR_KEYS.has(key))));
}

export function agree(exchange: Exchange): boolean {
  return comparable(exchange.c) === comparable(exchange.ours);
}
