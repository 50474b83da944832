import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createFrameAssembler, type FrameAssembler, type FrameOutcome } from "../../core/wire/frame.ts";

const LIMITS = { request_size_bytes: 64, idle_frame_buffer_size_bytes: 16 };

function collecting(limits = LIMITS): { readonly bodies: string[]; readonly assembler: FrameAssembler } {
  const bodies: string[] = [];
  const assembler = createFrameAssembler((bytes, start, end) => {
    bodies.push(bytes.toString("latin1", start, end));
  }, limits);
  return { bodies, assembler };
}

function pushText(assembler: FrameAssembler, text: string): FrameOutcome {
  const chunk = Buffer.from(text, "latin1");
  const outcome = assembler.push(chunk);
  // The socket's memory is only ours during the call: whatever was kept without a copy is spoilt now.
  chunk.fill(0x21);
  return outcome;
}

/** Bodies that come close to a terminator without having one. */
const body = fc
  .array(fc.constantFrom("a", "#", "\n", "##", "\n#", '"', "\n##"), { maxLength: 24 })
  .map((parts) => parts.join(""))
  .filter((text) => !`${text}\n##`.includes("\n##\n"));

describe("framing", () => {
  test("any list of bodies in any chunks comes out as the same list", () => {
    fc.assert(
      fc.property(fc.array(body, { maxLength: 8 }), fc.array(fc.nat(40)), (sent, sizes) => {
        const { bodies, assembler } = collecting();
        let rest = sent.map((text) => `${text}\n##\n`).join("");
        for (const size of sizes) {
          expect(pushText(assembler, rest.slice(0, size + 1))).toBe("ok");
          rest = rest.slice(size + 1);
        }
        expect(pushText(assembler, rest)).toBe("ok");
        expect(bodies).toEqual(sent);
        expect(assembler.unfinishedSizeBytes()).toBe(0);
      }),
      { numRuns: 1000 },
    );
  });

  test("body and terminator in two writes, as C sends them, are one message", () => {
    const { bodies, assembler } = collecting();
    pushText(assembler, 'request = "hello"\n');
    expect(bodies).toEqual([]);
    pushText(assembler, "\n##\n");
    expect(bodies).toEqual(['request = "hello"\n']);
  });

  test("a terminator inside a quoted string ends the body, as it may for the C daemon", () => {
    const { bodies, assembler } = collecting();
    pushText(assembler, 'path ="a\n##\nb"\n\n##\n');
    expect(bodies).toEqual(['path ="a', 'b"\n']);
  });

  test("the newline of one terminator does not begin the next", () => {
    const { bodies, assembler } = collecting();
    pushText(assembler, "\n##\n##\n");
    expect(bodies).toEqual([""]);
    pushText(assembler, "\n##\n");
    expect(bodies).toEqual(["", "##\n"]);
  });

  test("a message in one chunk is handed on without a copy", () => {
    const chunk = Buffer.from("a = 1\n\n##\n");
    const seen: Buffer[] = [];
    createFrameAssembler((bytes) => seen.push(bytes)).push(chunk);
    expect(seen[0]).toBe(chunk);
  });
});

describe("bounds", () => {
  for (const chunk_size_bytes of [1, 7, 1000]) {
    const sendBody = (size_bytes: number): { readonly outcome: FrameOutcome; readonly bodies: string[] } => {
      const { bodies, assembler } = collecting();
      const message = `${"x".repeat(size_bytes)}\n##\n`;
      let outcome: FrameOutcome = "ok";
      for (let at = 0; at < message.length; at += chunk_size_bytes) {
        outcome = pushText(assembler, message.slice(at, at + chunk_size_bytes));
      }
      return { outcome, bodies };
    };

    test(`the largest body passes and one byte more is refused, in chunks of ${chunk_size_bytes}`, () => {
      expect(sendBody(LIMITS.request_size_bytes)).toEqual({
        outcome: "ok",
        bodies: ["x".repeat(LIMITS.request_size_bytes)],
      });
      expect(sendBody(LIMITS.request_size_bytes + 1)).toEqual({ outcome: "too-large", bodies: [] });
    });
  }

  test("what came before a body that is too large is handed on, and nothing after it", () => {
    const { bodies, assembler } = collecting();
    expect(pushText(assembler, `first\n##\n${"x".repeat(65)}\n##\nlast\n##\n`)).toBe("too-large");
    expect(pushText(assembler, "\n##\nlater\n##\n")).toBe("too-large");
    expect(bodies).toEqual(["first"]);
    expect(assembler.unfinishedSizeBytes()).toBe(0);
  });

  test("an endless body is refused as soon as it passes the bound, and its memory is given back", () => {
    const { assembler } = collecting();
    for (let sent = 0; sent < LIMITS.request_size_bytes + 3; sent++)
      expect(pushText(assembler, "x")).toBe("ok");
    expect(pushText(assembler, "x")).toBe("too-large");
    expect(assembler.unfinishedSizeBytes()).toBe(0);
  });

  test("memory is counted while a request is unfinished, and stays within the bound and its terminator", () => {
    const { assembler } = collecting();
    expect(assembler.unfinishedSizeBytes()).toBe(0);
    for (let sent = 1; sent <= LIMITS.request_size_bytes; sent++) {
      pushText(assembler, "x");
      expect(assembler.unfinishedSizeBytes()).toBeGreaterThanOrEqual(sent);
      expect(assembler.unfinishedSizeBytes()).toBeLessThanOrEqual(LIMITS.request_size_bytes + 4);
    }
    pushText(assembler, "\n##\n");
    expect(assembler.unfinishedSizeBytes()).toBe(0);
  });

  test("a large request's memory is given back when it is done, even if another one has begun", () => {
    const { assembler } = collecting();
    pushText(assembler, "x".repeat(60));
    expect(assembler.unfinishedSizeBytes()).toBeGreaterThanOrEqual(60);
    pushText(assembler, "\n##\nnext");
    expect(assembler.unfinishedSizeBytes()).toBe(LIMITS.idle_frame_buffer_size_bytes);
  });

  test("a handler that closes gets no further bodies", () => {
    for (const chunks of [["a\n##\nb\n##\n"], ["a\n", "##\nb\n##\nc"]]) {
      const bodies: string[] = [];
      const assembler: FrameAssembler = createFrameAssembler((bytes, start, end) => {
        bodies.push(bytes.toString("latin1", start, end));
        assembler.close();
      });
      for (const chunk of chunks) pushText(assembler, chunk);
      pushText(assembler, "d\n##\n");
      expect(bodies).toEqual(["a"]);
      expect(assembler.unfinishedSizeBytes()).toBe(0);
    }
  });
});
