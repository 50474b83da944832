/** vgrename: which leases get the new name when the lock LV has places without one, or with a damaged one. */
import { expect, test } from "bun:test";
import type { SanlockClient } from "../../../plugins/sanlock/client.ts";
import { FIRST_LV_SLOT, GL_SLOT, VG_SLOT } from "../../../plugins/sanlock/geometry.ts";
import { ERRNO, SANLK } from "../../../plugins/sanlock/return-codes.ts";
import { renameVg } from "../../../plugins/sanlock/vg-calls.ts";
import { fakeClient, fakeTools } from "./fake-client.ts";

const MIB = 1024 * 1024;
const CALL = { vg_name: "vg", lockspace_name: "lvm_vg", vg_lock_args: "1.0.0:lvmlock" };

/** The slots that are written anew when reading these slots gives these return values, and what the answer and the log say. */
async function renamed(unreadable: Readonly<Record<number, number>>) {
  const written: number[] = [];
  const calls: Partial<SanlockClient> = {
    readResource: (_path, offset_bytes) => {
      const rv = unreadable[offset_bytes / MIB] ?? 0;
      return { rv, name: "name", lockspace_name: "lvm_old" };
    },
    writeResource: (lease) => {
      written.push(lease.offset_bytes / MIB);
      return 0;
    },
  };
  const { tools, news } = fakeTools(fakeClient({}, calls));
  const answer = await renameVg(tools, CALL);
  return { written, answer, told: news.map((one) => ("text" in one ? one.text : "")) };
}

const [first, second, third] = [FIRST_LV_SLOT, FIRST_LV_SLOT + 1, FIRST_LV_SLOT + 2];

test("the leases behind a place without one are renamed as well", async () => {
  const { written, answer, told } = await renamed({ [second]: SANLK.LEADER_MAGIC });
  expect(written).toEqual([GL_SLOT, VG_SLOT, first, third]);
  expect([answer.kind, told]).toEqual(["done", []]);
});

test("those behind a damaged one too, and people are told where it is and what to do", async () => {
  const { written, answer, told } = await renamed({ [first]: SANLK.LEADER_CHECKSUM });
  expect(written).toEqual([GL_SLOT, VG_SLOT, second, third]);
  expect(answer.kind).toBe("done");
  expect(told[0]).toMatch(new RegExp(`1 damaged lease.*slot ${first}: .*--lockopt repair`));
});

test("a lock LV without the VG's own lease, or one that can't be read, is a refusal", async () => {
  expect((await renamed({ [VG_SLOT]: SANLK.LEADER_MAGIC })).answer).toMatchObject({ code: "ELOCKREPAIR" });
  expect((await renamed({ [second]: ERRNO.EIO })).answer).toMatchObject({ code: "ELOCKIO" });
});
