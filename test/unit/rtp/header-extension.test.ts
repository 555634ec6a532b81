import assert from "node:assert/strict";
import fc from "fast-check";
import { ExtensionWalker } from "../../../src/rtp/header-extension.ts";
import { isRtpPacket } from "../../../src/rtp/rtp.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";

/** An RTP packet with this extension, its profile in front, behind some bytes that are not its own. */
function packet(profile: number, elements: readonly number[], csrcs = 0): Buffer {
  const words = Math.ceil(elements.length / 4);
  const head = Buffer.alloc(12 + 4 * csrcs + 4);
  head[0] = 0x90 | csrcs;
  head.writeUInt16BE(profile, head.length - 4);
  head.writeUInt16BE(words, head.length - 2);
  return Buffer.concat([
    Buffer.alloc(3, 0xee),
    head,
    Buffer.from(elements),
    Buffer.alloc(4 * words - elements.length),
  ]);
}

function elementsOf(bytes: Uint8Array): [number, string][] {
  const walker = new ExtensionWalker(bytes);
  const found: [number, string][] = [];
  walker.start(3);
  while (walker.next()) {
    const value = bytes.subarray(walker.offset, walker.offset + walker.sizeBytes);
    found.push([walker.id, Buffer.from(value).toString("latin1")]);
  }
  return found;
}

const text = (value: string): number[] => [...Buffer.from(value, "latin1")];

suite("RTP header extensions (RFC 8285)", (test) => {
  test("section 4.2: one-byte headers, padding between them, CSRCs before them", () => {
    const bytes = packet(0xbede, [0x30, 0x61, 0, 0, 0x12, ...text("abc")], 2);
    assert.deepEqual(elementsOf(bytes), [
      [3, "a"],
      [1, "abc"],
    ]);
  });

  test("section 4.2: number 15 and a zero with a length end the list", () => {
    for (const stop of [0xf0, 0x03]) {
      assert.deepEqual(elementsOf(packet(0xbede, [0x30, 0x61, stop, 0x62, 0x40, 0x63])), [[3, "a"]]);
    }
  });

  test("section 4.3: two-byte headers, an empty element, and any application bits", () => {
    const bytes = packet(0x1007, [200, 0, 0, 15, 2, ...text("xy"), 7, 1, 0x7a]);
    assert.deepEqual(elementsOf(bytes), [
      [200, ""],
      [15, "xy"],
      [7, "z"],
    ]);
  });

  test("elements that run out of the extension, other profiles and no extension at all", () => {
    assert.deepEqual(elementsOf(packet(0xbede, [0x1f, 1, 2, 3])), []);
    assert.deepEqual(elementsOf(packet(0x1000, [1, 3, 1, 2])), []);
    assert.deepEqual(elementsOf(packet(0x1000, [0, 0, 0, 9])), []);
    assert.deepEqual(elementsOf(packet(0xabcd, [0x30, 0x61, 0, 0])), []);
    const plain = packet(0xbede, [0x30, 0x61, 0, 0]);
    plain[3] = 0x80;
    assert.deepEqual(elementsOf(plain), []);
  });

  test("whatever the bytes are, nothing outside the packet is told", () => {
    const noise = fc.uint8Array({ minLength: 12, maxLength: 80 });
    fc.assert(
      fc.property(noise, fc.constantFrom(0xbede, 0x1000), (bytes, profile) => {
        const whole = Buffer.concat([Buffer.alloc(3), bytes]);
        whole[3] = 0x90 | (whole[3]! & 3);
        const header = 3 + 12 + 4 * (whole[3]! & 15);
        if (header + 4 <= whole.length) whole.writeUInt16BE(profile, header);
        if (!isRtpPacket(whole, 3, bytes.length)) return;
        const walker = new ExtensionWalker(whole);
        walker.start(3);
        let steps = 0;
        while (walker.next()) {
          assert.ok(walker.offset + walker.sizeBytes <= whole.length);
          assert.ok(++steps < 80);
        }
      }),
      { numRuns: fuzzRuns(2_000) },
    );
  });
});
