/** Starts of a VG beside other hosts: what people are told before one, and what is waited for. */
import { describe, expect, test } from "bun:test";
import { estimateStart } from "../../../plugins/sanlock/start-estimate.ts";
import { fakeClient, fakeJoined, writeHostLease } from "./fake-client.ts";

const USUAL = {
  io_timeout_s: 10,
  fire_s: 60,
  was_held: false,
  skips: false,
  others: 0,
  others_timeout_s: 0,
} as const;
const tell = (more: Partial<Parameters<typeof estimateStart>[0]>) => estimateStart({ ...USUAL, ...more });

describe("the estimate of a start", () => {
  test("is sanlock's own for the first host", () => {
    expect(tell({})).toEqual({ text: "joining takes 20 to 50 s (I/O timeout 10 s)", eta_s: 20 });
  });

  test("counts the time until the other hosts have seen this one", () => {
    expect(tell({ others: 1 })).toEqual({
      text: "joining takes 22 to 82 s, until the other host has seen this one (I/O timeout 10 s)",
      eta_s: 21.5,
    });
  });

  test("goes by the longest I/O timeout of the hosts", () => {
    expect(tell({ io_timeout_s: 1, others: 1, others_timeout_s: 10 })).toEqual({
      text: "joining takes 22 to 37 s, until the other host has seen this one (I/O timeout 1 s, of another host 10 s)",
      eta_s: 21.5,
    });
  });

  test("is none with nodelay for the first host, and that time alone beside others", () => {
    expect(tell({ skips: true })).toEqual({ text: "joining takes no time (I/O timeout 10 s)", eta_s: 0 });
    expect(tell({ skips: true, others: 2 })).toEqual({
      text: "joining takes 22 to 32 s, until 2 other hosts have seen this one (I/O timeout 10 s)",
      eta_s: 21.5,
    });
  });

  test("is sanlock's time for a dead host after a stop that was not clean, with the watchdog's time in it", () => {
    expect(tell({ was_held: true })).toMatchObject({
      text: "joining takes up to 200 s, because this host did not stop the VG cleanly (I/O timeout 10 s)",
      eta_s: 140,
    });
    expect(tell({ was_held: true, fire_s: 30 }).text).toContain("up to 170 s");
    expect(tell({ was_held: null }).text).toContain(
      "20 to 50 s, or up to 200 s when this host did not stop the VG cleanly",
    );
  });
});

test("a start with nodelay waits for a host that has started in the same moment to renew its lease", async () => {
  const known = fakeClient({}, {}).readLockspace("", 1);
  let lease_file = "";
  let renewed = false;
  const joined = await fakeJoined(
    {
      readLockspace: (path) => {
        lease_file = path;
        return { ...known, io_timeout_s: 1 };
      },
      addLockspace: () => {
        // Neither was there when the other one looked before its own start.
        writeHostLease(lease_file, 2, { timestamp_s: 9, io_timeout_s: 1 });
        setTimeout(() => {
          renewed = true;
          writeHostLease(lease_file, 2, { timestamp_s: 11, io_timeout_s: 1 });
        }, 100);
        return 0;
      },
    },
    { read_lockspace_host: true },
    { nodelay: true },
  );
  expect([joined.answer.kind, renewed]).toEqual(["done", true]);
});

test("an old sanlock is not told of nodelay, and people are told that it takes its usual time", async () => {
  const flags: number[] = [];
  const { news } = await fakeJoined(
    {
      addLockspace: (_lease, add_flags) => {
        flags.push(add_flags);
        return 0;
      },
    },
    {},
    { nodelay: true },
  );
  expect(flags).toEqual([0]);
  const told = news.map((one) => ("text" in one ? one.text : "")).join("\n");
  expect(told).toContain("knows no nodelay");
  expect(told).toContain("joining takes 20 to 50 s");
});
