/** Every kind of endpoint to every other, with and without ICE and rtcp-mux, by the flags that proxies send. */
import assert from "node:assert/strict";
import type { MediaOptions } from "../../../src/call/requests.ts";
import type { PairSettings } from "../../../src/core/plan/plan.ts";
import { transportProtocol } from "../../../src/sdp/protocol.ts";
import type { MediaSummary } from "../../../src/sdp/summary.ts";
import { suite } from "../../support/suite.ts";
import { answer, offer, portIn } from "./lab.ts";
import {
  answering,
  body,
  cryptoLine,
  keyOf,
  type MediaShape,
  mediaOf,
  password,
  peerFingerprint,
  secureLab,
} from "./parties.ts";

const protocols = [
  "RTP/AVP",
  "RTP/AVPF",
  "RTP/SAVP",
  "RTP/SAVPF",
  "UDP/TLS/RTP/SAVP",
  "UDP/TLS/RTP/SAVPF",
] as const;
type Keys = "none" | "sdes" | "dtls";

interface Pairing {
  readonly alice: string;
  readonly bob: string;
  readonly aliceIce: boolean;
  readonly word: MediaOptions["ice"];
  readonly bobIce: boolean;
  readonly aliceMux: boolean;
  readonly bobMux: boolean;
}

function keysOf(protocol: string): Keys {
  const { isDtls, isSecure } = transportProtocol(protocol);
  if (isDtls) return "dtls";
  return isSecure ? "sdes" : "none";
}

const aliceLine = cryptoLine(1, "AES_CM_128_HMAC_SHA1_80", 1);

function aliceShape({ alice, aliceIce, aliceMux }: Pairing): MediaShape {
  const shape = { protocol: alice, hasMux: aliceMux, ...(aliceIce ? { ice: { ufrag: "aliceU" } } : {}) };
  if (keysOf(alice) === "sdes") return { ...shape, crypto: [aliceLine] };
  return keysOf(alice) === "dtls" ? { ...shape, fingerprint: peerFingerprint, setup: "actpass" } : shape;
}

function bobShape({ bob, bobIce, bobMux }: Pairing, offered: MediaSummary): MediaShape {
  const shape = {
    port: 5000,
    protocol: bob,
    hasMux: bobMux,
    ...(bobIce ? { ice: { ufrag: "bobU" } } : {}),
  };
  const [line] = offered.crypto;
  if (keysOf(bob) === "sdes" && line !== undefined) return { ...shape, crypto: [answering(line, 7)] };
  return keysOf(bob) === "dtls" ? { ...shape, fingerprint: peerFingerprint, setup: "active" } : shape;
}

function assertKeys(settings: PairSettings, keys: Keys, said: MediaSummary, told: MediaSummary): void {
  const { security } = settings;
  assert.equal(security.kind, keys);
  if (security.kind === "sdes") {
    assert.deepEqual(security.receive, [said.crypto[0]?.key]);
    const ours = told.crypto.find(({ key }) => key.suite === said.crypto[0]?.key.suite)?.key;
    assert.deepEqual(security.send, ours);
  } else if (security.kind === "dtls") {
    assert.deepEqual(security.fingerprints, said.fingerprints);
    assert.equal(security.association, 1);
    const isClient = said.setup === "passive" || (said.setup === "actpass" && told.setup === "active");
    assert.equal(security.role, isClient ? "client" : "server");
  }
}

function assertIce(settings: PairSettings, ufrag: string | undefined, told: MediaSummary): void {
  assert.equal(settings.ice?.remote?.ufrag, ufrag);
  if (ufrag === undefined) {
    assert.equal(settings.ice, undefined);
    return;
  }
  assert.equal(settings.ice?.remote?.password, password);
  assert.equal(settings.ice?.localUfrag, told.ice?.ufrag);
  assert.equal(settings.ice?.localPassword, told.ice?.password);
  assert.equal(settings.ice?.candidates.length, 1);
}

/** What is offered or answered to a party is secured in its own way and no other. */
function assertTold(told: MediaSummary, protocol: string, hasIce: boolean, hasMux: boolean): void {
  const keys = keysOf(protocol);
  assert.equal(told.protocol.name, protocol);
  assert.equal(told.crypto.length > 0, keys === "sdes");
  assert.equal(told.ice !== undefined, hasIce);
  assert.equal(told.rtcpMux, hasMux);
  assert.equal(told.setup !== undefined, told.fingerprints.length > 0);
  if (hasIce) assert.deepEqual(told.ice?.candidates[0]?.endpoint, told.remote);
}

function run(pairing: Pairing): void {
  const lab = secureLab();
  const { alice, bob, aliceIce, aliceMux, bobIce, bobMux, word } = pairing;
  const said = body({ media: [aliceShape(pairing)] });
  const options = { transportProtocol: bob, ice: word };
  const toBob = lab.body(offer({ sdp: said, options }));
  const offered = mediaOf(toBob);
  const bobHasIce = word === "force" || (word === "default" && aliceIce);
  assertTold(offered, bob, bobHasIce, aliceMux);
  const isBobDtls = keysOf(bob) === "dtls";
  // Under RTP/SAVP(F) the answerer may choose.
  assert.equal(offered.fingerprints.length > 0, isBobDtls || keysOf(bob) === "sdes");
  if (isBobDtls) assert.equal(offered.setup, "actpass");
  const shape = bobShape({ ...pairing, bobIce: bobIce && bobHasIce }, offered);
  const bobs = body({ ip: "203.0.113.6", media: [shape] });
  const toAlice = lab.body(answer({ sdp: bobs, options: { ice: "default" } }));
  const answered = mediaOf(toAlice);
  const isMuxed = aliceMux && bobMux;
  assertTold(answered, alice, aliceIce, isMuxed);
  if (keysOf(alice) === "sdes") assert.equal(answered.crypto.length, 1);
  assert.equal(answered.fingerprints.length > 0, keysOf(alice) === "dtls");
  if (keysOf(alice) === "dtls") assert.equal(answered.setup, "active");
  const [near, far] = [lab.settingsOf(portIn(toAlice)), lab.settingsOf(portIn(toBob))];
  assertKeys(near, keysOf(alice), mediaOf(said), answered);
  assertKeys(far, keysOf(bob), mediaOf(bobs), offered);
  assertIce(near, aliceIce ? "aliceU" : undefined, answered);
  assertIce(far, bobIce && bobHasIce ? "bobU" : undefined, offered);
  assert.equal(near.ice?.isControlling ?? false, false);
  assert.equal(far.ice?.isControlling ?? true, true);
  assert.deepEqual([near.rtcpMux, far.rtcpMux], [isMuxed, isMuxed]);
  assert.equal(near.peer, lab.pairOf(portIn(toBob)));
}

const flags = [false, true];

function pairingsOf(alice: string, bob: string): readonly Pairing[] {
  const words = ["default", "force", "remove"] as const;
  return words.flatMap((word) =>
    flags.flatMap((aliceIce) =>
      flags.flatMap((bobIce) =>
        flags.flatMap((aliceMux) =>
          flags.map((bobMux) => ({ alice, bob, aliceIce, word, bobIce, aliceMux, bobMux })),
        ),
      ),
    ),
  );
}

suite("call: every endpoint to every other", (test) => {
  for (const alice of protocols) {
    for (const bob of protocols) {
      test(`${alice} to ${bob}`, () => {
        for (const pairing of pairingsOf(alice, bob)) {
          try {
            run(pairing);
          } catch (error) {
            throw new Error(`with ${JSON.stringify(pairing)}`, { cause: error });
          }
        }
      });
    }
  }

  test("SDES to SDES passes with the parties' own keys", () => {
    const lab = secureLab();
    const alice = body({ media: [{ protocol: "RTP/SAVP", crypto: [aliceLine] }] });
    const toBob = lab.body(offer({ sdp: alice }));
    const bobLine = cryptoLine(1, "AES_CM_128_HMAC_SHA1_80", 9);
    const media = [{ port: 5000, protocol: "RTP/SAVP", crypto: [bobLine] }];
    const toAlice = lab.body(answer({ sdp: body({ ip: "203.0.113.6", media }) }));
    const [near, far] = [lab.settingsOf(portIn(toAlice)), lab.settingsOf(portIn(toBob))];
    assert.deepEqual(near.security, { kind: "sdes", receive: [keyOf(aliceLine)], send: keyOf(bobLine) });
    assert.deepEqual(far.security, { kind: "sdes", receive: [keyOf(bobLine)], send: keyOf(aliceLine) });
  });
});
