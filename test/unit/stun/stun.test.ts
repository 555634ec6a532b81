import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { type Endpoint, parseEndpoint } from "../../../src/core/address.ts";
import { stunAttributesMax } from "../../../src/core/limits.ts";
import { systemDigests } from "../../../src/io/digests.ts";
import { StunBuilder } from "../../../src/stun/builder.ts";
import { crc32 } from "../../../src/stun/crc32.ts";
import {
  hasIntegrity,
  integrityOf,
  longTermKey,
  shortTermKey,
  userhashOf,
} from "../../../src/stun/integrity.ts";
import { attributeOf, parseStun, type StunMessage, unknownRequired } from "../../../src/stun/message.ts";
import {
  encodeAddress,
  encodeErrorCode,
  encodeNumber,
  encodeText,
  encodeTypes,
  encodeXorAddress,
  readAddress,
  readErrorCode,
  readNumber,
  readText,
  readTypes,
  readXorAddress,
} from "../../../src/stun/values.ts";
import {
  classOf,
  encodeType,
  methodOf,
  type StunClass,
  stunAttribute,
  stunMethod,
} from "../../../src/stun/wire.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";
import * as vectors from "./vectors.ts";

const digests = systemDigests;
const password = shortTermKey(vectors.vectorPassword);
const transactionId = Uint8Array.from({ length: 12 }, (_, index) => index + 1);

function parsed(bytes: Uint8Array): StunMessage {
  const message = parseStun(bytes);
  assert.ok(message !== undefined);
  return message;
}

function textOf(message: StunMessage, type: number): string {
  return readText(attributeOf(message, type) ?? new Uint8Array());
}

function endpoint(text: string): Endpoint {
  const value = parseEndpoint(text);
  assert.ok(value !== undefined);
  return value;
}

suite("stun: the vectors of RFC 5769 and RFC 8489", (test) => {
  test("2.1 request: read, integrity, fingerprint", () => {
    const message = parsed(vectors.sampleRequest);
    assert.deepEqual([message.class, message.method], ["request", stunMethod.binding]);
    assert.equal(Buffer.from(message.transactionId).toString("hex"), "b7e7a701bc34d686fa87dfae");
    assert.equal(textOf(message, stunAttribute.software), "STUN test client");
    assert.equal(textOf(message, stunAttribute.username), vectors.vectorUsername);
    assert.equal(readNumber(attributeOf(message, stunAttribute.priority) ?? new Uint8Array()), 0x6e0001ff);
    const tieBreaker = attributeOf(message, stunAttribute.iceControlled) ?? new Uint8Array();
    assert.equal(Buffer.from(tieBreaker).toString("hex"), "932ff9b151263b36");
    assert.equal(integrityOf(message), "sha1");
    assert.ok(hasIntegrity(message, "sha1", password, digests));
    assert.ok(!hasIntegrity(message, "sha1", shortTermKey("VOkJxbRl1RmTxUk/WvJxBT"), digests));
    assert.ok(!hasIntegrity(message, "sha256", password, digests));
    assert.ok(message.hasFingerprint);
  });

  test("2.2 and 2.3 responses: the mapped address in both families", () => {
    const answers: [Uint8Array, string][] = [
      [vectors.sampleIpv4Response, "192.0.2.1:32853"],
      [vectors.sampleIpv6Response, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"],
    ];
    for (const [bytes, mapped] of answers) {
      const message = parsed(bytes);
      assert.equal(message.class, "success");
      const value = attributeOf(message, stunAttribute.xorMappedAddress) ?? new Uint8Array();
      assert.deepEqual(readXorAddress(value, message.transactionId), endpoint(mapped));
      assert.deepEqual([...encodeXorAddress(endpoint(mapped), message.transactionId)], [...value]);
      assert.ok(hasIntegrity(message, "sha1", password, digests));
      assert.ok(message.hasFingerprint);
    }
  });

  test("2.4 request with long-term credentials: read, and built byte by byte", () => {
    const message = parsed(vectors.sampleLongTermRequest);
    const { username, realm } = vectors.vectorLongTerm;
    const key = longTermKey(digests, "md5", vectors.vectorLongTerm);
    assert.equal(textOf(message, stunAttribute.username), username);
    assert.equal(textOf(message, stunAttribute.realm), realm);
    assert.ok(hasIntegrity(message, "sha1", key, digests));
    assert.ok(!message.hasFingerprint);
    const built = new StunBuilder("request", stunMethod.binding, message.transactionId)
      .add(stunAttribute.username, encodeText(username))
      .add(stunAttribute.nonce, encodeText("f//499k954d6OL34oL9FSTvy64sA"))
      .add(stunAttribute.realm, encodeText(realm))
      .addIntegrity(digests, key, "sha1")
      .build();
    assert.deepEqual([...built], [...vectors.sampleLongTermRequest]);
  });

  test("RFC 8489 B.1: user hash and SHA-256, read and built", () => {
    const message = parsed(vectors.sampleSha256Request);
    const { username, realm } = vectors.vectorLongTerm;
    const key = longTermKey(digests, "sha256", vectors.vectorLongTerm);
    const userhash = userhashOf(digests, username, realm);
    assert.deepEqual([...(attributeOf(message, stunAttribute.userhash) ?? [])], [...userhash]);
    assert.equal(integrityOf(message), "sha256");
    assert.ok(hasIntegrity(message, "sha256", key, digests));
    const built = new StunBuilder("request", stunMethod.binding, message.transactionId)
      .add(stunAttribute.userhash, userhash)
      .add(stunAttribute.nonce, encodeText("obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA"))
      .add(stunAttribute.realm, encodeText(realm))
      .add(stunAttribute.passwordAlgorithm, Uint8Array.of(0, 2, 0, 0))
      .addIntegrity(digests, key, "sha256")
      .build();
    assert.deepEqual([...built], [...vectors.sampleSha256Request]);
  });

  test("any changed bit in a sealed message is noticed", () => {
    for (const bytes of [vectors.sampleRequest, vectors.sampleIpv4Response, vectors.sampleIpv6Response]) {
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const changed = bytes.slice();
        changed[bit >>> 3] = (changed[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
        const message = parseStun(changed);
        if (message === undefined) continue;
        // The bit was part of a header, so that the fingerprint is none any more, and it says less than before.
        assert.ok(!message.hasFingerprint, `bit ${bit}`);
        const isBehindIntegrity = bit >>> 3 >= bytes.length - 8;
        assert.equal(hasIntegrity(message, "sha1", password, digests), isBehindIntegrity, `bit ${bit}`);
      }
    }
  });
});

suite("stun: messages", (test) => {
  test("method and class share the type's bits", () => {
    const expected: [StunClass, number, number][] = [
      ["request", 0x001, 0x0001],
      ["indication", 0x001, 0x0011],
      ["success", 0x001, 0x0101],
      ["error", 0x001, 0x0111],
      ["error", 0x003, 0x0113],
      ["indication", 0x006, 0x0016],
      ["request", 0xfff, 0x3eef],
    ];
    for (const [messageClass, method, type] of expected) {
      assert.equal(encodeType(method, messageClass), type);
      assert.deepEqual([classOf(type), methodOf(type)], [messageClass, method]);
    }
  });

  test("what is no STUN message", () => {
    const good = new StunBuilder("request", 1, transactionId).add(0x8022, encodeText("ab")).build();
    assert.ok(parseStun(good) !== undefined);
    const changes: [string, (bytes: Uint8Array) => Uint8Array][] = [
      ["empty", () => new Uint8Array()],
      ["a header cut short", (bytes) => bytes.subarray(0, 19)],
      ["first bits set", (bytes) => bytes.map((byte, index) => (index === 0 ? 0x80 : byte))],
      ["another cookie", (bytes) => bytes.map((byte, index) => (index === 7 ? 0x43 : byte))],
      ["a byte more", (bytes) => Uint8Array.from([...bytes, 0])],
      ["a word more", (bytes) => Uint8Array.from([...bytes, 0, 0, 0, 0])],
      ["a word less", (bytes) => bytes.subarray(0, bytes.length - 4)],
      ["a value beyond the end", (bytes) => bytes.map((byte, index) => (index === 23 ? 5 : byte))],
      ["a value far beyond the end", (bytes) => bytes.map((byte, index) => (index === 22 ? 255 : byte))],
    ];
    for (const [name, change] of changes) assert.equal(parseStun(change(good)), undefined, name);
    assert.ok(parseStun(new StunBuilder("indication", 1, transactionId).build()) !== undefined);
  });

  test("proving a message leaves its bytes alone, also those of a Buffer", () => {
    const bytes = Buffer.from(vectors.sampleRequest);
    const message = parsed(bytes);
    assert.ok(hasIntegrity(message, "sha1", password, digests));
    assert.deepEqual([...bytes], [...vectors.sampleRequest]);
    assert.ok(hasIntegrity(message, "sha1", password, digests));
  });

  test("behind the integrity only what belongs there counts", () => {
    const key = shortTermKey("secret");
    const sealed = (): StunBuilder =>
      new StunBuilder("request", 1, transactionId)
        .add(stunAttribute.username, encodeText("a:b"))
        .addIntegrity(digests, key, "sha1");
    const late = parsed(sealed().add(stunAttribute.useCandidate, new Uint8Array()).addFingerprint().build());
    assert.equal(attributeOf(late, stunAttribute.useCandidate), undefined);
    assert.ok(late.hasFingerprint);
    assert.ok(hasIntegrity(late, "sha1", key, digests));
    const both = parsed(sealed().addIntegrity(digests, key, "sha256").addFingerprint().build());
    assert.equal(integrityOf(both), "sha256");
    assert.ok(hasIntegrity(both, "sha1", key, digests));
    assert.ok(hasIntegrity(both, "sha256", key, digests));
    const turned = parsed(
      new StunBuilder("request", 1, transactionId)
        .addIntegrity(digests, key, "sha256")
        .addIntegrity(digests, key, "sha1")
        .build(),
    );
    assert.deepEqual(
      turned.attributes.map(({ type }) => type),
      [stunAttribute.messageIntegritySha256],
    );
    assert.equal(parseStun(sealed().addFingerprint().add(0x8022, encodeText("x")).build()), undefined);
    assert.equal(parseStun(sealed().addFingerprint().addFingerprint().build()), undefined);
  });

  test("a shortened SHA-256 counts from 16 bytes on, a shortened SHA-1 never", () => {
    const key = shortTermKey("secret");
    const cut = (type: number, hash: "sha1" | "sha256", sizeBytes: number): StunMessage => {
      const builder = new StunBuilder("request", 1, transactionId);
      const head = builder.build();
      new DataView(head.buffer, head.byteOffset).setUint16(2, 4 + sizeBytes);
      const value = hash === "sha1" ? digests.hmacSha1(key, head) : digests.hmacSha256(key, head);
      return parsed(builder.add(type, value.subarray(0, sizeBytes)).build());
    };
    for (const [sizeBytes, isGood] of [
      [0, false],
      [12, false],
      [16, true],
      [18, false],
      [20, true],
      [32, true],
    ] as const) {
      const message = cut(stunAttribute.messageIntegritySha256, "sha256", sizeBytes);
      assert.equal(hasIntegrity(message, "sha256", key, digests), isGood, `${sizeBytes}`);
    }
    for (const [sizeBytes, isGood] of [
      [0, false],
      [16, false],
      [20, true],
    ] as const) {
      const message = cut(stunAttribute.messageIntegrity, "sha1", sizeBytes);
      assert.equal(hasIntegrity(message, "sha1", key, digests), isGood, `${sizeBytes}`);
    }
  });

  test("the first of two equal attributes counts; unknown required ones are named once", () => {
    const message = parsed(
      new StunBuilder("request", 1, transactionId)
        .add(0x7001, encodeText("x"))
        .add(stunAttribute.priority, encodeNumber(1))
        .add(stunAttribute.priority, encodeNumber(2))
        .add(0x8fff, encodeText("y"))
        .add(0x7001, encodeText("z"))
        .add(0x0003, encodeNumber(6))
        .build(),
    );
    assert.equal(readNumber(attributeOf(message, stunAttribute.priority) ?? new Uint8Array()), 1);
    assert.deepEqual(unknownRequired(message, new Set([stunAttribute.priority])), [0x7001, 0x0003]);
  });

  test("what was in the memory before does not leave in the padding", () => {
    let pool = Buffer.allocUnsafe(1);
    while (pool.byteOffset > 1_000) pool = Buffer.allocUnsafe(1);
    // All that is still to be given out of the pool that messages are made of.
    new Uint8Array(pool.buffer, pool.byteOffset + 1).fill(0xaa);
    for (const sizeBytes of [0, 1, 2, 3, 4, 201]) {
      const message = new StunBuilder("request", 1, transactionId)
        .add(0x8022, new Uint8Array(sizeBytes))
        .build();
      assert.deepEqual(message.subarray(24), new Uint8Array(Math.ceil(sizeBytes / 4) * 4));
    }
  });

  test("too many attributes make no message", () => {
    const builder = new StunBuilder("request", 1, transactionId);
    for (let count = 0; count < stunAttributesMax; count++) builder.add(0x8022, new Uint8Array());
    assert.equal(parsed(builder.build()).attributes.length, stunAttributesMax);
    assert.equal(parseStun(builder.add(0x8022, new Uint8Array()).build()), undefined);
  });
});

suite("stun: values", (test) => {
  test("the checksum of ITU V.42", () => {
    assert.equal(crc32(encodeText("123456789")), 0xcbf43926);
    assert.equal(crc32(new Uint8Array()), 0);
  });

  test("error codes", () => {
    assert.deepEqual([...encodeErrorCode({ code: 487, reason: "No" })], [0, 0, 4, 87, 78, 111]);
    assert.deepEqual(readErrorCode(Uint8Array.of(0, 0, 4, 1)), { code: 401, reason: "" });
    for (const bad of [[], [0, 0, 4], [0, 0, 2, 0], [0, 0, 7, 0], [0, 0, 4, 100]]) {
      assert.equal(readErrorCode(Uint8Array.from(bad)), undefined);
    }
  });

  test("values of a wrong size are none", () => {
    assert.equal(readNumber(new Uint8Array(3)), undefined);
    assert.equal(readNumber(new Uint8Array(8)), undefined);
    assert.equal(readTypes(new Uint8Array(3)), undefined);
    assert.deepEqual(readTypes(encodeTypes([1, 0xffff])), [1, 0xffff]);
    for (const bad of [
      [],
      [0, 1, 0, 0],
      [0, 1, 0, 0, 1, 2, 3, 4, 5],
      [0, 3, 0, 0, 1, 2, 3, 4],
      [0, 2, 0, 0, 1, 2, 3, 4],
    ]) {
      assert.equal(readAddress(Uint8Array.from(bad)), undefined);
    }
  });

  test("addresses of both families, plain and hidden, come back", () => {
    const port = fc.nat(65_535);
    const ip = fc.oneof(fc.ipV4(), fc.ipV6());
    fc.assert(
      fc.property(ip, port, fc.uint8Array({ minLength: 12, maxLength: 12 }), (host, number, id) => {
        const place = parseEndpoint(host.includes(":") ? `[${host}]:${number}` : `${host}:${number}`);
        // An IPv4-mapped IPv6 address is IPv4 to us.
        fc.pre(place !== undefined && !place.ip.startsWith("::ffff:"));
        assert.deepEqual(readAddress(encodeAddress(place)), place);
        assert.deepEqual(readXorAddress(encodeXorAddress(place, id), id), place);
      }),
      { numRuns: fuzzRuns(300) },
    );
  });
});

suite("stun: hostile bytes", (test) => {
  test("anything is read or refused, never thrown at; what is read lies inside", () => {
    const header = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    const body = fc.array(
      fc.tuple(fc.constantFrom(6, 8, 9, 0x1c, 0x20, 0x24, 0x8028, 0xffff), fc.uint8Array({ maxLength: 40 })),
      { maxLength: 12 },
    );
    const framed = fc.tuple(body, fc.option(fc.nat(0xffff))).map(([attributes, size]) => {
      const builder = new StunBuilder("request", 1, transactionId);
      for (const [type, value] of attributes) builder.add(type, value);
      const bytes = builder.build();
      if (size !== null && bytes.length > 24)
        new DataView(bytes.buffer, bytes.byteOffset).setUint16(22, size);
      return bytes;
    });
    const raw = fc.uint8Array({ maxLength: 200 });
    const headed = raw.map((rest) => {
      const bytes = Uint8Array.from([...header, ...rest]);
      new DataView(bytes.buffer, bytes.byteOffset).setUint16(2, Math.max(0, bytes.length - 20));
      return bytes;
    });
    fc.assert(
      fc.property(fc.oneof(raw, headed, framed), (bytes) => {
        const message = parseStun(bytes);
        if (message === undefined) return;
        for (const { value, offset } of message.attributes) {
          assert.ok(offset >= 20 && offset + 4 + value.length <= bytes.length);
          readText(value);
          readAddress(value);
          readErrorCode(value);
          readTypes(value);
        }
        assert.ok(!hasIntegrity(message, "sha1", password, digests));
        assert.ok(!hasIntegrity(message, "sha256", password, digests));
      }),
      { numRuns: fuzzRuns(3_000) },
    );
  });
});
