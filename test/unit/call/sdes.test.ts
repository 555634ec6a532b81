import assert from "node:assert/strict";
import type { SdesOptions } from "../../../src/call/requests.ts";
import type { SrtpSuite } from "../../../src/core/plan/security.ts";
import type { CryptoAttribute } from "../../../src/sdp/crypto-attribute.ts";
import { suite } from "../../support/suite.ts";
import { answer, Lab, offer, portIn, sdp } from "./lab.ts";
import { answering, body, cryptoLine, keyOf, mediaOf, peerFingerprint, secureLab } from "./parties.ts";
import { bobs, line32, line80, lineAt, secure, suitesOf, words } from "./sdes-lines.ts";

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

function toSavp(lab: Lab, some: Partial<SdesOptions> = {}, text = sdp()): readonly CryptoAttribute[] {
  const options = { transportProtocol: "RTP/SAVP", ...words(some) };
  return mediaOf(lab.body(offer({ sdp: text, options }))).crypto;
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
