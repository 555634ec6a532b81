/** Random offers and answers of every kind of security, ICE and bundle: what the relay is told stays sound. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { BundleItem, CallRequest, MediaOptions, OsrtpItem } from "../../../src/call/requests.ts";
import type { CallState, MediaState } from "../../../src/call/state.ts";
import { transportProtocol } from "../../../src/sdp/protocol.ts";
import { isWellFormedKey } from "../../../src/srtp/suites.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";
import { answer, type Lab, offer, plainOptions } from "./lab.ts";
import {
  body,
  cryptoLine,
  type MediaShape,
  otherFingerprint,
  peerFingerprint,
  read,
  secureLab,
} from "./parties.ts";

const suites = [
  "AEAD_AES_256_GCM",
  "AES_CM_128_HMAC_SHA1_80",
  "AES_CM_128_HMAC_SHA1_32",
  "F8_128_HMAC_SHA1_80",
];

const crypto = fc.array(
  fc
    .record({ tag: fc.integer({ min: 0, max: 3 }), suite: fc.constantFrom(...suites), seed: fc.nat(3) })
    .map(({ tag, suite, seed }) => cryptoLine(tag, suite, seed)),
  { maxLength: 3 },
);

const media: fc.Arbitrary<MediaShape> = fc
  .record(
    {
      kind: fc.constantFrom("audio", "video", "application"),
      port: fc.constantFrom(0, 9, 4000, 4000, 4002),
      protocol: fc.constantFrom(
        "RTP/AVP",
        "RTP/SAVP",
        "RTP/SAVPF",
        "UDP/TLS/RTP/SAVPF",
        "UDP/DTLS/SCTP",
        "udptl",
      ),
      types: fc.constantFrom("0", "111", "96"),
      crypto,
      fingerprint: fc.constantFrom(peerFingerprint, otherFingerprint),
      setup: fc.constantFrom("actpass", "active", "passive", "holdconn", "nonsense"),
      ice: fc.constantFrom({ ufrag: "u1" }, { ufrag: "u2" }, { ufrag: "u2", candidates: [] }),
      hasMux: fc.boolean(),
      mid: fc.constantFrom("0", "1", "2"),
      extra: fc.constantFrom([], ["a=bundle-only"], ["a=tls-id:abcdefghijklmnopqrstuv"], ["a=rtcp-mux-only"]),
    },
    { requiredKeys: ["port", "protocol", "types"] },
  )
  .map((shape) => shape as MediaShape);

const text = fc
  .record({
    version: fc.integer({ min: 1, max: 3 }),
    ip: fc.constantFrom("203.0.113.5", "203.0.113.6", "0.0.0.0"),
    session: fc.constantFrom([], ["a=group:BUNDLE 0 1 2"], ["a=group:BUNDLE 1 0"], ["a=ice-lite"]),
    media: fc.array(media, { minLength: 1, maxLength: 3 }),
  })
  .map(body);

const options = fc.record(
  {
    transportProtocol: fc.constantFrom(undefined, "RTP/AVP", "RTP/SAVP", "UDP/TLS/RTP/SAVPF"),
    ice: fc.constantFrom("default", "remove", "force", "optional", "force-relay"),
    iceLite: fc.constantFrom(undefined, "forward", "backward", "both", "off"),
    bundle: fc
      .constantFrom<BundleItem[]>("offer", "require", "strict", "reject", "accept")
      .map((word) => new Set([word])),
    osrtp: fc.constantFrom<OsrtpItem[]>("offer", "accept").map((word) => new Set([word])),
    passthrough: fc.constantFrom(undefined, undefined, undefined, true, false),
    recrypts: fc.boolean(),
    resets: fc.boolean(),
    rejectsIce: fc.boolean(),
    portLatching: fc.constantFrom(undefined, false),
    direction: fc.constantFrom(undefined, ["default", "inside"]),
    dtls: fc.constantFrom("default", "off", "passive"),
    sdes: fc.constantFrom(
      plainOptions.sdes,
      { ...plainOptions.sdes, isOff: true },
      { ...plainOptions.sdes, addsNone: true },
      { ...plainOptions.sdes, isPreferred: true, isStatic: true },
    ),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<unknown> as fc.Arbitrary<Partial<MediaOptions>>;

const fragment = fc
  .record({ mid: fc.constantFrom("0", "1", "9"), ufrag: fc.constantFrom("u1", "u2", "u3"), port: fc.nat(9) })
  .map(({ mid, ufrag, port }) => ({
    sdp: `a=ice-ufrag:${ufrag}\r\nm=audio 9 RTP/AVP 0\r\na=mid:${mid}\r\na=candidate:1 1 UDP 9 192.0.2.1 ${4000 + port} typ host\r\n`,
    options: { isFragment: true } as Partial<MediaOptions>,
  }));

const tags = fc.constantFrom(["a", "b"], ["b", "a"], ["a", "c"]);

const requests: fc.Arbitrary<CallRequest> = fc
  .record({
    isOffer: fc.boolean(),
    tags,
    speech: fc.oneof(
      { weight: 8, arbitrary: fc.record({ sdp: text, options }) },
      { weight: 1, arbitrary: fragment },
    ),
  })
  .map(({ isOffer, tags: [from = "a", to = "b"], speech }) =>
    isOffer ? offer({ from, to, ...speech }) : answer({ from, to, ...speech }),
  );

function checkMedia(lab: Lab, media: MediaState): void {
  if (media.pair === undefined) return;
  const settings = lab.relay.settings.get(media.pair.id);
  if (settings === undefined) return;
  const { security, bundle, ice } = settings;
  const isSecure = transportProtocol(media.protocol).isSecure && media.transport === "rtp" && media.isActive;
  if (isSecure && security.kind === "none") {
    assert.equal(media.security?.kind, "none", "plain only as it was before the offer that changes it");
  }
  if (security.kind === "sdes") {
    assert.ok(security.receive.every(isWellFormedKey));
    assert.ok(security.receive.length <= 4);
    assert.ok(security.send === undefined || isWellFormedKey(security.send));
  }
  if (bundle !== undefined) {
    assert.ok(lab.relay.open.has(bundle.carrier), "the carrier is open");
    const carrier = lab.relay.settings.get(bundle.carrier);
    assert.equal(carrier?.bundle?.carrier, bundle.carrier, "the carrier is in its own bundle");
  }
  if (ice !== undefined) assert.ok(ice.candidates.length <= 64 && ice.localUfrag.length >= 4);
}

function checkCall(lab: Lab, call: CallState): void {
  for (const leg of call.legs) for (const one of leg.media) checkMedia(lab, one);
  assert.doesNotThrow(() => structuredClone(call));
}

/** A secure m-line is never told without the means. */
function checkBody(lab: Lab, request: CallRequest): void {
  const reply = lab.ask(request);
  if (reply.kind !== "sdp") return;
  const { media: told, bundles } = read(reply.sdp);
  for (const one of told) {
    const hasKeys = one.crypto.length > 0 || one.fingerprints.length > 0;
    const isUsed = one.port !== 0 || one.isBundleOnly;
    const passes = "options" in request && "ice" in request.options && isPassed(lab, request);
    if (isUsed && one.port !== 0 && one.protocol.isSecure && !passes) assert.ok(hasKeys, reply.sdp);
  }
  const mids = bundles.flat();
  assert.equal(new Set(mids).size, mids.length, "an m-line is in one bundle");
  for (const mid of mids)
    assert.ok(
      told.some((one) => one.mid === mid),
      `${mid} is told`,
    );
}

function isPassed(lab: Lab, request: CallRequest): boolean {
  const call = lab.calls
    .snapshot()
    .calls.find(({ callId }) => "callId" in request && callId === request.callId);
  return call?.legs.some((leg) => leg.media.some(({ security }) => isOfPassing(security))) === true;
}

function isOfPassing(security: MediaState["security"]): boolean {
  return security?.kind === "passed" || security?.wanted === "passed" || security?.told[0] === "passed";
}

suite("call: random secure histories", (test) => {
  test(
    "keys, ICE and bundles stay sound whatever is said",
    () => {
      fc.assert(
        fc.property(fc.array(requests, { maxLength: 12 }), (all) => {
          const lab = secureLab();
          for (const request of all) {
            checkBody(lab, request);
            for (const call of lab.calls.snapshot().calls) checkCall(lab, call);
          }
          lab.advance(3_000);
          for (const { security } of lab.relay.settings.values())
            assert.ok(security.kind !== "sdes" || security.receive.length <= 1, "one key is left");
          lab.take(lab.calls.endAll(lab.nowMs));
          assert.equal(lab.relay.open.size, 0, "no port is left");
        }),
        { numRuns: fuzzRuns(1_000), includeErrorInReport: true },
      );
    },
    { timeoutMs: 600_000 },
  );
});
