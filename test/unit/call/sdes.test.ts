import assert from "node:assert/strict";
import type { SdesOptions } from "../../../src/call/requests.ts";
import type { SrtpSuite } from "../../../src/core/plan/security.ts";
import type { CryptoAttribute } from "../../../src/sdp/crypto-attribute.ts";
import { suite } from "../../support/suite.ts";
import { answer, Lab, offer, plainOptions, portIn, sdp } from "./lab.ts";
import { answering, body, cryptoLine, keyOf, mediaOf, peerFingerprint, secureLab } from "./parties.ts";

const ours: readonly SrtpSuite[] = [
  "AEAD_AES_256_GCM",
  "AEAD_AES_128_GCM",
  "AES_256_CM_HMAC_SHA1_80",
  "AES_256_CM_HMAC_SHA1_32",
  "AES_192_CM_HMAC_SHA1_80",
  "AES_192_CM_HMAC_SHA1_32",
  "AES_CM_128_HMAC_SHA1_80",
  "AES_CM_128_HMAC_SHA1_32",
];

const line80 = cryptoLine(1, "AES_CM_128_HMAC_SHA1_80", 1);
const line32 = cryptoLine(2, "AES_CM_128_HMAC_SHA1_32", 2);

function words(some: Partial<SdesOptions>) {
  return { sdes: { ...plainOptions.sdes, ...some } };
}

function secure(crypto: readonly string[], version = 1): string {
  return body({ version, media: [{ protocol: "RTP/SAVP", crypto }] });
}

function bobs(crypto: readonly string[], version = 1): string {
  return body({ ip: "203.0.113.6", version, media: [{ port: 5000, protocol: "RTP/SAVP", crypto }] });
}

function suitesOf(lines: readonly CryptoAttribute[]): readonly string[] {
  return lines.map(({ key }) => key.suite);
}

function toSavp(lab: Lab, some: Partial<SdesOptions> = {}, text = sdp()): readonly CryptoAttribute[] {
  const options = { transportProtocol: "RTP/SAVP", ...words(some) };
  return mediaOf(lab.body(offer({ sdp: text, options }))).crypto;
}

function lineAt(lines: readonly CryptoAttribute[], suite: string): CryptoAttribute {
  const line = lines.find(({ key }) => key.suite === suite);
  assert.ok(line !== undefined, `${suite} is offered`);
  return line;
}

suite("call: SDES offers", (test) => {
  test("RTP to SRTP: our suites in order, each with a key of its own, padded", () => {
    const lab = secureLab();
    const text = lab.body(offer({ options: { transportProtocol: "RTP/SAVP" } }));
    const { crypto } = mediaOf(text);
    assert.deepEqual(suitesOf(crypto), ours);
    assert.deepEqual(
      crypto.map(({ tag }) => tag),
      [1, 2, 3, 4, 5, 6, 7, 8],
    );
    const keys = new Set(crypto.map(({ key }) => [...key.masterKey].join()));
    assert.equal(keys.size, ours.length);
    assert.match(text, /^a=crypto:3 AES_256_CM_HMAC_SHA1_80 inline:[A-Za-z0-9+/]{62}==\r$/m);
  });

  test("only-, no- and order- choose and rank; lifetime is shown", () => {
    const only = toSavp(secureLab(), { only: ["AES_CM_128_HMAC_SHA1_80", "NULL_HMAC_SHA1_80"] });
    assert.deepEqual(suitesOf(only), ["AES_CM_128_HMAC_SHA1_80", "NULL_HMAC_SHA1_80"]);
    const contradicted = { only: ["AES_CM_128_HMAC_SHA1_80"], without: ["AES_CM_128_HMAC_SHA1_80"] } as const;
    assert.deepEqual(suitesOf(toSavp(secureLab(), contradicted)), ["AES_CM_128_HMAC_SHA1_80"]);
    const without = toSavp(secureLab(), { without: ["AEAD_AES_256_GCM", "AEAD_AES_128_GCM"] });
    assert.deepEqual(suitesOf(without), ours.slice(2));
    const order = ["AES_CM_128_HMAC_SHA1_32", "AEAD_AES_128_GCM"] as const;
    const ranked = toSavp(secureLab(), { order });
    assert.deepEqual(suitesOf(ranked).slice(0, 3), [...order, "AEAD_AES_256_GCM"]);
    assert.equal(ranked.length, ours.length);
    const [line] = toSavp(secureLab(), { showsLifetime: true });
    assert.equal(line?.lifetime, 2 ** 31);
  });

  test("the offerer's lines come first, with his tags and keys; ours follow", () => {
    const { crypto } = mediaOf(secureLab().body(offer({ sdp: secure([line32, line80]) })));
    assert.deepEqual(suitesOf(crypto).slice(0, 2), ["AES_CM_128_HMAC_SHA1_32", "AES_CM_128_HMAC_SHA1_80"]);
    assert.deepEqual(
      crypto.slice(0, 4).map(({ tag }) => tag),
      [2, 1, 3, 4],
    );
    assert.deepEqual([crypto[0]?.key, crypto[1]?.key], [keyOf(line32), keyOf(line80)]);
    assert.equal(new Set(suitesOf(crypto)).size, ours.length);
  });

  test("nonew adds nothing, and recrypt passes suites without keys", () => {
    const some = { sdp: secure([line80]), options: words({ addsNone: true }) };
    assert.deepEqual(suitesOf(mediaOf(secureLab().body(offer(some))).crypto), ["AES_CM_128_HMAC_SHA1_80"]);
    const rekeyed = { sdp: secure([line80]), options: { recrypts: true } };
    const { crypto } = mediaOf(secureLab().body(offer(rekeyed)));
    assert.equal(crypto[0]?.key.suite, "AES_CM_128_HMAC_SHA1_80");
    assert.notDeepEqual(crypto[0]?.key, keyOf(line80));
  });

  test("session parameters by word, but never in suites that cannot leave them out", () => {
    const lines = toSavp(secureLab(), { wantsUnencryptedRtp: true, wantsUnauthenticatedRtp: true });
    const counter = lineAt(lines, "AES_CM_128_HMAC_SHA1_80").key;
    assert.deepEqual(
      [counter.encryptsRtp, counter.encryptsRtcp, counter.authenticatesRtp],
      [false, true, false],
    );
    assert.equal(lineAt(lines, "AEAD_AES_128_GCM").key.encryptsRtp, true);
  });

  test("SDES=off leaves DTLS alone; without DTLS here that is refused", () => {
    const off = { transportProtocol: "RTP/SAVP", ...words({ isOff: true }) };
    const media = mediaOf(secureLab().body(offer({ options: off })));
    assert.deepEqual([media.crypto.length, media.fingerprints.length], [0, 1]);
    const lab = new Lab();
    const refused = { kind: "refused", reason: "unsupported-protocol" };
    assert.deepEqual(lab.ask(offer({ options: off })), refused);
    const dtls = { transportProtocol: "UDP/TLS/RTP/SAVPF" };
    assert.deepEqual(lab.ask(offer({ options: dtls })), refused);
    const nothing = { ...off, dtls: "off" } as const;
    assert.deepEqual(secureLab().ask(offer({ options: nothing })), refused);
    assert.deepEqual([lab.calls.callCount, lab.relay.open.size], [0, 0]);
  });

  test("DTLS=off leaves SDES alone, and without DTLS here so it is by itself", () => {
    const options = { transportProtocol: "RTP/SAVP", dtls: "off" } as const;
    const media = mediaOf(secureLab().body(offer({ options })));
    assert.deepEqual([media.crypto.length, media.fingerprints.length], [8, 0]);
    const here = mediaOf(new Lab().body(offer({ options: { transportProtocol: "RTP/SAVP" } })));
    assert.deepEqual([here.crypto.length, here.fingerprints.length], [8, 0]);
  });
});

suite("call: SDES answers", (test) => {
  test("nothing passes before the answer, and only what it took after", () => {
    const lab = secureLab();
    const text = lab.body(offer({ options: { transportProtocol: "RTP/SAVP", dtls: "off" } }));
    const port = portIn(text);
    assert.deepEqual(lab.settingsOf(port).security, { kind: "sdes", receive: [], send: undefined });
    const line = lineAt(mediaOf(text).crypto, "AES_192_CM_HMAC_SHA1_32");
    const taken = answering(line, 3);
    lab.body(answer({ sdp: bobs([taken]) }));
    assert.deepEqual(lab.settingsOf(port).security, {
      kind: "sdes",
      receive: [mediaOf(bobs([taken])).crypto[0]?.key],
      send: line.key,
    });
  });

  test("an answer under another tag counts by its suite; a suite that was not offered does not", () => {
    const lab = secureLab();
    const text = lab.body(offer({ options: { transportProtocol: "RTP/SAVP" } }));
    const line = lineAt(mediaOf(text).crypto, "AES_CM_128_HMAC_SHA1_80");
    lab.body(answer({ sdp: bobs([answering({ ...line, tag: 1 }, 3)]) }));
    const { security } = lab.settingsOf(portIn(text));
    assert.deepEqual(security.kind === "sdes" && security.send, line.key);
    const other = secureLab();
    const offered = offer({
      options: { transportProtocol: "RTP/SAVP", ...words({ only: ["AEAD_AES_128_GCM"] }) },
    });
    other.body(offered);
    const toAlice = other.body(answer({ sdp: bobs([line80]) }));
    assert.equal(portIn(toAlice), 0);
  });

  test("an answer that drops encryption we offered takes nothing, and weak lines of the offerer are no first choice", () => {
    const lab = secureLab();
    const open = cryptoLine(1, "AES_CM_128_HMAC_SHA1_80", 1, " UNENCRYPTED_SRTP");
    const told = toSavp(lab, { only: ["AES_CM_128_HMAC_SHA1_80"] });
    assert.deepEqual(suitesOf(told), ["AES_CM_128_HMAC_SHA1_80"]);
    assert.match(lab.body(answer({ sdp: bobs([open]) })), /^m=audio 0 /m);
    const other = secureLab();
    const lines = mediaOf(other.body(offer({ sdp: secure([open, line32]) }))).crypto;
    assert.deepEqual([lines[0]?.tag, lines.at(-1)?.tag], [2, 1]);
  });

  test("a plain answer to a secure offer is not taken, be it without keys or with a plain profile", () => {
    for (const dtls of ["off", undefined] as const) {
      const lab = secureLab();
      const options = { transportProtocol: "RTP/SAVP", ...(dtls === undefined ? {} : { dtls }) };
      const toBob = lab.body(offer({ options }));
      const toAlice = lab.body(answer({ sdp: sdp({ ip: "203.0.113.6", port: 5000 }) }));
      assert.match(toAlice, /^m=audio 0 /m);
      const { security } = lab.settingsOf(portIn(toBob));
      assert.notEqual(security.kind, "none");
      assert.ok(security.kind !== "sdes" || security.send === undefined);
    }
  });

  test("a secure answer to a plain offer is not taken", () => {
    const lab = secureLab();
    lab.body(offer());
    assert.equal(portIn(lab.body(answer({ sdp: bobs([line80]) }))), 0);
  });

  test("of the offerer's lines: the one that can pass, else his first; offerer_pref decides over both", () => {
    const bob = bobs([cryptoLine(2, "AES_CM_128_HMAC_SHA1_32", 8)]);
    const ask = (some: Partial<SdesOptions>): string => {
      const lab = secureLab();
      lab.body(offer({ sdp: secure([line80, line32]), options: words(some) }));
      const [line] = mediaOf(lab.body(answer({ sdp: bob }))).crypto;
      return `${line?.tag} ${line?.key.suite}`;
    };
    assert.equal(ask({}), "2 AES_CM_128_HMAC_SHA1_32");
    assert.equal(ask({ offererPreference: ["AES_CM_128_HMAC_SHA1_80"] }), "1 AES_CM_128_HMAC_SHA1_80");
    const plain = secureLab();
    plain.body(offer({ sdp: secure([line80, line32]), options: { transportProtocol: "RTP/AVP" } }));
    const [first] = mediaOf(plain.body(answer())).crypto;
    assert.equal(first?.key.suite, "AES_CM_128_HMAC_SHA1_80");
    assert.notDeepEqual(first?.key, keyOf(line80));
  });

  test("words exclude the offerer's lines too, but never the last one", () => {
    const ask = (some: Partial<SdesOptions>) => {
      const lab = secureLab();
      const options = { transportProtocol: "RTP/AVP", ...words(some) };
      lab.body(offer({ sdp: secure([line80, line32]), options }));
      return mediaOf(lab.body(answer())).crypto[0]?.key.suite;
    };
    assert.equal(ask({ without: ["AES_CM_128_HMAC_SHA1_80"] }), "AES_CM_128_HMAC_SHA1_32");
    assert.equal(ask({ only: ["AEAD_AES_256_GCM"] }), "AES_CM_128_HMAC_SHA1_80");
  });

  test("session parameters of a line come back in the answer to it, for both directions", () => {
    const lab = secureLab();
    const open = cryptoLine(1, "AES_CM_128_HMAC_SHA1_80", 1, " UNENCRYPTED_SRTCP");
    lab.body(offer({ sdp: secure([open]), options: { transportProtocol: "RTP/AVP" } }));
    const text = lab.body(answer());
    assert.match(text, /^a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:\S+ UNENCRYPTED_SRTCP\r$/m);
    const { security } = lab.settingsOf(portIn(text));
    assert.ok(security.kind === "sdes" && security.send?.encryptsRtcp === false);
  });

  test("DTLS before SDES where both are offered to us, unless prefer says otherwise", () => {
    const both = body({
      media: [{ protocol: "RTP/SAVP", crypto: [line80], fingerprint: peerFingerprint, setup: "actpass" }],
    });
    const ask = (lab: Lab, isPreferred: boolean) => {
      const options = { transportProtocol: "RTP/AVP", ...words({ isPreferred }) };
      lab.body(offer({ sdp: both, options }));
      const text = lab.body(answer());
      const media = mediaOf(text);
      return [lab.settingsOf(portIn(text)).security.kind, media.crypto.length, media.fingerprints.length];
    };
    assert.deepEqual(ask(secureLab(), false), ["dtls", 0, 1]);
    assert.deepEqual(ask(secureLab(), true), ["sdes", 1, 0]);
    assert.deepEqual(ask(new Lab(), false), ["sdes", 1, 0]);
  });

  test("DTLS=off in the answer leaves an offerer of both with SDES, and one of DTLS alone with that", () => {
    const secured = { protocol: "RTP/SAVP", fingerprint: peerFingerprint, setup: "actpass" };
    const kindOf = (lab: Lab, crypto: readonly string[], isFirst: boolean) => {
      const sdp = body({ version: isFirst ? 1 : 2, media: [{ ...secured, crypto }] });
      lab.body(offer({ sdp, ...(isFirst ? {} : { to: "bob" }), options: { transportProtocol: "RTP/AVP" } }));
      const text = lab.body(answer({ options: { dtls: "off" } }));
      const media = mediaOf(text);
      return [lab.settingsOf(portIn(text)).security.kind, media.crypto.length, media.fingerprints.length];
    };
    const lab = secureLab();
    assert.deepEqual(kindOf(lab, [line80], true), ["sdes", 1, 0]);
    assert.deepEqual(kindOf(lab, [line80], false), ["sdes", 1, 0]);
    assert.deepEqual(kindOf(lab, [], false), ["dtls", 0, 1]);
    assert.deepEqual(kindOf(secureLab(), [], true), ["dtls", 0, 1]);
  });
});

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
