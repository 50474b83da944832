import { formatDiagnostic } from "../../grammar/diagnose.ts";
import { loadConfig } from "../../grammar/load.ts";
import { configLoadOptions } from "../config-directory.ts";

/**
 * global/lvmlockctl_kill_command out of lvm's files. Errors elsewhere in the files don't matter when the host is about to be
 * reset, so only a missing or wrong value of this one setting is a reason not to run it.
 */
export async function readKillCommand(
  config_dir: string | null,
  env: Readonly<Record<string, string | undefined>>,
): Promise<
  | { readonly kind: "setting"; readonly value: string }
  | { readonly kind: "unusable"; readonly reason: string }
> {
  const name = "global/lvmlockctl_kill_command";
  const config = loadConfig(configLoadOptions(config_dir, env));
  const value = config.settings[name];
  if (value !== "") return { kind: "setting", value };
  const error = config.diagnostics.find((diagnostic) => diagnostic.severity === "error");
  const reason = `${name} is not set in lvm.conf`;
  return {
    kind: "unusable",
    reason:
      error === undefined
        ? reason
        : `${reason}, which has an error: ${formatDiagnostic(error).split("\n", 1)[0]}`,
  };
}
