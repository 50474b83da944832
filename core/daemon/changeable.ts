import type { SettingName } from "../../grammar/settings.ts";
import type { DaemonConfig } from "./config.ts";

/** What a running daemon takes over when it reads its settings again, with the settings it comes from. All else waits for the next start. */
export const CHANGEABLE = {
  wait_limit_ms: "daemon/wait_limit_s",
  syslog_priority: "daemon/syslog_priority",
} as const satisfies Partial<Record<keyof DaemonConfig, SettingName>>;
