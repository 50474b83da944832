import { ask, type Script } from "./exchange.ts";
import { printKey } from "./keys.ts";
import { parseKeyReply } from "./multipathd.ts";
import type { PrRefusal, ReservationKey } from "./reservable.ts";

/* What multipathd is told of a map's key, with which it registers the paths that return or are added. */

export interface MultipathdMap {
  readonly device: string;
  readonly kernel_name: string;
  readonly needs_multipathd: boolean;
}

/** multipathd's words for no; newer ones give a reason behind it. */
const REFUSED = /^(fail|timeout|permission)/;

/** Tells multipathd something; its refusal is data. */
function* tell(map: MultipathdMap, command: string): Script<{ ok: boolean; reply: string }> {
  const outcome = yield* ask({
    kind: "multipathd",
    command: command.replace("MAP", `map ${map.kernel_name}`),
  });
  return outcome.kind === "absent"
    ? { ok: false, reply: outcome.detail }
    : { ok: !REFUSED.test(outcome.reply), reply: outcome.reply };
}

type KnownKey = { readonly key: ReservationKey; readonly aptpl: boolean };

/** The key that multipathd registers returning paths with; null when it has none. What it does not tell can't be put back later. */
export function* keyOfMultipathd(
  map: MultipathdMap,
): Script<{ readonly kind: "told"; readonly known: KnownKey | null } | PrRefusal> {
  if (!map.needs_multipathd) return { kind: "told", known: null };
  const asked = yield* tell(map, "getprkey MAP");
  if (asked.ok) return { kind: "told", known: parseKeyReply(asked.reply) };
  const why = REFUSED.test(asked.reply)
    ? `multipathd does not tell its key for the map (${asked.reply})`
    : asked.reply;
  const detail = `${map.device}: REGISTER: ${why}, which has to register the paths that return`;
  return { kind: "failed", detail };
}

function keyArgument(key: ReservationKey, aptpl: boolean): string {
  return `${printKey(key)}${aptpl ? ":aptpl" : ""}`;
}

/**
 * Gives multipathd our key before any path is registered with it, so that a path which returns in between is not left out.
 * It refuses when multipath.conf has a fixed reservation_key, or none.
 */
export function* announceKey(
  map: MultipathdMap,
  key: ReservationKey,
  { aptpl, known }: { aptpl: boolean; known: KnownKey | null },
): Script<PrRefusal | null> {
  if (!map.needs_multipathd) return null;
  if (known !== null && known.key === key && known.aptpl === aptpl) return null;
  const told = yield* tell(map, `setprkey MAP key ${keyArgument(key, aptpl)}`);
  if (told.ok) return null;
  // multipathd has written the key into its file before it sees that multipath.conf does not point there, and one that did not answer in
  // time may do as it was told later.
  const restored = yield* restoreKey(map, known);
  const why = REFUSED.test(told.reply)
    ? `multipathd does not take the key (${told.reply}): multipath.conf needs \`reservation_key file\` in its defaults (mpathconf --option reservation_key:file), then restart multipathd`
    : `${told.reply}, which has to register the paths that return`;
  return { kind: "failed", detail: `${map.device}: REGISTER: ${why}${restored}` };
}

/**
 * Puts multipathd's key back to what it was, without which paths that return would stay unregistered, and reads it back. A clause
 * about what is otherwise, "" when nothing is.
 */
export function* restoreKey(map: MultipathdMap, old: KnownKey | null): Script<string> {
  if (!map.needs_multipathd) return "";
  const command = old === null ? "unsetprkey MAP" : `setprkey MAP key ${keyArgument(old.key, old.aptpl)}`;
  yield* tell(map, command);
  const asked = yield* tell(map, "getprkey MAP");
  const now = asked.ok ? parseKeyReply(asked.reply) : null;
  const isBack = old === null ? now === null : now?.key === old.key && now.aptpl === old.aptpl;
  if (isBack) return "";
  const has = asked.ok
    ? `has ${now === null ? "no key" : `the key ${keyArgument(now.key, now.aptpl)}`} for the map now`
    : `does not tell its key for the map now (${asked.reply})`;
  return `; multipathd ${has}, and paths that return need what it had: multipathd ${command.replace("MAP", `map ${map.kernel_name}`)}`;
}

/** Begins multipathd's part: it registers the paths that return from now on. */
export function* beginStatus(map: MultipathdMap): Script<void> {
  if (map.needs_multipathd) yield* tell(map, "setprstatus MAP");
}

/** Ends multipathd's part: it registers no path any more and forgets the key. */
export function* forgetKey(map: MultipathdMap): Script<void> {
  if (!map.needs_multipathd) return;
  yield* tell(map, "unsetprstatus MAP");
  yield* tell(map, "unsetprkey MAP");
}
