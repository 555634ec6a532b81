import assert from "node:assert/strict";
import { ReplyCache, replyKey } from "../../../src/control/reply-cache.ts";
import type { IpAddress } from "../../../src/core/address.ts";
import { replyCacheTtlMs } from "../../../src/core/limits.ts";
import type { MonotonicMs } from "../../../src/core/time.ts";
import { suite } from "../../support/suite.ts";

const at = (ms: number): MonotonicMs => ms as MonotonicMs;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const proxy = { ip: "192.0.2.1" as IpAddress, port: 40_000 };

suite("control/reply-cache", (test) => {
  test("a request is unknown, then in work, then answered with the same bytes for 35 s", () => {
    const cache = new ReplyCache();
    const key = replyKey(proxy, "1_2");
    assert.equal(cache.find(at(0), key), undefined);
    cache.start(at(0), key);
    assert.equal(cache.find(at(1), key), "in-work");
    const reply = bytes("1_2 d6:result4:ponge");
    cache.store(at(2), key, reply);
    assert.equal(cache.find(at(2), key), reply);
    assert.equal(cache.find(at(2 + replyCacheTtlMs - 1), key), reply);
    assert.equal(cache.find(at(2 + replyCacheTtlMs), key), undefined);
    assert.equal(cache.entriesCount, 0);
    assert.equal(cache.sizeBytes, 0);
    assert.ok(replyCacheTtlMs >= 35_000);
  });

  test("the source is part of the key: address, port and cookie", () => {
    const keys = [
      replyKey(proxy, "c"),
      replyKey({ ...proxy, port: 40_001 }, "c"),
      replyKey({ ...proxy, ip: "192.0.2.2" as IpAddress }, "c"),
      replyKey({ ip: "2001:db8::1" as IpAddress, port: 40_000 }, "c"),
      replyKey(proxy, "C"),
    ];
    assert.equal(new Set(keys).size, keys.length);
  });

  test("beyond the entries the oldest goes; a renewed entry is young", () => {
    const cache = new ReplyCache({ entriesMax: 3, sizeBytesMax: 1e6, ttlMs: 1_000 });
    for (const key of ["a", "b", "c"]) cache.store(at(0), key, bytes(key));
    cache.store(at(1), "a", bytes("again"));
    cache.store(at(2), "d", bytes("d"));
    assert.deepEqual(
      ["a", "b", "c", "d"].map((key) => cache.find(at(3), key) !== undefined),
      [true, false, true, true],
    );
  });

  test("beyond the bytes the oldest goes, and the account is exact", () => {
    const cache = new ReplyCache({ entriesMax: 1_000, sizeBytesMax: 10_000, ttlMs: 1_000 });
    for (let index = 0; index < 100; index++) cache.store(at(index), `k${index}`, new Uint8Array(1_000));
    assert.ok(cache.sizeBytes <= 10_000);
    assert.equal(cache.entriesCount, 7);
    for (let index = 0; index < 100; index++) cache.drop(`k${index}`);
    assert.equal(cache.sizeBytes, 0);
    cache.store(at(200), "huge", new Uint8Array(20_000));
    assert.equal(cache.entriesCount, 0);
  });

  test("a request that never got its reply is forgotten too", () => {
    const cache = new ReplyCache({ entriesMax: 10, sizeBytesMax: 1e6, ttlMs: 1_000 });
    cache.start(at(0), "k");
    assert.equal(cache.find(at(999), "k"), "in-work");
    assert.equal(cache.find(at(1_000), "k"), undefined);
  });
});
