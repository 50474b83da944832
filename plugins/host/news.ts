import type { LockType, ManagerNews } from "../contract.ts";
import type { Log } from "./calling.ts";
import { cut } from "./sentences.ts";

/** News that concern the daemon; log lines go to the log, and what is to be kept stays with the worker's thread. */
export type HostNews = Exclude<ManagerNews, { readonly kind: "log" | "keep" }>;

const LEVELS = ["error", "warning", "info", "debug"] as const;

/**
 * Makes what a plugin's `news` ends in: log lines are marked with the plugin's name and logged, the rest is passed on, and
 * what breaks the contract is logged as such. Never throws into the plugin.
 */
export function createNewsDesk(
  name: string,
  lock_type: LockType,
  log: Log,
  pass: (lock_type: LockType, news: HostNews) => void,
): (news: unknown) => void {
  return (news) => {
    const checked = checkNews(news);
    if (checked === null) log("warning", `the lock manager ${name} sent news that break the contract`);
    else if (checked.kind === "log") log(checked.level, `${name}: ${checked.text}`);
    else if (checked.kind !== "keep") pass(lock_type, checked);
  };
}

/** Checks the shape; null for what breaks the contract. */
export function checkNews(news: unknown): ManagerNews | null {
  if (typeof news !== "object" || news === null) return null;
  const { kind, lockspace_name, reason, text, eta_ms, level } = news as Readonly<Record<string, unknown>>;
  if (kind === "lockspace-lost" && typeof lockspace_name === "string" && typeof reason === "string")
    return { kind, lockspace_name, reason: cut(reason) };
  if (
    kind === "progress" &&
    typeof lockspace_name === "string" &&
    typeof text === "string" &&
    typeof eta_ms === "number"
  )
    return { kind, lockspace_name, text: cut(text), eta_ms };
  if (kind === "keep" && typeof lockspace_name === "string" && typeof text === "string")
    return { kind, lockspace_name, text: cut(text) };
  const found = LEVELS.find((known) => known === level);
  if (kind === "log" && found !== undefined && typeof text === "string")
    return { kind, level: found, text: cut(text) };
  return null;
}
