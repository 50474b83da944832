import packageFile from "../package.json" with { type: "json" };

/** What --version prints. lvm2 counts its protocol as version 1 since the first lvmlockd. */
export function versionText(program: string): string {
  return `${program} ${packageFile.version} (lvmlockd protocol 1, as lvm2 2.03.16 to 2.03.40 speak it; Bun ${Bun.version})`;
}
