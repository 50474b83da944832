/** What a message costs: `bun bench/wire.ts`. The daemon's whole budget for a request is about 2 us. */
import { bench, do_not_optimize, run, summary } from "mitata";
import { encodeRequest } from "../core/wire/client-codec.ts";
import { decodeRequest } from "../core/wire/decode.ts";
import { createReplyEncoder } from "../core/wire/encode.ts";
import { createFrameAssembler, TERMINATOR } from "../core/wire/frame.ts";
import { NO_FLAGS, OP_NUMBER, type Reply } from "../core/wire/message.ts";

/** As Bun's socket hands it over: a Buffer of its own. */
function lvmMessage(name: string, keys: Readonly<Record<string, string | number>>): Buffer {
  return Buffer.from(encodeRequest(name, keys, { spelling: "lvm" }));
}

function lockVg(vg_name: string, pid: number): Buffer {
  return lvmMessage("lock_vg", {
    cmd: "lvchange",
    pid,
    mode: "sh",
    opts: "none",
    vg_name,
    vg_lock_type: "none",
    vg_lock_args: "none",
  });
}

const lock_vg = lockVg("vg_production_01", 28332);
const lock_lv = lvmMessage("lock_lv", {
  cmd: "lvchange",
  pid: 28332,
  mode: "ex",
  opts: "persistent,",
  vg_name: "vg_production_01",
  lv_name: "database",
  lv_uuid: "e3bMSh-Kgf3-EeK4-S0Xo-NPFY-LRfP-nPgMjI",
  vg_lock_type: "sanlock",
  vg_lock_args: "1.0.0:lvmlock",
  lv_lock_args: "1.0.0:70254592",
});
// More names than the table of repeating texts holds side by side, so that texts are made anew all the time.
const many_vgs = Array.from({ length: 8192 }, (_, index) => lockVg(`vg${index * 7919}`, 1000 + index));

const body_size_bytes = lock_vg.length - TERMINATOR.length;
const body = lock_vg.subarray(0, body_size_bytes);
const terminator = lock_vg.subarray(body_size_bytes);

let decoded: unknown;
const assembler = createFrameAssembler((bytes, start, end) => {
  decoded = decodeRequest(bytes, start, end);
});

const encode = createReplyEncoder({ dialect: "2.03.40" });

function granted(detail: string): Reply {
  return {
    shape: "normal",
    op: OP_NUMBER.lock_vg,
    lock_type: "sanlock",
    result: 0,
    lm_result: 0,
    flags: NO_FLAGS,
    ls_generation: 3,
    owner: null,
    detail,
  };
}

summary(() => {
  bench(`decode lock_vg, ${lock_vg.length} bytes`, () => {
    do_not_optimize(decodeRequest(lock_vg, 0, body_size_bytes));
  });
  bench(`frame + decode lock_vg, ${lock_vg.length} bytes in one chunk`, () => {
    assembler.push(lock_vg);
    do_not_optimize(decoded);
  });
  bench("frame + decode lock_vg, body and terminator apart", () => {
    assembler.push(body);
    assembler.push(terminator);
    do_not_optimize(decoded);
  });
  let next = 0;
  bench("frame + decode lock_vg of 8192 VGs in turn", () => {
    assembler.push(many_vgs[next++ % many_vgs.length] ?? lock_vg);
    do_not_optimize(decoded);
  });
  bench(`frame + decode lock_lv, ${lock_lv.length} bytes`, () => {
    assembler.push(lock_lv);
    do_not_optimize(decoded);
  });
});

summary(() => {
  bench("encode a granted lock, ready-made", () => {
    do_not_optimize(encode(granted("")));
  });
  bench("encode a refusal with a detail", () => {
    do_not_optimize(encode(granted("The lock is held by another host.")));
  });
});

await run();
