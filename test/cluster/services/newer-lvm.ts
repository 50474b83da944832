/**
 * An lvm newer than Debian's in a guest: what `vgchange --persist` needs (2.03.34 and later). No suite of Debian has one yet, so
 * it is taken from a tree in which somebody has built lvm2.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Host } from "../lab/host.ts";

/** Names the tree. */
export const LVM_TREE_VARIABLE = "LVMLOCKD_CLUSTER_LVM";

const PROGRAM = "tools/lvm";
const LIBRARY = "libdm/ioctl/libdevmapper.so.1.02";

/** The tree, or an error that says how to get one. */
export function findLvmTree(): string {
  const tree = process.env[LVM_TREE_VARIABLE] ?? "";
  if (tree !== "" && [PROGRAM, LIBRARY].every((file) => existsSync(join(tree, file)))) return tree;
  throw new Error(
    `${LVM_TREE_VARIABLE} (${tree === "" ? "it is not set" : tree}) names no built tree of lvm2: one with ${PROGRAM} and ${LIBRARY}, 2.03.37 or newer, made with support for lvmlockd and udev, whose lvmpersist is /usr/sbin/lvmpersist`,
  );
}

/** Puts its lvm in the place of Debian's, and beside Debian's libdevmapper its own, which upstream calls otherwise. */
export async function installLvm(host: Host, tree: string): Promise<void> {
  for (const [file, place] of [
    [LIBRARY, "/lib/x86_64-linux-gnu/libdevmapper.so.1.02"],
    [PROGRAM, "/usr/sbin/lvm"],
  ] as const) {
    const packed = Bun.gzipSync(readFileSync(join(tree, file)));
    await host.write("/run/newer.b64", Buffer.from(packed).toString("base64"));
    await host.must(
      `base64 -d /run/newer.b64 | gunzip >/run/newer && chmod 755 /run/newer && cp /run/newer /run/newer.there && mv -f /run/newer.there "${place}" && rm /run/newer /run/newer.b64`,
    );
  }
  await host.must("lvm version | grep 'LVM version'");
}
