import assert from "node:assert/strict";
import { keptCodecs } from "../../../src/call/kept-codecs.ts";
import { codecListsSharedMax } from "../../../src/core/limits.ts";
import type { Codec } from "../../../src/sdp/codec.ts";
import { suite } from "../../support/suite.ts";

function codec(payloadType: number, name: string, parameters = ""): Codec {
  return {
    payloadType,
    name,
    clockRateHz: 8000,
    channels: 1,
    encoding: `${name}/8000`,
    parameters,
    feedback: ["nack"],
  };
}

suite("call: kept codecs", (test) => {
  test("keeps what tells codecs apart, and their clocks", () => {
    assert.deepEqual(keptCodecs([codec(0, "PCMU", "ptime=20")]), {
      codecs: [
        {
          payloadType: 0,
          name: "PCMU",
          clockRateHz: 8000,
          channels: 1,
          encoding: "",
          parameters: "",
          feedback: [],
        },
      ],
      clocks: [{ payloadType: 0, clockRateHz: 8000 }],
    });
  });

  test("equal lists are one object, others are not", () => {
    const first = keptCodecs([codec(0, "PCMU"), codec(8, "PCMA")]);
    assert.equal(keptCodecs([codec(0, "PCMU", "annexb=no"), codec(8, "PCMA")]), first);
    assert.notEqual(keptCodecs([codec(8, "PCMA"), codec(0, "PCMU")]), first);
    assert.notEqual(keptCodecs([codec(0, "PCMU")]), first);
    assert.notEqual(keptCodecs([codec(0, "PCMU"), { ...codec(8, "PCMA"), channels: 2 }]), first);
  });

  test("strange lists do not pile up", () => {
    const known = keptCodecs([codec(0, "PCMU")]);
    for (let index = 0; index <= codecListsSharedMax; index++) keptCodecs([codec(96, `x${index}`)]);
    const later = keptCodecs([codec(0, "PCMU")]);
    assert.notEqual(later, known);
    assert.deepEqual(later, known);
    const long = "y".repeat(2_000);
    assert.notEqual(keptCodecs([codec(96, long)]), keptCodecs([codec(96, long)]));
  });
});
