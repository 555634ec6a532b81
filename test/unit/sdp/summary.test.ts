import assert from "node:assert/strict";
import type { MediaSummary } from "../../../src/sdp/summary.ts";
import { suite } from "../../support/suite.ts";
import { firstMedia, summary } from "./bodies.ts";

const head = `
  v=0
  o=- 1 1 IN IP4 192.0.2.1
  s=-
  c=IN IP4 192.0.2.1
  t=0 0`;

/** The named values of the one m-line. */
function facts(lines: string, ...keys: readonly (keyof MediaSummary)[]): unknown {
  const media = firstMedia(`${head}\n${lines}`);
  return keys.map((key) => media[key]);
}

suite("sdp/summary", (test) => {
  test("where media goes", () => {
    const at = (lines: string) => facts(lines, "remote", "remoteRtcp");
    const there = (ip: string, rtp: number, rtcp: number, rtcpIp = ip) => [
      { ip, port: rtp },
      { ip: rtcpIp, port: rtcp },
    ];
    assert.deepEqual(at("m=audio 4000 RTP/AVP 0"), there("192.0.2.1", 4000, 4001));
    assert.deepEqual(
      at("m=audio 4000 RTP/AVP 0\nc=IN IP6 2001:db8::5\na=rtcp:4003"),
      there("2001:db8::5", 4000, 4003),
    );
    assert.deepEqual(
      at("m=audio 4000 RTP/AVP 0\na=rtcp:4003 IN IP4 192.0.2.9"),
      there("192.0.2.1", 4000, 4003, "192.0.2.9"),
    );
    assert.deepEqual(
      at("m=audio 4000 RTP/AVP 0\na=rtcp:4003 IN IP4 0.0.0.0"),
      there("192.0.2.1", 4000, 4003),
    );
    assert.deepEqual(at("m=audio 4000 RTP/AVP 0\na=rtcp:x"), there("192.0.2.1", 4000, 4001));
    assert.deepEqual(at("m=audio 4000/2 RTP/AVP 0\na=rtcp:9"), there("192.0.2.1", 4000, 4001));
    assert.deepEqual(at("m=audio 65535 RTP/AVP 0"), [{ ip: "192.0.2.1", port: 65535 }, undefined]);
    assert.deepEqual(at("m=audio 0 RTP/AVP 0"), [undefined, undefined]);
    assert.deepEqual(at("m=audio 4000 RTP/AVP 0\nc=IN IP4 0.0.0.0"), [undefined, undefined]);
  });

  test("without any c= there is no address, and the caller is told", () => {
    const media = firstMedia("v=0\no=- 1 1 IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0");
    assert.deepEqual([media.ip, media.remote, media.isHeldByAddress], [undefined, undefined, false]);
  });

  test("direction: the media's, else the session's, else sendrecv; less receiving at 0.0.0.0", () => {
    const direction = (lines: string) => facts(lines, "direction");
    assert.deepEqual(direction("m=audio 4000 RTP/AVP 0"), ["sendrecv"]);
    assert.deepEqual(direction("a=sendonly\nm=audio 4000 RTP/AVP 0"), ["sendonly"]);
    assert.deepEqual(direction("a=sendonly\nm=audio 4000 RTP/AVP 0\na=sendrecv"), ["sendrecv"]);
    assert.deepEqual(direction("m=audio 4000 RTP/AVP 0\nc=IN IP4 0.0.0.0"), ["sendonly"]);
    assert.deepEqual(direction("m=audio 4000 RTP/AVP 0\nc=IN IP6 ::\na=recvonly"), ["inactive"]);
  });

  test("0.0.0.0 of a trickling offer is no hold", () => {
    const held = (lines: string) =>
      facts(`m=audio 9 RTP/AVP 0\nc=IN IP4 0.0.0.0\n${lines}`, "isHeldByAddress");
    assert.deepEqual(held("a=x"), [true]);
    assert.deepEqual(held("a=ice-options:trickle"), [true]);
    assert.deepEqual(held("a=ice-ufrag:abcd"), [false]);
    assert.deepEqual(held("a=ice-ufrag:abcd\na=ice-options:ice2"), [true]);
    assert.deepEqual(held("a=ice-ufrag:abcd\na=ice-options:ice2 trickle"), [false]);
  });

  test("rtcp-mux is asked for by its attribute or by naming the RTP port", () => {
    const mux = (lines: string) => facts(`m=audio 4000 RTP/AVP 0\n${lines}`, "rtcpMux", "rtcpMuxOnly");
    assert.deepEqual(mux("a=x"), [false, false]);
    assert.deepEqual(mux("a=rtcp-mux"), [true, false]);
    assert.deepEqual(mux("a=rtcp:4000"), [true, false]);
    assert.deepEqual(mux("a=rtcp:4000 IN IP4 192.0.2.2"), [false, false]);
    assert.deepEqual(mux("a=rtcp-mux\na=rtcp-mux-only"), [true, true]);
  });

  test("codecs: a=rtpmap, else the static table; each payload type once", () => {
    const media = firstMedia(`${head}
      m=audio 4000 RTP/AVP 8 96 101 97 8 13
      a=rtpmap:96 opus/48000/2
      a=fmtp:96 minptime=10;useinbandfec=1
      a=rtcp-fb:96 nack
      a=rtcp-fb:96 transport-cc
      a=rtpmap:101 telephone-event/8000
      a=fmtp:101 0-15
      a=fmtp:97 x=y
      a=rtpmap:99 unused/8000`);
    assert.deepEqual(
      media.codecs.map((codec) => [
        codec.payloadType,
        codec.encoding,
        codec.parameters,
        codec.feedback.join(","),
      ]),
      [
        [8, "PCMA/8000", "", ""],
        [96, "opus/48000/2", "useinbandfec=1; minptime=10", "nack,transport-cc"],
        [101, "telephone-event/8000", "0-15", ""],
        [97, "", "x=y", ""],
        [13, "CN/8000", "", ""],
      ],
    );
    assert.equal(media.hasBadFormats, false);
  });

  test("a=rtpmap in the forms seen in the field", () => {
    const encoding = (text: string) =>
      firstMedia(`${head}\nm=audio 4000 RTP/AVP 96\n${text}`).codecs[0]?.encoding;
    const table: readonly (readonly [string, string])[] = [
      ["a=rtpmap:96 AMR/8000/1", "AMR/8000"],
      ["a=rtpmap:96 L16/44100/2", "L16/44100/2"],
      ["a=rtpmap:96 speex/08000", "speex/8000"],
      ["a=rtpmap:96 H264/90000 extra", "H264/90000"],
      ["a=rtpmap:96 x/8000/stereo", "x/8000"],
      ["a=rtpmap:96 x", ""],
      ["a=rtpmap:96 x/", ""],
      ["a=rtpmap:96 /8000", ""],
      ["a=rtpmap:96", ""],
      ["a=rtpmap: 96 x/8000", ""],
    ];
    for (const [text, expected] of table) assert.equal(encoding(text), expected, text);
  });

  test("formats that are no payload types spoil live RTP, and nothing else", () => {
    const bad = (line: string) => facts(line, "hasBadFormats");
    assert.deepEqual(bad("m=audio 4000 RTP/AVP 0 128"), [true]);
    assert.deepEqual(bad("m=audio 4000 RTP/AVP pcmu"), [true]);
    assert.deepEqual(bad("m=audio 0 RTP/AVP pcmu"), [false]);
    assert.deepEqual(bad("m=image 4000 udptl t38"), [false]);
  });

  test("the rest", () => {
    const rest = facts("m=video 4000 RTP/AVP 96\na=ptime:30\na=mid:v0", "ptimeMs", "mid", "isRelayed");
    assert.deepEqual(rest, [30, "v0", true]);
    assert.deepEqual(facts("m=message 4000 TCP/MSRP *", "isRelayed"), [false]);
    for (const text of ["0", "x", "-20", "100000"]) {
      assert.deepEqual(facts(`m=audio 4000 RTP/AVP 0\na=ptime:${text}`, "ptimeMs"), [undefined], text);
    }
    assert.deepEqual(facts("m=audio 4000 RTP/AVP 0\na=ptime:20.5", "ptimeMs"), [20]);
  });

  test("keys and DTLS: the media's, else the session's; crypto of the media alone", () => {
    const sha1 = (byte: string) => `sha-1 ${new Array(20).fill(byte).join(":")}`;
    const lines = `
      a=fingerprint:${sha1("01")}
      a=setup:actpass
      a=tls-id:session
      a=crypto:9 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj
      m=audio 4000 RTP/SAVP 0`;
    const secrecy = (more: string) => {
      const { crypto, fingerprints, setup, tlsId } = firstMedia(`${head}${lines}\n${more}`);
      return [crypto.map(({ tag }) => tag), fingerprints.map(({ value }) => value[0]), setup, tlsId];
    };
    assert.deepEqual(secrecy("a=x"), [[], [1], "actpass", "session"]);
    assert.deepEqual(
      secrecy(`a=fingerprint:${sha1("02")}
        a=fingerprint:${sha1("03")}
        a=setup:active
        a=tls-id:media
        a=crypto:1 F8_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj
        a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj`),
      [[2], [2, 3], "active", "media"],
    );
    assert.deepEqual(secrecy("a=fingerprint:md5 00"), [[], [], "actpass", "session"]);
  });

  test("ICE: the media's, else the session's, and nothing without both halves of the credentials", () => {
    const ice = (session: string, media: string) =>
      firstMedia(`${head}\n${session}\nm=audio 4000 RTP/AVP 0\n${media}`).ice;
    const pwd = "a=ice-pwd:abcdefghijklmnopqrstuv";
    const base = {
      ufrag: "uuuu",
      password: "abcdefghijklmnopqrstuv",
      isLite: false,
      trickles: false,
      isIce2: false,
      hasEnded: false,
    };
    assert.deepEqual(ice(`a=ice-ufrag:uuuu\n${pwd}`, "a=x"), { ...base, candidates: [] });
    assert.equal(ice("a=x", "a=ice-ufrag:uuuu"), undefined);
    assert.equal(ice("a=x", pwd), undefined);
    const full = ice(
      "a=ice-lite\na=ice-options:ice2 trickle\na=ice-ufrag:ssss",
      `a=ice-ufrag:uuuu\n${pwd}
      a=candidate:1 1 UDP 7 192.0.2.1 4000 typ host
      a=candidate:1 1 UDP 7 abc.local 4000 typ host
      a=end-of-candidates`,
    );
    const endpoint = { ip: "192.0.2.1", port: 4000 };
    assert.deepEqual(full, {
      ...base,
      isLite: true,
      trickles: true,
      isIce2: true,
      hasEnded: true,
      candidates: [{ foundation: "1", component: 1, priority: 7, endpoint, type: "host" }],
    });
    const nowhere = (port: number, more = "a=x") =>
      firstMedia(`${head}\nm=audio ${port} RTP/AVP 0\nc=IN IP4 0.0.0.0\na=ice-ufrag:uuuu\n${pwd}\n${more}`)
        .ice?.trickles;
    assert.deepEqual([nowhere(9), nowhere(4000), nowhere(9, "a=ice-options:ice2")], [true, false, false]);
  });

  test("bundles: a=bundle-only with port 0 is alive, mids and SSRCs to tell m-lines apart", () => {
    const media = firstMedia(`${head}
      a=extmap:5 urn:example
      a=extmap:4/recvonly urn:ietf:params:rtp-hdrext:sdes:mid
      m=video 0 RTP/AVP 34
      a=bundle-only
      a=ssrc:7 cname:x
      a=ssrc:7 msid:y
      a=ssrc:4294967295
      a=ssrc:4294967296 cname:x
      a=ssrc:x`);
    assert.deepEqual(
      [media.isBundleOnly, media.remote, media.codecs.length, media.ssrcs, media.midExtension],
      [true, undefined, 1, [7, 4294967295], 4],
    );
    const own = facts(
      "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\nm=video 9 RTP/AVP 34\na=extmap:5 urn:x",
      "midExtension",
    );
    assert.deepEqual(own, [undefined]);
    assert.deepEqual(
      facts("m=video 9 RTP/AVP 34\na=extmap:5 urn:ietf:params:rtp-hdrext:sdes:mid2", "midExtension"),
      [undefined],
    );
    assert.deepEqual(facts("m=video 0 RTP/AVP 34", "isBundleOnly", "codecs", "ssrcs"), [false, [], []]);
  });

  test("the session", () => {
    const session = summary(`${head}
      a=group:BUNDLE 0  1
      a=group:LS 0 1
      a=rtpengine:aaa
      a=rtpengine:bbb
      m=audio 4000 RTP/AVP 0`);
    assert.deepEqual(session.bundles, [["0", "1"]]);
    assert.deepEqual(session.loopMarks, ["aaa", "bbb"]);
    assert.equal(session.connection, "192.0.2.1");
    assert.equal(session.origin?.sessionId, "1");
  });
});
