import { describe, expect, test } from "bun:test";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import {
  type BlockDeviceFacts,
  classify,
  readFacts,
  refuseAsPath,
} from "../../../plugins/scsi-pr/block-device.ts";
import { openReservable } from "../../../plugins/scsi-pr/open-device.ts";
import { refusalOfErrno } from "../../../plugins/scsi-pr/refusals.ts";
import { makeScratch } from "../../rig/scratch.ts";

/** The facts of a sysfs with one device 8:0; `files` lie in its directory, `links` are symlinks in it. */
function factsOf(
  name: string,
  files: Readonly<Record<string, string>>,
  links: Readonly<Record<string, string>> = {},
): BlockDeviceFacts | null {
  const scratch = makeScratch("sysfs");
  try {
    const directory = scratch.file(`devices/${name}`);
    mkdirSync(directory, { recursive: true });
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(directory, path)), { recursive: true });
      writeFileSync(join(directory, path), content);
    }
    for (const [path, to] of Object.entries(links)) {
      mkdirSync(dirname(join(directory, path)), { recursive: true });
      symlinkSync(to, join(directory, path));
    }
    mkdirSync(scratch.file("dev/block"), { recursive: true });
    symlinkSync(directory, scratch.file("dev/block/8:0"));
    return readFacts(8, 0, scratch.file("."));
  } finally {
    scratch.remove();
  }
}

function kindOf(...device: Parameters<typeof factsOf>): string {
  const facts = factsOf(...device);
  if (facts === null) return "not found";
  const as_path = refuseAsPath("/dev/given", facts);
  if (as_path !== null) return `${as_path.kind} ${as_path.detail}`;
  const kind = classify("/dev/given", facts);
  return "detail" in kind ? `${kind.kind} ${kind.detail}` : JSON.stringify(kind);
}

const SCSI = { "device/subsystem": "../../bus/scsi" };

describe("a block device", () => {
  test("that is a SCSI disk takes SCSI commands", () => {
    expect(kindOf("sda", { "device/type": "0\n" }, SCSI)).toBe('{"kind":"scsi"}');
    expect(kindOf("sda", { "device/type": "20\n" }, SCSI)).toBe('{"kind":"scsi"}');
  });

  test("that is a NVMe namespace takes NVMe commands", () => {
    expect(kindOf("nvme0n1", {})).toBe('{"kind":"nvme"}');
    expect(kindOf("nvme0c1n12", {})).toBe('{"kind":"nvme"}');
  });

  test("that is a multipath map takes them for its paths", () => {
    const files = { "dm/uuid": "mpath-3600\n", "dm/name": "mpatha\n", "slaves/sdb": "", "slaves/sda": "" };
    expect(kindOf("dm-3", files)).toBe('{"kind":"multipath","kernel_name":"dm-3","slaves":["sda","sdb"]}');
  });

  test.each([
    ["sda1", { partition: "1\n" }, {}, /sda1 is a partition; .* whole disk/],
    ["loop0", { "loop/backing_file": "/x\n" }, {}, /loop0 is a loop device/],
    ["md0", { "md/level": "raid1\n", "slaves/sda": "" }, {}, /md0 is a RAID array; name its disks \(sda\)/],
    [
      "dm-0",
      { "dm/uuid": "LVM-abc\n", "dm/name": "vg-lv\n", "slaves/sda": "" },
      {},
      /vg-lv is a logical volume/,
    ],
    ["dm-1", { "dm/uuid": "part1-mpath-3600\n", "dm/name": "mpatha1\n" }, {}, /partition of a multipath map/],
    ["dm-2", { "dm/uuid": "CRYPT-x\n", "dm/name": "c\n", "slaves/sda": "" }, {}, /no multipath map.*\(sda\)/],
    ["sr0", { "device/type": "5\n" }, SCSI, /type 5, not a disk/],
    ["vda", {}, {}, /neither a SCSI disk nor a NVMe namespace/],
    ["vda", { "device/type": "0\n" }, { "device/subsystem": "../../bus/virtio" }, /neither/],
    ["nvme0n1p1", { partition: "1\n" }, {}, /is a partition/],
  ] as const)("%s (%j) is refused with its own sentence", (name, files, links, sentence) => {
    const kind = kindOf(name, files, links);
    expect(kind).toMatch(sentence);
    expect(kind).toStartWith("unsupported /dev/given: ");
  });

  test("that is a path of a multipath map is refused, and the map named; one below another map is not", () => {
    const above = (uuid: string) => ({
      "device/type": "0\n",
      "holders/dm-3/dm/uuid": `${uuid}\n`,
      "holders/dm-3/dm/name": "mpatha\n",
    });
    expect(kindOf("sda", above("mpath-3600"), SCSI)).toBe(
      "unsupported /dev/given: sda is one path of the multipath map mpatha, and a reservation has to hold for all of them; name /dev/mapper/mpatha",
    );
    expect(kindOf("sda", above("LVM-abc"), SCSI)).toBe('{"kind":"scsi"}');
  });

  test("is known again under another name by what the kernel says of the disk", () => {
    const of = (...device: Parameters<typeof factsOf>): string | undefined => factsOf(...device)?.identity;
    expect(of("sda", { "device/type": "0\n", "device/wwid": "naa.6001405\n" }, SCSI)).toBe("naa.6001405");
    expect(of("nvme0n1", { wwid: "uuid.0b00-12\n" })).toBe("uuid.0b00-12");
    expect(of("dm-3", { "dm/uuid": "mpath-3600\n", "dm/name": "mpatha\n" })).toBe("mpath-3600");
    expect(of("sda", { "device/type": "0\n" }, SCSI)).toBe("");
  });

  test("that went away has no facts", () => {
    expect(readFacts(8, 0, "/nonexistent")).toBeNull();
  });
});

describe("opening a path", () => {
  test.each([
    ["/dev/null", "unsupported", /character device/],
    ["/dev", "unsupported", /directory/],
    ["/etc/passwd", "unsupported", /regular file/],
    ["/dev/does-not-exist", "gone", /does not exist/],
    ["/etc/passwd/x", "gone", /does not exist/],
    ["", "unsupported", /not the path/],
    ["/dev/sd\0a", "unsupported", /not the path/],
    [`/${"x".repeat(5000)}`, "unsupported", /not the path/],
  ])("%j is refused as it is", (path, kind, sentence) => {
    const opened = openReservable(path);
    expect(opened.kind).toBe(kind as never);
    expect("detail" in opened && opened.detail).toMatch(sentence);
  });

  test("leaves no descriptor open behind a refusal", () => {
    const open = (): number =>
      [...new Bun.Glob("*").scanSync({ cwd: "/proc/self/fd", onlyFiles: false })].length;
    const before = open();
    for (let time = 0; time < 20; time += 1) {
      for (const path of ["/dev/null", "/dev/loop0", "/dev/zram0", "/dev/vda", "/dev"]) openReservable(path);
    }
    expect(open()).toBe(before);
  });
});

describe("a device that the system does not let us have", () => {
  const failed = {
    kind: "failed",
    call: "ioctl(SG_IO)",
    errno: constants.errno.EPERM,
    detail: "EPERM",
  } as const;
  const asked = { device: "/dev/sda", command: "READ KEYS" };

  test("is for root only, to others", () => {
    const { kind, detail } = refusalOfErrno(failed, asked, false);
    expect([kind, detail]).toEqual([
      "denied",
      "/dev/sda: READ KEYS: not allowed (ioctl(SG_IO): EPERM); only root may",
    ]);
  });

  test("is not said to be for root only to root, who is told what else may be in the way", () => {
    const { detail } = refusalOfErrno(failed, asked, true);
    expect(detail).not.toContain("only root may");
    expect(detail).toContain("root was refused too, so a container, a unit file or a security module");
    expect(detail).toContain("CAP_SYS_RAWIO");
  });
});
