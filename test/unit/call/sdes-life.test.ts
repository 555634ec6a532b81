/** SDES keys over re-offers, branches and holds: what stays, and what is forgotten. */
import assert from "node:assert/strict";
import type { CryptoAttribute } from "../../../src/sdp/crypto-attribute.ts";
import { suite } from "../../support/suite.ts";
import { answer, type Lab, offer, portIn, sdp } from "./lab.ts";
import { answering, cryptoLine, keyOf, mediaOf, secureLab } from "./parties.ts";
import { bobs, line32, line80, lineAt, secure, suitesOf, words } from "./sdes-lines.ts";

suite("call: SDES over the life of a call", (test) => {
  function established(): { readonly lab: Lab; readonly toBob: string; readonly toAlice: string } {
    const lab = secureLab();
    const options = { transportProtocol: "RTP/SAVP", dtls: "off" } as const;
    const toBob = lab.body(offer({ options }));
    const line = lineAt(mediaOf(toBob).crypto, "AES_CM_128_HMAC_SHA1_80");
    return { lab, toBob, toAlice: lab.body(answer({ sdp: bobs([answering(line, 5)]) })) };
  }

  test("an offer that comes again before its answer has the same keys; after the answer unused ones are new", () => {
    const lab = secureLab();
    const options = { transportProtocol: "RTP/SAVP" } as const;
    const first = mediaOf(lab.body(offer({ options }))).crypto;
    assert.deepEqual(mediaOf(lab.body(offer({ options }))).crypto, first);
    const taken = lineAt(first, "AES_CM_128_HMAC_SHA1_80");
    lab.body(answer({ sdp: bobs([answering(taken, 5)]) }));
    const later = mediaOf(lab.body(offer({ to: "bob", sdp: sdp({ version: 2 }), options }))).crypto;
    assert.deepEqual(lineAt(later, taken.key.suite).key, taken.key);
    for (const { key } of first) {
      if (key.suite !== taken.key.suite) assert.notDeepEqual(lineAt(later, key.suite).key, key);
    }
  });

  test("a re-offer keeps the key in use and offers DTLS no more", () => {
    const { lab, toBob } = established();
    const before = lab.settingsOf(portIn(toBob)).security;
    const again = mediaOf(lab.body(offer({ to: "bob", sdp: sdp({ version: 2 }) })));
    const kept = lineAt(again.crypto, "AES_CM_128_HMAC_SHA1_80");
    assert.deepEqual(kept.key, lineAt(mediaOf(toBob).crypto, "AES_CM_128_HMAC_SHA1_80").key);
    assert.equal(again.crypto[0]?.tag, 1);
    assert.equal(again.fingerprints.length, 0);
    assert.deepEqual(lab.settingsOf(portIn(toBob)).security, before, "until it is answered");
    const newer = answering(kept, 6);
    lab.body(answer({ sdp: bobs([newer], 2) }));
    const after = lab.settingsOf(portIn(toBob)).security;
    assert.ok(after.kind === "sdes" && before.kind === "sdes");
    assert.deepEqual(after.send, before.send);
    assert.deepEqual(after.receive, [mediaOf(bobs([newer])).crypto[0]?.key, ...before.receive]);
  });

  test("the offerer's own key is not kept as ours once he names it no more", () => {
    const lab = secureLab();
    const toBob = lab.body(offer({ sdp: secure([line80]) }));
    const [passed] = mediaOf(toBob).crypto;
    assert.ok(passed !== undefined);
    assert.deepEqual(passed.key, keyOf(line80));
    lab.body(answer({ sdp: bobs([answering(passed, 5)]) }));
    const sent = (): unknown => {
      const { security } = lab.settingsOf(portIn(toBob));
      return security.kind === "sdes" ? security.send : undefined;
    };
    assert.deepEqual(sent(), keyOf(line80));
    // He goes on in the clear: what we protect for him from now on needs a key he has not used.
    const plain = mediaOf(lab.body(offer({ to: "bob", sdp: sdp({ version: 2 }) }))).crypto;
    const fresh = lineAt(plain, "AES_CM_128_HMAC_SHA1_80");
    assert.notDeepEqual(fresh.key, keyOf(line80));
    lab.body(answer({ sdp: bobs([answering(fresh, 5)], 2) }));
    assert.deepEqual(sent(), fresh.key);
    // From then on that one is kept.
    const again = mediaOf(lab.body(offer({ to: "bob", sdp: sdp({ version: 3 }) }))).crypto;
    assert.deepEqual(lineAt(again, "AES_CM_128_HMAC_SHA1_80").key, fresh.key);
  });

  test("recrypt in a later offer does not keep the offerer's key for ours", () => {
    const lab = secureLab();
    const [passed] = mediaOf(lab.body(offer({ sdp: secure([line80]) }))).crypto;
    assert.ok(passed !== undefined);
    lab.body(answer({ sdp: bobs([answering(passed, 5)]) }));
    const options = { recrypts: true };
    const [line] = mediaOf(lab.body(offer({ to: "bob", sdp: secure([line80], 2), options }))).crypto;
    assert.notDeepEqual(line?.key, keyOf(line80));
  });

  test("the answerer's key that passed untouched is not kept when he has another", () => {
    const lab = secureLab();
    const [first] = mediaOf(lab.body(offer({ sdp: secure([line80]) }))).crypto;
    assert.ok(first !== undefined);
    const [passed] = mediaOf(lab.body(answer({ sdp: bobs([answering(first, 5)]) }))).crypto;
    assert.deepEqual(passed?.key, keyOf(answering(first, 5)), "both directions pass");
    // He takes another one by an offer of his own, so nothing here remembers the first.
    const mine = cryptoLine(1, "AES_CM_128_HMAC_SHA1_80", 9);
    const [taken] = mediaOf(lab.body(offer({ from: "bob", to: "alice", sdp: bobs([mine], 2) }))).crypto;
    assert.ok(taken !== undefined);
    lab.body(answer({ from: "bob", to: "alice", sdp: secure([answering(taken, 3)], 2) }));
    const options = { recrypts: true };
    const [line] = mediaOf(lab.body(offer({ to: "bob", sdp: secure([line80], 3), options }))).crypto;
    assert.ok(line !== undefined);
    const [ours] = mediaOf(lab.body(answer({ sdp: bobs([answering(line, 6)], 3), options }))).crypto;
    assert.equal(ours?.key.suite, passed?.key.suite);
    assert.notDeepEqual(ours?.key, passed?.key);
  });

  test("a new pair begins with new keys, and neither sends nor takes anything under the old", () => {
    const { lab, toBob } = established();
    const before = lab.settingsOf(portIn(toBob)).security;
    assert.ok(before.kind === "sdes");
    const options = { direction: ["default", "inside"] as const };
    const text = lab.body(offer({ to: "bob", sdp: sdp({ version: 2 }), options }));
    assert.notEqual(portIn(text), portIn(toBob));
    const now = lab.settingsOf(portIn(text)).security;
    assert.ok(now.kind === "sdes");
    assert.deepEqual([now.receive, now.send], [[], undefined]);
    const ours = lineAt(mediaOf(text).crypto, "AES_CM_128_HMAC_SHA1_80");
    assert.notDeepEqual(ours.key, before.send);
    // Whatever he says with from now on he says in his answer, though it be the key he had.
    const his = answering(ours, 5);
    lab.body(answer({ sdp: bobs([his], 2) }));
    const after = lab.settingsOf(portIn(text)).security;
    assert.ok(after.kind === "sdes");
    assert.deepEqual([after.receive, after.send], [[keyOf(his)], ours.key]);
  });

  test("a new pair where no suite may be added keeps the one in use, under a fresh key", () => {
    const { lab, toBob } = established();
    const before = lab.settingsOf(portIn(toBob)).security;
    assert.ok(before.kind === "sdes" && before.send !== undefined);
    const options = { direction: ["default", "inside"] as const, ...words({ addsNone: true }) };
    const { crypto } = mediaOf(lab.body(offer({ to: "bob", sdp: sdp({ version: 2 }), options })));
    assert.deepEqual(suitesOf(crypto), [before.send.suite]);
    assert.notDeepEqual(crypto[0]?.key.masterKey, before.send.masterKey);
  });

  test("the answerer's re-offer is answered with the key he knows", () => {
    const { lab, toBob } = established();
    const mine = cryptoLine(1, "AES_CM_128_HMAC_SHA1_80", 5);
    lab.body(offer({ from: "bob", to: "alice", sdp: bobs([mine], 2) }));
    const first = lab.body(answer({ from: "bob", to: "alice", sdp: sdp({ version: 2 }) }));
    lab.body(offer({ from: "bob", to: "alice", sdp: bobs([mine], 3) }));
    const second = lab.body(answer({ from: "bob", to: "alice", sdp: sdp({ version: 3 }) }));
    assert.deepEqual(mediaOf(second).crypto, mediaOf(first).crypto);
    assert.deepEqual(
      mediaOf(first).crypto[0]?.key,
      lineAt(mediaOf(toBob).crypto, "AES_CM_128_HMAC_SHA1_80").key,
    );
    assert.equal(portIn(first), portIn(toBob));
  });

  test("the answerer's re-offer offers the offerer the key that answered him, first of all", () => {
    const lab = secureLab();
    lab.body(offer({ sdp: secure([line80]), options: { transportProtocol: "RTP/AVP" } }));
    const [before] = mediaOf(lab.body(answer())).crypto;
    const bob = sdp({ version: 2 });
    const { crypto } = mediaOf(lab.body(offer({ from: "bob", to: "alice", sdp: bob })));
    assert.deepEqual([crypto[0]?.tag, crypto[0]?.key], [1, before?.key]);
    const back = secure([answering(crypto[0] as CryptoAttribute, 7)], 2);
    const text = lab.body(answer({ from: "bob", to: "alice", sdp: back }));
    assert.equal(mediaOf(text).crypto.length, 0);
    lab.body(offer({ to: "bob", sdp: secure([line80], 3) }));
    assert.deepEqual(mediaOf(lab.body(answer({ sdp: sdp({ version: 3 }) }))).crypto[0]?.key, before?.key);
  });

  test("a key that went out of use does not come back by an offer that was never answered", () => {
    const { lab, toBob } = established();
    const before = lineAt(mediaOf(toBob).crypto, "AES_CM_128_HMAC_SHA1_80");
    const options = { transportProtocol: "RTP/SAVP", dtls: "off" } as const;
    lab.body(offer({ to: "bob", sdp: sdp({ version: 2 }), options }));
    // Refused, and now he offers another suite.
    const mine = cryptoLine(1, "AEAD_AES_128_GCM", 9);
    lab.body(offer({ from: "bob", to: "alice", sdp: bobs([mine], 2) }));
    const [ours] = mediaOf(lab.body(answer({ from: "bob", to: "alice" }))).crypto;
    const later = mediaOf(lab.body(offer({ to: "bob", sdp: sdp({ version: 3 }), options }))).crypto;
    assert.deepEqual(lineAt(later, "AEAD_AES_128_GCM").key, ours?.key);
    assert.notDeepEqual(lineAt(later, "AES_CM_128_HMAC_SHA1_80").key, before.key);
  });

  test("encrypted_srtp holds for the line in use as well", () => {
    const lab = secureLab();
    const weak = `${line80} UNENCRYPTED_SRTP`;
    lab.body(offer({ sdp: secure([weak]), options: { transportProtocol: "RTP/AVP" } }));
    const [used] = mediaOf(lab.body(answer())).crypto;
    assert.equal(used?.key.encryptsRtp, false);
    const bob = (some: Parameters<typeof words>[0]) =>
      mediaOf(lab.body(offer({ from: "bob", to: "alice", options: words({ addsNone: true, ...some }) })))
        .crypto;
    assert.deepEqual(bob({})[0]?.key, used?.key);
    const [line] = bob({ wantsUnencryptedRtp: false });
    assert.deepEqual(line?.key, { ...used?.key, encryptsRtp: true });
  });

  test("static keeps suite and key although the offerer's order changed", () => {
    const lab = secureLab();
    const options = { transportProtocol: "RTP/AVP" };
    lab.body(offer({ sdp: secure([line80, line32]), options }));
    const [before] = mediaOf(lab.body(answer())).crypto;
    const turned = [cryptoLine(1, "AES_CM_128_HMAC_SHA1_32", 3), cryptoLine(2, "AES_CM_128_HMAC_SHA1_80", 4)];
    lab.body(offer({ to: "bob", sdp: secure(turned, 2) }));
    const [kept] = mediaOf(lab.body(answer({ options: words({ isStatic: true }) }))).crypto;
    assert.deepEqual([kept?.key, kept?.tag], [before?.key, 2]);
    lab.body(offer({ to: "bob", sdp: secure(turned, 3) }));
    const [changed] = mediaOf(lab.body(answer())).crypto;
    assert.equal(changed?.key.suite, "AES_CM_128_HMAC_SHA1_32");
  });

  test("every branch that answers on one leg may speak, the latest first; a new exchange forgets all but him", () => {
    const lab = secureLab();
    const toBob = lab.body(offer({ options: { transportProtocol: "RTP/SAVP", dtls: "off" } }));
    const port = portIn(toBob);
    const line = lineAt(mediaOf(toBob).crypto, "AES_CM_128_HMAC_SHA1_80");
    const other = lineAt(mediaOf(toBob).crypto, "AEAD_AES_128_GCM");
    lab.body(answer({ to: "bob-1", sdp: bobs([answering(line, 1)]) }));
    lab.body(answer({ to: "bob-2", sdp: bobs([answering(other, 2)]) }));
    const { security } = lab.settingsOf(port);
    assert.ok(security.kind === "sdes");
    assert.deepEqual(
      security.receive.map((key) => key.suite),
      ["AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80"],
    );
    assert.deepEqual(security.send, other.key);
    lab.body(offer({ to: "bob-2", sdp: sdp({ version: 2 }) }));
    const later = lab.settingsOf(port).security;
    assert.equal(later.kind === "sdes" && later.receive.length, 1);
  });

  test("forked branches have keys of their own", () => {
    const lab = secureLab();
    const options = { transportProtocol: "RTP/SAVP", dtls: "off" } as const;
    const first = lab.body(offer({ branch: "b1", options }));
    const second = lab.body(offer({ branch: "b2", options }));
    assert.notDeepEqual(mediaOf(first).crypto[0]?.key, mediaOf(second).crypto[0]?.key);
    const [line] = mediaOf(second).crypto;
    assert.ok(line !== undefined);
    lab.body(answer({ branch: "b2", sdp: bobs([answering(line, 2)]) }));
    const [ringing, talking] = [lab.settingsOf(portIn(first)), lab.settingsOf(portIn(second))];
    assert.ok(ringing.security.kind === "sdes" && ringing.security.send === undefined);
    assert.ok(talking.security.kind === "sdes" && talking.security.send !== undefined);
  });

  test("a branch that answers again has the key it had, whatever another one answered between", () => {
    const lab = secureLab();
    const lines = [line80, cryptoLine(2, "AEAD_AES_128_GCM", 3)];
    lab.body(offer({ branch: "b1", sdp: secure(lines), options: { transportProtocol: "RTP/AVP" } }));
    const early = () => mediaOf(lab.body(answer({ branch: "b1", to: "b1" }))).crypto;
    const first = early();
    lab.body(offer({ branch: "b2", sdp: secure(lines) }));
    for (const suite of ["AES_CM_128_HMAC_SHA1_80", "AEAD_AES_128_GCM"]) {
      const his = cryptoLine(suite === "AEAD_AES_128_GCM" ? 2 : 1, suite, 7);
      const [between] = mediaOf(lab.body(answer({ branch: "b2", to: "b2", sdp: bobs([his]) }))).crypto;
      assert.deepEqual(between?.key, keyOf(his), "it passes");
      assert.deepEqual(early(), first);
    }
    // Another offer is another exchange: what was away in the one before does not come back.
    lab.body(answer({ branch: "b2", to: "b2", sdp: bobs([cryptoLine(1, "AES_CM_128_HMAC_SHA1_80", 7)]) }));
    lab.body(offer({ to: "b1", sdp: secure([cryptoLine(1, "AES_CM_128_HMAC_SHA1_80", 4)], 2) }));
    assert.notDeepEqual(early()[0]?.key, first[0]?.key);
  });

  test("hold keeps the keys, and so does media that stays", () => {
    const { lab, toBob } = established();
    const before = lab.settingsOf(portIn(toBob)).security;
    lab.body(offer({ to: "bob", sdp: sdp({ version: 2, extra: ["a=inactive"] }) }));
    assert.deepEqual(lab.settingsOf(portIn(toBob)).security, before);
  });

  test("plain RTP again after SRTP, by the answer", () => {
    const { lab, toBob } = established();
    lab.body(offer({ to: "bob", sdp: sdp({ version: 2 }), options: { transportProtocol: "RTP/AVP" } }));
    assert.equal(lab.settingsOf(portIn(toBob)).security.kind, "sdes", "until it is answered");
    lab.body(answer({ sdp: sdp({ ip: "203.0.113.6", port: 5000, version: 2 }) }));
    assert.equal(lab.settingsOf(portIn(toBob)).security.kind, "none");
  });

  test("a late offer: the callee offers SRTP, the caller answers in plain", () => {
    const lab = secureLab();
    const options = { transportProtocol: "RTP/AVP" };
    const toAlice = lab.body(offer({ from: "bob", to: "alice", sdp: bobs([line80]), options }));
    const toBob = lab.body(answer({ from: "bob", to: "alice", sdp: sdp() }));
    assert.equal(lab.settingsOf(portIn(toBob)).security.kind, "sdes");
    assert.equal(lab.settingsOf(portIn(toAlice)).security.kind, "none");
  });

  test("no key is in a report", () => {
    const { lab } = established();
    const reply = lab.ask({ kind: "query", callId: "call-1", fromTag: undefined, toTag: undefined });
    assert.ok(reply.kind === "report");
    const text = JSON.stringify(reply.report);
    assert.doesNotMatch(text, /masterKey|masterSalt|inline/);
    const bob = reply.report.legs.find(({ tag }) => tag === "bob");
    assert.deepEqual(bob?.media[0]?.security, {
      kind: "sdes",
      suite: "AES_CM_128_HMAC_SHA1_80",
      isVerified: false,
      failure: undefined,
    });
  });
});
