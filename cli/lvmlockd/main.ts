import { EXIT } from "../../core/errors.ts";
import { refuseUsage, say } from "../streams.ts";
import { readDaemonRequest } from "./arguments.ts";

/** lvmlockd: reads the command line and runs the daemon to its end. Only what is asked for is imported. */
export async function main(words: readonly string[]): Promise<number> {
  const request = readDaemonRequest(words, process.cwd());
  switch (request.kind) {
    case "usage-error":
      return refuseUsage("lvmlockd", request);
    case "help": {
      const [{ helpText }, { LVMLOCKD }] = await Promise.all([import("../help.ts"), import("./options.ts")]);
      return say(helpText(LVMLOCKD), EXIT.ok);
    }
    case "version":
      return say((await import("../version.ts")).versionText("lvmlockd"), EXIT.ok);
    case "check-config":
      return (await import("./check-config.ts")).checkConfigFiles(request.config_dir, request.format);
    case "run":
      return (await import("../../core/daemon/run.ts")).runDaemon(request.options);
  }
}
