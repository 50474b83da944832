/** The guests' lvm.conf and lvmlocal.conf. */

export type LvmValue = string | number | readonly (string | number)[];
export type LvmConfig = Readonly<Record<string, Readonly<Record<string, LvmValue>>>>;

/**
 * Shared VGs with lvmlockd, no devices file (every disk of the lab counts), and nothing that only costs time: no monitoring,
 * no backups, no lvmpolld.
 */
export const LVM_CONFIG_DEFAULTS: LvmConfig = {
  global: { use_lvmlockd: 1, use_lvmpolld: 0 },
  devices: { use_devicesfile: 0, global_filter: ["a|^/dev/sd|", "a|^/dev/mapper/|", "r|.*|"] },
  backup: { backup: 0, archive: 0 },
  activation: { monitoring: 0 },
};

function printValue(value: LvmValue): string {
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return `"${value.replaceAll(/["\\]/g, "\\$&")}"`;
  return `[ ${value.map(printValue).join(", ")} ]`;
}

/** Sections of `over` replace settings one by one. */
export function mergeLvmConfig(base: LvmConfig, over: LvmConfig): LvmConfig {
  const sections = new Set([...Object.keys(base), ...Object.keys(over)]);
  return Object.fromEntries([...sections].map((name) => [name, { ...base[name], ...over[name] }]));
}

export function printLvmConfig(config: LvmConfig): string {
  return Object.entries(config)
    .map(([section, settings]) => {
      const lines = Object.entries(settings).map(([name, value]) => `\t${name} = ${printValue(value)}\n`);
      return `${section} {\n${lines.join("")}}\n`;
    })
    .join("\n");
}
