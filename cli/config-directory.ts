import { type LoadOptions, systemLoadOptions } from "../grammar/load-options.ts";

/** Where the configuration is read from: --config-dir, else LVM_SYSTEM_DIR, else /etc/lvm. */
export function configLoadOptions(
  config_dir: string | null,
  env: Readonly<Record<string, string | undefined>>,
): LoadOptions {
  return systemLoadOptions(config_dir === null ? env : { ...env, LVM_SYSTEM_DIR: config_dir });
}
