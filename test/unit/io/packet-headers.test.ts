/** Headers of packets that leave by raw sockets, held against a plain reading of RFC 791, 8200, 768 and 1071. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type IpAddress, ipToWords } from "../../../src/core/address.ts";
import { PacketHeaders, type PacketOrigin } from "../../../src/io/linux/packet-headers.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";

const offset = 256;
const slot = 3;

interface Way {
  readonly from: string;
  readonly to: string;
  readonly fromPort: number;
  readonly toPort: number;
}

function originOf({ from, fromPort }: Way): PacketOrigin {
  const ip = Int32Array.from(ipToWords(from as IpAddress));
  return { isV6: from.includes(":"), ip, port: fromPort, trafficClass: 184, hopLimit: 63 };
}

/** The packet with its headers, and what lies round it. */
function written(
  way: Way,
  payload: Uint8Array,
): { packet: Buffer; memory: Uint8Array; headers: PacketHeaders } {
  const memory = new Uint8Array(4096).fill(0xee);
  memory.set(payload, offset);
  const headers = new PacketHeaders(new Int32Array(memory.buffer), 8);
  headers.open(slot, originOf(way), 5);
  const [ip0, ip1, ip2, ip3] = ipToWords(way.to as IpAddress);
  headers.setTarget(slot, ip0, ip1, ip2, ip3, way.toPort);
  headers.write(slot, offset, payload.length);
  const start = offset - headers.bytesOf(slot);
  return { packet: Buffer.from(memory.subarray(start, offset + payload.length)), memory, headers };
}

/** RFC 1071: 0xffff over data that contains a right checksum. */
function onesComplementSum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) {
    sum += (bytes[at]! << 8) | (bytes[at + 1] ?? 0);
    sum = (sum & 0xffff) + (sum >>> 16);
  }
  return sum;
}

function pseudoHeader(packet: Buffer, isV6: boolean): Buffer {
  const udp = packet.subarray(isV6 ? 40 : 20);
  const addresses = isV6 ? packet.subarray(8, 40) : packet.subarray(12, 20);
  const rest = isV6 ? Buffer.alloc(8) : Buffer.alloc(4);
  rest.writeUInt16BE(udp.length, 2);
  rest[isV6 ? 7 : 1] = 17;
  return Buffer.concat([addresses, rest, udp]);
}

const ways = {
  v4: { from: "192.0.2.10", to: "198.51.100.77", fromPort: 30_000, toPort: 49_170 },
  v6: { from: "2001:db8::10", to: "2001:db8:ffff:1::77", fromPort: 30_000, toPort: 49_170 },
} as const;

suite("io/packet-headers", (test) => {
  test("IPv4: every field the kernel does not fill in", () => {
    const { packet } = written(ways.v4, Buffer.alloc(172, 1));
    assert.equal(packet.length, 200);
    assert.equal(packet.subarray(0, 2).toString("hex"), "45b8");
    // Total length, identification and checksum are the kernel's; fragments are allowed.
    assert.equal(packet.subarray(2, 8).toString("hex"), "000000000000");
    assert.equal(packet.subarray(8, 12).toString("hex"), "3f110000");
    assert.equal(packet.subarray(12, 20).toString("hex"), "c000020ac633644d");
    assert.equal(packet.readUInt16BE(20), 30_000);
    assert.equal(packet.readUInt16BE(22), 49_170);
    assert.equal(packet.readUInt16BE(24), 180);
  });

  test("IPv6: every field", () => {
    const { packet } = written(ways.v6, Buffer.alloc(172, 1));
    assert.equal(packet.length, 220);
    assert.equal(packet.subarray(0, 8).toString("hex"), "6b80000000b4113f");
    assert.equal(packet.subarray(8, 24).toString("hex"), "20010db8000000000000000000000010");
    assert.equal(packet.subarray(24, 40).toString("hex"), "20010db8ffff00010000000000000077");
    assert.equal(packet.readUInt16BE(40), 30_000);
    assert.equal(packet.readUInt16BE(42), 49_170);
    assert.equal(packet.readUInt16BE(44), 180);
  });

  for (const [name, way] of Object.entries(ways)) {
    test(`${name}: the checksum is right for any payload, which stays as it was`, () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 1_600 }), (payload) => {
          const { packet } = written(way, payload);
          assert.equal(onesComplementSum(pseudoHeader(packet, name === "v6")), 0xffff);
          assert.deepEqual(packet.subarray(packet.length - payload.length), Buffer.from(payload));
        }),
        { numRuns: fuzzRuns(500) },
      );
    });
  }

  test("nothing is written but the headers and up to three zeros behind the packet", () => {
    for (const sizeBytes of [0, 1, 2, 3, 4, 5, 171, 172, 173]) {
      const { memory } = written(ways.v4, Buffer.alloc(sizeBytes, 1));
      const end = offset + sizeBytes;
      const padded = Math.ceil(end / 4) * 4;
      assert.ok(memory.subarray(0, offset - 28).every((byte) => byte === 0xee));
      assert.ok(memory.subarray(end, padded).every((byte) => byte === 0));
      assert.ok(memory.subarray(padded).every((byte) => byte === 0xee));
    }
  });

  test("a sum of zero is written as 0xffff, for zero says that there is none", () => {
    const { packet } = written(ways.v4, Buffer.alloc(2));
    const checksum = packet.readUInt16BE(26);
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(checksum);
    assert.equal(written(ways.v4, payload).packet.readUInt16BE(26), 0xffff);
  });

  test("a new target changes where it goes and nothing else; a closed slot has no headers", () => {
    const { memory, headers } = written(ways.v4, Buffer.alloc(172, 1));
    const before = Buffer.from(memory.subarray(offset - 28, offset));
    headers.setTarget(slot, 0, 0, 0xffff, 0x0a000001, 7_000);
    headers.write(slot, offset, 172);
    const after = Buffer.from(memory.subarray(offset - 28, offset));
    assert.deepEqual(after.subarray(0, 16), before.subarray(0, 16));
    assert.equal(after.readUInt32BE(16), 0x0a000001);
    assert.equal(after.readUInt16BE(22), 7_000);
    const packet = Buffer.concat([after, memory.subarray(offset, offset + 172)]);
    assert.equal(onesComplementSum(pseudoHeader(packet, false)), 0xffff);
    assert.equal(headers.routeOf(slot), 5);
    headers.close(slot);
    assert.equal(headers.bytesOf(slot), 0);
    assert.equal(headers.bytesOf(slot + 1), 0);
  });
});
