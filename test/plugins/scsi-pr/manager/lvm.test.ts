import { describe, expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { whyForeign } from "../../../../plugins/scsi-pr/manager/lock-args.ts";
import { readReport, runLvmReport } from "../../../../plugins/scsi-pr/manager/lvm-report.ts";
import { compareWithLvm } from "../../../../plugins/scsi-pr/manager/named-pvs.ts";
import { createPvSource, pvsOf } from "../../../../plugins/scsi-pr/manager/pv-source.ts";
import { readSettings } from "../../../../plugins/scsi-pr/manager/settings.ts";
import { makeScratch } from "../../../rig/scratch.ts";

const IDENTITY = {
  lockspace_name: "lvm_vg0",
  vg_name: "vg0",
  vg_uuid: "U-1",
  vg_lock_args: "",
  lock_type: "dlm",
  host_id: 1,
} as const;

/** A program in lvm's place. */
async function withLvm(script: string, run: (lvm_path: string) => Promise<void>): Promise<void> {
  const scratch = makeScratch("lvm");
  const lvm_path = `${scratch.path}/lvm`;
  writeFileSync(lvm_path, `#!/bin/sh\n${script}\n`);
  chmodSync(lvm_path, 0o755);
  try {
    await run(lvm_path);
  } finally {
    scratch.remove();
  }
}

describe("asking lvm for PVs", () => {
  test("takes no lock, does not ask lvmlockd, and passes the VG's name as one word", () =>
    withLvm(
      `printf '{"report":[{"vg":['; for w; do printf '%s{"w":"%s"}' "$c" "$(echo "$w" | tr -d '"')"; c=,; done; printf ']}]}'`,
      async (lvm_path) => {
        const report = await runLvmReport({ lvm_path, fields: ["vg_uuid", "pv_name"], vg_name: "$(vg0); x" });
        const words = report.kind === "report" ? report.rows.map(({ w }) => w) : [];
        expect(words.slice(-4)).toEqual(["-o", "vg_uuid,pv_name", "--", "$(vg0); x"]);
        for (const word of [
          "vgs",
          "--nolocking",
          "--readonly",
          "--shared",
          "global{use_lvmlockd=0} devices{hints=none}",
        ])
          expect(words).toContain(word);
      },
    ));

  test("that fails is a sentence with lvm's own words", () =>
    withLvm('echo "  Volume group \\"vg0\\" not found" >&2; exit 5', async (lvm_path) => {
      const report = await runLvmReport({ lvm_path, fields: ["vg_uuid"], vg_name: "vg0" });
      expect(report).toEqual({
        kind: "failed",
        detail: `${lvm_path} can't tell the PVs of VG vg0: Volume group "vg0" not found`,
      });
      const missing = await runLvmReport({
        lvm_path: `${lvm_path}-not`,
        fields: ["vg_uuid"],
        vg_name: "vg0",
      });
      expect(missing).toMatchObject({ kind: "failed" });
    }));

  test("that fails with its words in the log of the JSON alone, as lvm 2.03.31 does, says them too", () => {
    const messages = ['Volume group "vg0" not found', "Cannot process volume group vg0"];
    const log = [
      ...messages.map((log_message) => ({ log_type: "error", log_message, log_ret_code: "0" })),
      { log_type: "status", log_message: "failure", log_ret_code: "5" },
    ];
    const json = JSON.stringify({ report: [{ vg: [] }], log });
    return withLvm(
      `cat <<'END'\n${json}\nEND\necho "  WARNING: no lvmlockd" >&2; exit 5`,
      async (lvm_path) => {
        const report = await runLvmReport({ lvm_path, fields: ["vg_uuid"], vg_name: "vg0" });
        expect(report).toEqual({
          kind: "failed",
          detail: `${lvm_path} can't tell the PVs of VG vg0: Volume group "vg0" not found; Cannot process volume group vg0`,
        });
      },
    );
  });

  test("reads nothing but a report", () => {
    for (const text of ["", "{}", "[]", '{"report":1}', '{"report":[{"vg":[1]}]}', '{"report":[{"pv":[]}]}'])
      expect(readReport(text)).toBeNull();
    const text = '{"report":[{"vg":[{"vg_uuid":"a"}]}],"log":[]}';
    expect(readReport(text)).toEqual({ kind: "report", rows: [{ vg_uuid: "a" }] });
  });

  test("leaves out a VG of the same name, and puts the PVs in the order that every host has", () => {
    const rows = [
      { vg_uuid: "U-1", pv_uuid: "P-2", pv_name: "/dev/sda" },
      { vg_uuid: "U-2", pv_uuid: "P-9", pv_name: "/dev/sdx" },
      { vg_uuid: "U-1", pv_uuid: "P-1", pv_name: "/dev/sdb" },
    ];
    expect(pvsOf(IDENTITY, rows)).toEqual({
      kind: "pvs",
      pvs: [
        { id: "P-1", path: "/dev/sdb" },
        { id: "P-2", path: "/dev/sda" },
      ],
    });
    expect(pvsOf({ ...IDENTITY, vg_uuid: "U-3" }, rows)).toMatchObject({ kind: "refused", code: "EPREPARE" });
  });

  test("refuses a VG with a missing PV, because what is not reserved is not protected", () => {
    const rows = [{ vg_uuid: "U-1", pv_uuid: "P-2", pv_name: "[unknown]" }];
    expect(pvsOf(IDENTITY, rows)).toMatchObject({
      code: "EDEVOPEN",
      detail: expect.stringMatching(/PV P-2 of VG vg0 is missing on this host/),
    });
  });
});

describe("the settings", () => {
  test("name devices by VG, which are taken where lvm can't be asked, once for a while", async () => {
    const pvs = ["vg0:/dev/disk/by-path/a:b", "vg0:/dev/sdb", "vg1:/dev/sdc"];
    const read = readSettings({ pvs, lvm_path: "/nonexistent/lvm" });
    if (read.kind === "wrong") throw new Error(read.problem);
    const source = createPvSource(read.settings);
    const kept = {
      kind: "pvs",
      pvs: ["/dev/disk/by-path/a:b", "/dev/sdb"].map((path) => ({ id: path, path })),
    } as const;
    expect(await source(IDENTITY)).toEqual({
      ...kept,
      remark: expect.stringMatching(
        /taken as it is, and could not be compared: \/nonexistent\/lvm can't tell/,
      ),
    });
    expect(await source(IDENTITY)).toEqual(kept);
  });

  test("that name a VG's devices are compared with lvm's: a PV that is not named would not be protected", async () => {
    const rows = ["/dev/sda", "/dev/sdb"].map((pv_name) => ({ vg_uuid: "U-1", pv_uuid: pv_name, pv_name }));
    const json = JSON.stringify({ report: [{ vg: rows }] });
    await withLvm(`cat <<'END'\n${json}\nEND`, async (lvm_path) => {
      const listed = async (...pvs: string[]) => {
        const read = readSettings({ pvs: pvs.map((path) => `vg0:${path}`), lvm_path });
        if (read.kind === "wrong") throw new Error(read.problem);
        return await createPvSource(read.settings)(IDENTITY);
      };
      expect(await listed("/dev/sdb")).toMatchObject({
        code: "EPREPARE",
        detail: expect.stringMatching(/does not name \/dev\/sda, .* on every host/),
      });
      expect(await listed("/dev/sdb", "/dev/sda")).toEqual({
        kind: "pvs",
        pvs: ["/dev/sdb", "/dev/sda"].map((path) => ({ id: path, path })),
      });
      expect(await listed("/dev/sdb", "/dev/sda", "/dev/sdc")).toMatchObject({
        kind: "pvs",
        remark: expect.stringContaining("/dev/sdc, which lvm does not have as PV of VG vg0"),
      });
    });
  });

  test("are compared by device and not by name, and may name a PV that lvm does not see here", () => {
    const row = (pv_name: string) => ({ vg_uuid: "U-1", pv_name });
    const deviceOf = (path: string): string =>
      path.startsWith("/dev/disk/by-id/") ? `/dev/${path.slice(-3)}` : path;
    const compare = (named: string[], ...names: string[]) =>
      compareWithLvm(IDENTITY, named, names.map(row), deviceOf);
    expect(compare(["/dev/disk/by-id/sda", "/dev/sdb"], "/dev/sda", "/dev/sdb")).toBeNull();
    expect(compare(["/dev/sda", "/dev/sdb"], "/dev/sda", "[unknown]")).toBeNull();
    expect(compare(["/dev/sda"], "/dev/sda", "[unknown]")).toMatchObject({
      detail: expect.stringContaining("lvm says that it has 2 PVs"),
    });
    // A VG that lvm does not know proves nothing.
    expect(compare(["/dev/sda"])).toBeNull();
  });

  test("that make no sense are refused with their name", () => {
    for (const [settings, sentence] of [
      [{ key: "0x0" }, /scsi_pr\/key: .*zero/],
      [{ pvs: ["vg0:sda"] }, /"vg0:sda" is not of the form VG:\/path/],
      [{ pvs: ["vg0:/dev/a", "vg0:/dev/a"] }, /names \/dev\/a twice for VG vg0/],
      [{ lvm_path: "lvm" }, /scsi_pr\/lvm_path is no absolute path/],
    ] as const) {
      const read = readSettings(settings);
      expect(read.kind === "wrong" && read.problem).toMatch(sentence);
    }
  });
});

test("lock args of other managers and of later rules are refused with a sentence", () => {
  expect(whyForeign("1.0.0:scsi-pr.write-exclusive")).toBeNull();
  for (const [args, sentence] of [
    ["", /no lock args/],
    ["nonsense", /can't be read/],
    ["1.0.0:lvmlock", /belongs to another lock manager/],
    ["1.0.0:local.0123456789ab", /belongs to another lock manager/],
    ["1.0.0:mycluster", /belongs to another lock manager/],
    ["1.0.0:scsi-pr.exclusive-access", /follow a rule that this lvmlockd does not know/],
    ["2.0.0:scsi-pr.write-exclusive", /follow a rule that this lvmlockd does not know/],
  ] as const)
    expect(whyForeign(args)).toMatch(sentence);
});
