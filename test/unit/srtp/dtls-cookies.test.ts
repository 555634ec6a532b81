import assert from "node:assert/strict";
import { systemDigests } from "../../../src/io/digests.ts";
import { CookieJar } from "../../../src/srtp/dtls/cookies.ts";
import { Chance } from "../../support/simulation/chance.ts";
import { suite } from "../../support/suite.ts";
import { at, place } from "./dtls-rig.ts";

const source = place("192.0.2.7:4000");
const identity = Buffer.alloc(35, 6);

function jar(): CookieJar {
  return new CookieJar({ random: new Chance(3), digests: systemDigests, nowMs: at(0) });
}

suite("dtls cookies", (test) => {
  test("good for the same source and ClientHello alone", () => {
    const cookies = jar();
    const cookie = cookies.bake(at(10), source, { identity, cookie: Buffer.alloc(0) });
    assert.equal(cookie.length, 20);
    const isGood = (from = source, id = identity, shown = cookie): boolean =>
      cookies.isGood(at(20), from, { identity: id, cookie: shown });
    assert.equal(isGood(), true);
    assert.equal(isGood(place("192.0.2.7:4001")), false);
    assert.equal(isGood(place("192.0.2.8:4000")), false);
    assert.equal(isGood(place("[2001:db8::7]:4000")), false);
    assert.equal(isGood(source, Buffer.alloc(35, 7)), false);
    assert.equal(isGood(source, identity, cookie.subarray(0, 19)), false);
    assert.equal(isGood(source, identity, Buffer.alloc(0)), false);
    for (let bit = 0; bit < 160; bit++) {
      const changed = Uint8Array.from(cookie);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      assert.equal(isGood(source, identity, changed), false);
    }
  });

  test("another jar's cookie is no good", () => {
    const other = new CookieJar({ random: new Chance(4), digests: systemDigests, nowMs: at(0) });
    const cookie = other.bake(at(0), source, { identity, cookie: Buffer.alloc(0) });
    assert.equal(jar().isGood(at(0), source, { identity, cookie }), false);
  });

  test("good for one to two minutes", () => {
    const cookies = jar();
    const bakedAt = (ms: number): Uint8Array =>
      cookies.bake(at(ms), source, { identity, cookie: Buffer.alloc(0) });
    const cookie = bakedAt(59_000);
    assert.equal(cookies.isGood(at(61_000), source, { identity, cookie }), true);
    assert.equal(cookies.isGood(at(119_000), source, { identity, cookie }), true);
    assert.equal(cookies.isGood(at(122_000), source, { identity, cookie }), false);
    const later = bakedAt(130_000);
    assert.equal(cookies.isGood(at(1_000_000), source, { identity, cookie: later }), false);
  });
});
