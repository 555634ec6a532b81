import assert from "node:assert/strict";
import fc from "fast-check";
import type { LocalCandidate } from "../../../src/sdp/ice-attributes.ts";
import { parseSdp } from "../../../src/sdp/parse.ts";
import { summarise } from "../../../src/sdp/summary.ts";
import type { IceDraft, SecrecyDraft } from "../../../src/sdp/write-security.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";
import { almostSdp } from "./arbitrary.ts";
import { type Changes, firstMedia, golden, ip, parsed, rewrite } from "./bodies.ts";

const head = `
  v=0
  o=- 1545997027 1 IN IP4 198.51.100.23
  s=tester
  t=0 0`;
const key = {
  suite: "AES_CM_128_HMAC_SHA1_80",
  masterKey: new Uint8Array(16).fill(1),
  masterSalt: new Uint8Array(14).fill(2),
  mki: undefined,
  encryptsRtp: true,
  encryptsRtcp: true,
  authenticatesRtp: true,
} as const;
const secrecy: SecrecyDraft = {
  crypto: [
    {
      tag: 1,
      key: { ...key, suite: "AEAD_AES_128_GCM", masterSalt: key.masterSalt.slice(2) },
      lifetime: undefined,
    },
    { tag: 2, key, lifetime: 2 ** 31 },
  ],
  fingerprint: { hash: "sha-1", value: new Uint8Array(20).fill(0xab) },
  setup: "actpass",
  tlsId: "0123456789abcdef01234567",
};
const candidate: LocalCandidate = {
  foundation: "f1",
  component: 1,
  priority: 2130706431,
  endpoint: { ip: ip("203.0.113.1"), port: 30000 },
  type: "host",
};
const rtcpCandidate: LocalCandidate = {
  ...candidate,
  component: 2,
  priority: 2130706430,
  endpoint: { ip: ip("203.0.113.1"), port: 30001 },
};
const ice: IceDraft = {
  kind: "own",
  ufrag: "uuuuuuuu",
  password: "pppppppppppppppppppppppppp",
  trickles: false,
  isIce2: false,
  candidates: [candidate, rtcpCandidate],
  hasEnded: false,
};
const mux = { local: { ip: ip("203.0.113.1"), rtpPort: 30000, rtcpPort: 30000 }, rtcpMux: true };
const fingerprint = `sha-1 ${new Array(20).fill("AB").join(":")}`;
const colons32 = new Array(32).fill("0C").join(":");

suite("sdp/write-security", (test) => {
  test("keys, then DTLS, then ptime, then ICE: rtpengine's order", () => {
    golden(
      `${head}
      m=audio 4000 RTP/AVP 0
      c=IN IP4 198.51.100.23
      a=ptime:20
      a=maxptime:40
      a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x
      ----
      ${head}
      m=audio 30000 RTP/SAVP 0
      c=IN IP4 203.0.113.1
      a=rtpmap:0 PCMU/8000
      a=sendrecv
      a=rtcp:30001
      a=crypto:1 AEAD_AES_128_GCM inline:AQEBAQEBAQEBAQEBAQEBAQICAgICAgICAgICAg==
      a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:AQEBAQEBAQEBAQEBAQEBAQICAgICAgICAgICAgIC|2^31
      a=setup:actpass
      a=fingerprint:${fingerprint}
      a=tls-id:0123456789abcdef01234567
      a=ptime:20
      a=maxptime:40
      a=ice-ufrag:uuuuuuuu
      a=ice-pwd:pppppppppppppppppppppppppp
      a=candidate:f1 1 UDP 2130706431 203.0.113.1 30000 typ host
      a=candidate:f1 2 UDP 2130706430 203.0.113.1 30001 typ host`,
      { media: { protocol: "RTP/SAVP", secrecy, ice } },
    );
  });

  test("a browser's answer: mux settled, trickling, nothing of theirs left", () => {
    golden(
      `${head}
      a=ice-lite
      a=ice-options:ice2
      m=audio 4000 RTP/AVP 0
      c=IN IP4 198.51.100.23
      a=ice-ufrag:abcd
      a=ice-pwd:abcdefghijklmnopqrstuv
      a=candidate:1 1 UDP 1 192.0.2.10 4000 typ host
      a=remote-candidates:1 192.0.2.1 9
      a=ice-pacing:50
      ----
      ${head}
      a=ice-lite
      a=group:BUNDLE a v
      m=audio 30000 UDP/TLS/RTP/SAVPF 0
      c=IN IP4 203.0.113.1
      a=mid:a
      a=rtpmap:0 PCMU/8000
      a=sendrecv
      a=rtcp-mux
      a=setup:active
      a=fingerprint:${fingerprint}
      a=ice-ufrag:uuuuuuuu
      a=ice-pwd:pppppppppppppppppppppppppp
      a=ice-options:trickle
      a=candidate:f1 1 UDP 2130706431 203.0.113.1 30000 typ host
      a=end-of-candidates`,
      {
        session: { isIceLite: true, bundles: [["a", "v"]] },
        media: {
          ...mux,
          mid: "a",
          protocol: "UDP/TLS/RTP/SAVPF",
          rtcpAttribute: "none",
          secrecy: { ...secrecy, crypto: [], setup: "active", tlsId: undefined },
          ice: { ...ice, trickles: true, hasEnded: true },
        },
      },
    );
  });

  test("mux offered and not yet settled keeps the RTCP candidate", () => {
    const text = (media: Changes["media"]) =>
      rewrite(parsed("v=0\nc=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0"), { media: { ice, ...media } }).text;
    assert.match(text({ rtcpMux: true }), /a=candidate:f1 2 /);
    assert.doesNotMatch(text(mux), /a=candidate:f1 2 /);
  });

  test("bundle-only: port 0, its codecs, rtcp-mux, no transport", () => {
    golden(
      `${head}
      m=video 4000 RTP/AVPF 96
      c=IN IP4 198.51.100.23
      a=rtpmap:96 VP8/90000
      a=label:x
      a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid
      a=bundle-only
      ----
      ${head}
      m=video 0 RTP/AVPF 96
      c=IN IP4 203.0.113.1
      a=mid:v
      a=label:x
      a=bundle-only
      a=rtpmap:96 VP8/90000
      a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid
      a=sendrecv
      a=rtcp-mux`,
      { media: { ...mux, mid: "v", isBundleOnly: true, secrecy, ice } },
    );
  });

  test("rtcp-mux-only goes with mux that is settled", () => {
    golden(
      `${head}
      m=audio 4000 RTP/AVP 0
      c=IN IP4 198.51.100.23
      a=rtcp-mux
      a=rtcp-mux-only
      ----
      ${head}
      m=audio 30000 RTP/SAVP 0
      c=IN IP4 203.0.113.1
      a=rtpmap:0 PCMU/8000
      a=sendrecv
      a=rtcp:30000
      a=rtcp-mux
      a=rtcp-mux-only
      a=setup:passive
      a=fingerprint:${fingerprint}`,
      {
        media: {
          ...mux,
          protocol: "RTP/SAVP",
          secrecy: { ...secrecy, crypto: [], setup: "passive", tlsId: undefined },
        },
      },
    );
  });

  test("passed: theirs as they came, the session's where the media has none, and ours behind", () => {
    const source = `${head}
      a=fingerprint:sha-256 ${colons32}
      a=setup:actpass
      a=ice-ufrag:ssss
      a=ice-pwd:abcdefghijklmnopqrstuv
      a=ice-options:trickle
      m=audio 4000 UDP/TLS/RTP/SAVP 0
      c=IN IP4 198.51.100.23
      a=setup:active
      a=crypto:9 UNKNOWN_SUITE inline:whatever
      a=ice-ufrag:mmmm
      a=candidate:1 1 UDP 9 198.51.100.23 4000 typ host
      a=candidate:1 1 TCP 9 198.51.100.23 9 typ host tcptype active
      a=candidate:2 1 UDP 8 198.51.100.24 4000 typ relay raddr 0.0.0.0 rport 0
      a=end-of-candidates`;
    const common = `${head}
      m=audio 30000 UDP/TLS/RTP/SAVP 0
      c=IN IP4 203.0.113.1
      a=rtpmap:0 PCMU/8000
      a=sendrecv
      a=rtcp:30001
      a=setup:active
      a=crypto:9 UNKNOWN_SUITE inline:whatever
      a=fingerprint:sha-256 ${colons32}
      a=ice-ufrag:mmmm
      a=candidate:1 1 UDP 9 198.51.100.23 4000 typ host
      a=candidate:1 1 TCP 9 198.51.100.23 9 typ host tcptype active`;
    const theirRelay = "a=candidate:2 1 UDP 8 198.51.100.24 4000 typ relay raddr 0.0.0.0 rport 0";
    const inherited = "a=ice-pwd:abcdefghijklmnopqrstuv\na=ice-options:trickle";
    golden(
      `${source}
      ----
      ${common}\n${theirRelay}\n${inherited}
      a=candidate:f1 1 UDP 2130706431 203.0.113.1 30000 typ host
      a=end-of-candidates`,
      { media: { secrecy: "passed", ice: { kind: "passed", added: [candidate] } } },
    );
    golden(
      `${source}
      ----
      ${common}\n${inherited}
      a=candidate:f1 1 UDP 2130706431 203.0.113.1 30000 typ relay raddr 203.0.113.1 rport 30000
      a=end-of-candidates`,
      { media: { secrecy: "passed", ice: { kind: "passed", added: [{ ...candidate, type: "relay" }] } } },
    );
  });

  test("a data channel keeps its DTLS, the session's too, and has ICE of ours", () => {
    golden(
      `${head}
      a=fingerprint:sha-256 ${colons32}
      a=tls-id:abcdefghijklmnopqrst
      m=application 9 UDP/DTLS/SCTP webrtc-datachannel
      c=IN IP4 198.51.100.23
      a=setup:actpass
      a=mid:d
      a=bundle-only
      a=ice-ufrag:abcd
      a=ice-pwd:abcdefghijklmnopqrstuv
      a=sctp-port:5000
      m=image 4000 udptl t38
      ----
      ${head}
      m=application 30000 UDP/DTLS/SCTP webrtc-datachannel
      c=IN IP4 203.0.113.1
      a=setup:actpass
      a=mid:d
      a=sctp-port:5000
      a=fingerprint:sha-256 ${colons32}
      a=tls-id:abcdefghijklmnopqrst
      a=ice-ufrag:uuuuuuuu
      a=ice-pwd:pppppppppppppppppppppppppp
      a=candidate:f1 1 UDP 2130706431 203.0.113.1 30000 typ host
      m=image 30002 udptl t38
      c=IN IP4 203.0.113.1
      a=mid:d
      a=ice-ufrag:uuuuuuuu
      a=ice-pwd:pppppppppppppppppppppppppp
      a=candidate:f1 1 UDP 2130706431 203.0.113.1 30000 typ host`,
      { media: { mid: "d", ice: { ...ice, candidates: [candidate] } } },
    );
  });

  test("hold by 0.0.0.0 is not told to an ICE agent", () => {
    const source = parsed("v=0\nc=IN IP4 0.0.0.0\nm=audio 4000 RTP/AVP 0");
    assert.match(rewrite(source).text, /c=IN IP4 0\.0\.0\.0/);
    assert.match(rewrite(source, { media: { ice } }).text, /c=IN IP4 203\.0\.113\.1\r\n.*a=sendonly/s);
  });

  test("attribute edits reach these lines too", () => {
    const attributes = [
      { scope: "audio", action: "remove", attribute: "tls-id" },
      { scope: "audio", action: "substitute", attribute: "setup:actpass", replacement: "setup:passive" },
      { scope: "audio", action: "remove", attribute: "candidate" },
    ] as const;
    const { text } = rewrite(parsed("v=0\nc=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0"), {
      session: { attributes },
      media: { secrecy, ice },
    });
    assert.match(text, /a=setup:passive\r\n/);
    assert.doesNotMatch(text, /tls-id|candidate/);
  });

  test("lines of the session level are not multiplied beyond measure", () => {
    const source = (size: number) =>
      parsed(`v=0\nc=IN IP4 192.0.2.1\na=fingerprint:${"x".repeat(size)}
      ${"m=audio 4000 RTP/SAVP 0\n".repeat(64)}`);
    const media = { secrecy: "passed" } as const;
    assert.equal(rewrite(source(100), { media }).text.split("a=fingerprint:").length, 65);
    assert.ok(rewrite(source(60_000), { media }).text.length < 10_000);
  });

  test("what is written is read again as it was meant", () => {
    const { text } = rewrite(parsed("v=0\nc=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0"), {
      session: { isIceLite: true },
      media: { secrecy, ice, protocol: "RTP/SAVP" },
    });
    const media = firstMedia(text);
    assert.deepEqual(media.crypto, secrecy.crypto);
    assert.deepEqual(media.fingerprints, [secrecy.fingerprint]);
    assert.deepEqual([media.setup, media.tlsId], [secrecy.setup, secrecy.tlsId]);
    assert.deepEqual(media.ice, {
      ufrag: "uuuuuuuu",
      password: "pppppppppppppppppppppppppp",
      isLite: true,
      trickles: false,
      isIce2: false,
      candidates: [candidate, rtcpCandidate],
      hasEnded: false,
    });
  });

  test("property: whatever came in, only our own keys and ICE go out, and it is SDP", () => {
    fc.assert(
      fc.property(almostSdp, fc.boolean(), fc.boolean(), (text, isPassed, isBundleOnly) => {
        const source = parseSdp(text);
        if (!source.ok) return;
        const passed = { secrecy: "passed", ice: { kind: "passed", added: [candidate] } } as const;
        const changes = isPassed ? passed : { secrecy, ice };
        const written = rewrite(source.value, { media: { ...changes, isBundleOnly, mid: undefined } }).text;
        const again = parseSdp(written);
        assert.ok(again.ok, written);
        if (isPassed) return;
        for (const { protocol, crypto, ice: described } of summarise(again.value).media) {
          if (protocol.transport === "rtp") assert.ok(crypto.length === 0 || crypto.length === 2, written);
          assert.ok(described === undefined || described.ufrag === "uuuuuuuu", written);
        }
      }),
      { numRuns: fuzzRuns(3_000) },
    );
  });
});
