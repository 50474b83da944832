/** Names that lead to no disk, disks that may not be used, and command lines that make no sense. */
import assert from "node:assert/strict";
import { PERSIST_EXIT } from "../../../../cli/lvmpersist/exit.ts";
import { expectOnAll, KEY_A, persist, type World } from "./world.ts";

/** Writes a partition table with one partition by hand, because the guests have no program for it. */
function partitionScript(path: string): string {
  const entry = String.raw`\x00\x00\x00\x00\x83\x00\x00\x00\x00\x08\x00\x00\x00\x20\x00\x00`;
  return `( head -c 446 /dev/zero; printf '${entry}'; head -c 48 /dev/zero; printf '\\x55\\xaa' ) |
dd of=${path} bs=512 2>/dev/null && blockdev --rereadpt ${path} && udevadm settle && test -b ${path}1`;
}

export async function badInput(world: World): Promise<void> {
  const { a, all, step, disks } = world;
  const path = disks[0]?.path ?? "";
  await step("what is no whole disk is refused with a sentence of its own", async () => {
    await a.must(
      "modprobe loop && truncate -s 8M /tmp/image && losetup /dev/loop0 /tmp/image && mkdir -p /tmp/directory",
    );
    await a.must(`dmsetup create plain --table "0 64 linear ${path} 0"`);
    for (const [device, why] of [
      ["/dev/loop0", "loop0 is a loop device, which has no persistent reservations"],
      ["/tmp/directory", "/tmp/directory is a directory, not a disk"],
      ["/tmp/image", "/tmp/image is a regular file, not a disk"],
      ["/dev/null", "/dev/null is a character device; name the disk's block device"],
      ["/dev/vda", "vda is neither a SCSI disk nor a NVMe namespace nor a multipath map"],
      ["/dev/mapper/plain", "plain is a device-mapper device, but no multipath map; name its disks (sda)"],
    ] as const) {
      const said = await persist(a, `start --ourkey ${KEY_A} --device ${device}`, PERSIST_EXIT.unsupported);
      assert.ok(said.includes(why), said);
    }
    await a.must("dmsetup remove plain");
    await a.must(partitionScript(path));
    assert.match(
      await persist(a, `start --ourkey ${KEY_A} --device ${path}1`, PERSIST_EXIT.unsupported),
      /sda1 is a partition; a reservation is for a whole disk, name that/,
    );
    await a.must(`dd if=/dev/zero of=${path} bs=512 count=1 2>/dev/null; blockdev --rereadpt ${path}`);
    const said = await persist(a, `start --ourkey ${KEY_A} --device /dev/sdzz`, PERSIST_EXIT.device);
    assert.match(said, /\/dev\/sdzz does not exist/);
  });
  await step(
    "without permission nothing is begun, and with the wrong key or VG no device is looked at",
    async () => {
      const refused = async (run: string, exit_status: number, why: RegExp): Promise<void> => {
        const { rc, stdout, stderr } = await a.run(`${run} </dev/null`);
        assert.equal(rc, exit_status, `${run}: ${rc}\n${stdout}${stderr}`);
        assert.match(stdout + stderr, why);
      };
      const start = `lvmpersist start --ourkey ${KEY_A}`;
      const { failure, usage, not_found } = PERSIST_EXIT;
      await refused(`setpriv --reuid 65534 --clear-groups ${start} ${all}`, failure, /only root may/);
      const unable = `setpriv --bounding-set -sys_rawio ${start} --device ${path}`;
      await refused(unable, failure, /not allowed \(.*EPERM/);
      await refused(`lvmpersist start --ourkey 0x0 ${all}`, usage, /zero means that there is no key/);
      await refused("lvmpersist read --vg nosuchvg", not_found, /Volume group "nosuchvg" not found/);
      await expectOnAll(world, [], null);
    },
  );
}
