import assert from "node:assert/strict";
import type { BundleItem, OsrtpItem, RtcpMuxItem } from "../../../../src/call/requests.ts";
import { readRequest } from "../../../../src/control/ng/read-request.ts";
import { type MediaDraft, type NgRequest, newMediaDraft } from "../../../../src/control/ng/request.ts";
import type { NgValue } from "../../../../src/control/ng/value.ts";
import { suite } from "../../../support/suite.ts";

type Message = Readonly<Record<string, NgValue>>;

function read(message: Message, command = "offer"): NgRequest {
  return readRequest(command, new Map(Object.entries(message)));
}

/** The message is understood without a word, and differs from the defaults in these. */
function sets(message: Message, changes: Partial<MediaDraft>, command = "offer"): void {
  const { media, warnings, lacks, refusal } = read(message, command);
  assert.deepEqual(media, { ...newMediaDraft(), ...changes }, JSON.stringify(message));
  assert.deepEqual([warnings, lacks, refusal], [[], [], undefined], JSON.stringify(message));
}

function sdes(changes: Partial<MediaDraft["sdes"]>): Partial<MediaDraft> {
  return { sdes: { ...newMediaDraft().sdes, ...changes } };
}

const bundle = (...items: readonly BundleItem[]) => ({ bundle: new Set(items) });
const osrtp = (...items: readonly OsrtpItem[]) => ({ osrtp: new Set(items) });

suite("control/ng/security-words", (test) => {
  test("profiles, as a key and as the words of rtpp-flags", () => {
    const table: readonly (readonly [string, string])[] = [
      ["RTP SRTP", "RTP/SAVP"],
      ["SRTP AVPF", "RTP/SAVPF"],
      ["DTLS", "UDP/TLS/RTP/SAVP"],
      ["SRTP AVPF DTLS", "UDP/TLS/RTP/SAVPF"],
      ["RTP/SAVPF", "RTP/SAVPF"],
      ["UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVPF"],
      ["UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVP"],
    ];
    for (const [flags, transportProtocol] of table) {
      sets({ "rtpp-flags": flags }, { transportProtocol });
      sets({ "transport protocol": transportProtocol }, { transportProtocol });
    }
    sets({ "transport-protocol": "accept" }, { transportProtocol: "accept" }, "answer");
    const odd = read({ "transport-protocol": "TCP/TLS/RTP/SAVP" });
    assert.deepEqual(odd.warnings, ["Unknown 'transport-protocol' value: 'TCP/TLS/RTP/SAVP'"]);
    assert.equal(odd.media.transportProtocol, undefined);
  });

  test("ICE", () => {
    for (const ice of ["default", "remove", "force", "optional", "force-relay"] as const)
      sets({ ICE: ice }, { ice });
    sets({ ICE: "force relay" }, { ice: "force-relay" });
    sets({ "rtpp-flags": "ICE=force_relay" }, { ice: "force-relay" });
    sets(
      { ICE: ["force", "trickle", "lite", "ice2"] },
      { ice: "force", tricklesIce: true, iceLite: "forward", isIce2: true },
    );
    sets({ "rtpp-flags": "ICE=[optional lite-both]" }, { ice: "optional", iceLite: "both" });
    sets({ ICE: "lite-bkw" }, { iceLite: "backward" });
    sets({ ICE: "no-lite" }, { iceLite: "off" });
    sets({ "ICE-lite": "both" }, { iceLite: "both" });
    sets({ "ice lite": "reverse" }, { iceLite: "backward" });
    sets({ "ICE-lite": "offer" }, { iceLite: "forward" });
    sets({ "ICE-lite": "none" }, { iceLite: "off" });
    sets({ flags: ["trickle ICE", "ICE-reject"] }, { tricklesIce: true, rejectsIce: true });
    sets({ flags: ["reject-ice", "fragment"] }, { rejectsIce: true, isFragment: true });
  });

  test("bundles", () => {
    sets({ bundle: ["accept"] }, bundle("accept"));
    sets({ BUNDLE: "offer,accept" }, { ...bundle("offer", "accept"), generatesMid: true });
    sets({ flags: ["BUNDLE-require"] }, { ...bundle("require", "offer"), generatesMid: true });
    sets(
      { "rtpp-flags": "bundle=[strict]" },
      { ...bundle("strict", "require", "offer"), generatesMid: true },
    );
    sets({ flags: ["bundle-reject"] }, bundle("reject"));
  });

  test("SDES: switches", () => {
    for (const off of ["off", "no", "disable", "disabled"]) sets({ SDES: [off] }, sdes({ isOff: true }));
    sets({ flags: ["SDES-off"] }, sdes({ isOff: true }));
    sets({ "rtpp-flags": "SDES=[pad off]" }, sdes({ isOff: true }));
    sets({ SDES: "lifetime,static" }, sdes({ showsLifetime: true, isStatic: true }));
    sets({ flags: ["SDES-nonew", "SDES-prefer"] }, sdes({ addsNone: true, isPreferred: true }));
    sets({ SDES: ["priority"] }, sdes({ isPreferred: true }));
  });

  test("SDES: session parameters and their opposites, as the other side by default", () => {
    sets({ SDES: ["unencrypted_srtp"] }, sdes({ wantsUnencryptedRtp: true }));
    sets({ flags: ["SDES-UNENCRYPTED_SRTCP"] }, sdes({ wantsUnencryptedRtcp: true }));
    sets({ SDES: ["unauthenticated_srtp"] }, sdes({ wantsUnauthenticatedRtp: true }));
    sets(
      { SDES: ["encrypted_srtp", "ENCRYPTED_SRTCP", "authenticated_srtp"] },
      sdes({ wantsUnencryptedRtp: false, wantsUnencryptedRtcp: false, wantsUnauthenticatedRtp: false }),
    );
  });

  test("SDES: suites", () => {
    sets(
      { SDES: ["only-AEAD_AES_128_GCM", "only-aead_aes_256_gcm", "only-AEAD_AES_128_GCM"] },
      sdes({ only: ["AEAD_AES_128_GCM", "AEAD_AES_256_GCM"] }),
    );
    sets({ flags: ["SDES-no-NULL_HMAC_SHA1_32"] }, sdes({ without: ["NULL_HMAC_SHA1_32"] }));
    sets(
      {
        "rtpp-flags":
          "SDES-order:AES_CM_128_HMAC_SHA1_80;AES_256_CM_HMAC_SHA1_80; SDES-offerer_pref:AES_192_CM_HMAC_SHA1_32",
      },
      sdes({
        order: ["AES_CM_128_HMAC_SHA1_80", "AES_256_CM_HMAC_SHA1_80"],
        offererPreference: ["AES_192_CM_HMAC_SHA1_32"],
      }),
    );
    const { media, warnings } = read({
      SDES: ["no-F8_128_HMAC_SHA1_80", "order:A;AEAD_AES_128_GCM", "only-", "what"],
    });
    assert.deepEqual(warnings, [
      "Unknown crypto suite: 'F8_128_HMAC_SHA1_80'",
      "Unknown crypto suite: 'A'",
      "Unknown 'SDES' value: 'what'",
    ]);
    assert.deepEqual([media.sdes.without, media.sdes.order, media.sdes.only], [[], ["AEAD_AES_128_GCM"], []]);
  });

  test("DTLS", () => {
    for (const off of ["off", "no", "disable", "disabled"]) sets({ DTLS: off }, { dtls: "off" });
    sets({ "rtpp-flags": "DTLS=off" }, { dtls: "off" });
    sets({ DTLS: "passive" }, { dtls: "passive" });
    sets({ "DTLS-reverse": "active" }, { dtls: "active" });
    sets({ DTLS: ["off", "passive"] }, { dtls: "off" });
    for (const [text, hash] of [
      ["SHA-1", "sha-1"],
      ["sha-384", "sha-384"],
    ] as const) {
      sets({ "DTLS fingerprint": text }, { fingerprintHash: hash });
    }
    sets({ flags: ["no-tls-id"] }, { showsTlsId: false });
    const late = read({ DTLS: "passive" }, "answer");
    assert.deepEqual(
      [late.media.dtls, late.warnings],
      ["default", ["'DTLS=passive' comes too late in an answer"]],
    );
    assert.deepEqual(read({ "DTLS-fingerprint": "md5" }).warnings, ["Unknown 'DTLS-fingerprint': 'md5'"]);
  });

  test("OSRTP", () => {
    sets({ OSRTP: "offer" }, osrtp("offer"));
    sets({ flags: ["OSRTP-offer-RFC"] }, osrtp("offer"));
    sets({ flags: ["OSRTP-accept"] }, osrtp("accept"));
    sets({ flags: ["OSRTP-accept-RFC"] }, osrtp("accept"));
    for (const word of ["offer-legacy", "accept-legacy"]) {
      const { media, lacks } = read({ OSRTP: [word] });
      assert.deepEqual([...media.osrtp, ...lacks], [`'OSRTP=${word}' is not supported and has no effect`]);
    }
  });

  test("what passes and what is keyed anew", () => {
    sets({ flags: ["recrypt"] }, { recrypts: true });
    sets({ flags: ["passthrough"] }, { passthrough: true });
    sets({ flags: ["no-passthrough"] }, { passthrough: false });
    sets({ passthrough: "on" }, { passthrough: true });
    sets({ passthru: "disabled" }, { passthrough: false });
  });

  test("WebRTC is many words in one, and what follows it counts", () => {
    const webRtc = {
      transportProtocol: "UDP/TLS/RTP/SAVPF",
      ice: "force",
      tricklesIce: true,
      rtcpMux: new Set<RtcpMuxItem>(["offer", "require"]),
      rtcpAttribute: "none",
      ...sdes({ isOff: true }),
      generatesMid: true,
      ...bundle("offer", "require"),
    } as const;
    sets({ flags: ["WebRTC"] }, webRtc);
    sets({ "rtpp-flags": "webrtc" }, webRtc);
    sets({ flags: ["WebRTC"], ICE: "optional" }, { ...webRtc, ice: "optional" });
  });
});
