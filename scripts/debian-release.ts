/**
 * Programs of a newer Debian release beside this system: the packages are unpacked into a directory of their own, and what is to
 * run with them runs in it as its root, with this repository mounted at /repo. Nothing of this system is changed.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type Release = "trixie" | "forky";

export const RELEASES: readonly Release[] = ["trixie", "forky"];

export interface UnpackedRelease {
  readonly kind: "unpacked";
  readonly release: Release;
  readonly root: string;
  /** The words that run a program inside, up to the program's own path as it is in there. */
  readonly enter: readonly string[];
  remove(): void;
}

export type ReleaseAnswer = UnpackedRelease | { readonly kind: "missing"; readonly message: string };

/** Where the repository is inside. */
export const REPOSITORY_INSIDE = "/repo";

/** A mount namespace of its own ends with what runs in it, so that nothing stays mounted when a test is killed. */
const ENTER = `root=$1 repository=$2
shift 2
mount --rbind /proc "$root/proc" && mount --rbind /dev "$root/dev" && mount --bind "$repository" "$root${REPOSITORY_INSIDE}" &&
exec chroot "$root" "$@"`;

/**
 * Unpacks packages with everything that they depend on (some 40 MB, five seconds). None is configured, so no service is started.
 * mmdebstrap finds the mirror of a release by itself. The lists of a testing release expire after a week; where the mirror is
 * older than that they are taken all the same, because their signature still holds.
 */
export function unpackRelease(
  release: Release,
  packages: readonly string[],
  repository: string,
): ReleaseAnswer {
  const root = mkdtempSync(join(tmpdir(), `${release}-`));
  const remove = (): void => rmSync(root, { recursive: true, force: true });
  const include = `--include=${[...packages, "base-files"].join(",")}`;
  const words = ["--mode=root", "--variant=extract", include, `--aptopt=Acquire::Check-Valid-Until "false"`];
  const unpacked = Bun.spawnSync(["mmdebstrap", ...words, release, root], {
    stdin: "ignore",
    stdout: "ignore",
  });
  if (!unpacked.success || !existsSync(join(root, "bin"))) {
    remove();
    const said = unpacked.stderr.toString().trim().split("\n").slice(-5).join("\n");
    return { kind: "missing", message: `${release} could not be unpacked: ${said}` };
  }
  Bun.spawnSync(["mkdir", "-p", join(root, REPOSITORY_INSIDE)]);
  const enter = ["unshare", "--mount", "sh", "-c", ENTER, "sh", root, repository];
  return { kind: "unpacked", release, root, enter, remove };
}
