import assert from "node:assert/strict";
import fc from "fast-check";
import type { ReplaceItem } from "../../../src/sdp/edits.ts";
import { parseSdp } from "../../../src/sdp/parse.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";
import { almostSdp } from "./arbitrary.ts";
import { golden, ip, parsed, rewrite } from "./bodies.ts";

suite("sdp/write", (test) => {
  test("a plain offer: order of lines, c= in the section, what is written afresh", () => {
    golden(`
      v=0
      o=alice 100 5 IN IP4 192.0.2.10
      s=call
      t=0 0
      a=tool:softphone 3
      b=TIAS:64000
      b=AS:80
      i=about
      c=IN IP4 192.0.2.10
      m=audio 4000 RTP/AVP 8 0 101
      a=ptime:20
      a=sendrecv
      a=rtcp:4007
      a=fmtp:101 0-16
      a=rtpmap:101 telephone-event/8000
      a=ssrc:1 cname:x
      a=maxptime:60
      b=RR:0
      ----
      v=0
      o=alice 100 5 IN IP4 192.0.2.10
      s=call
      i=about
      b=AS:80
      b=TIAS:64000
      t=0 0
      a=tool:softphone 3
      m=audio 30000 RTP/AVP 8 0 101
      c=IN IP4 203.0.113.1
      b=RR:0
      a=rtpmap:8 PCMA/8000
      a=rtpmap:0 PCMU/8000
      a=rtpmap:101 telephone-event/8000
      a=fmtp:101 0-16
      a=ssrc:1 cname:x
      a=sendrecv
      a=rtcp:30001
      a=ptime:20
      a=maxptime:60`);
  });

  test("missing lines are made good", () => {
    golden(`
      v=0
      c=IN IP4 192.0.2.10
      m=audio 4000 RTP/AVP
      ----
      v=0
      o=- 7 1 IN IP4 203.0.113.1
      s=
      t=0 0
      m=audio 30000 RTP/AVP 0
      c=IN IP4 203.0.113.1
      a=sendrecv
      a=rtcp:30001`);
  });

  test("ICE, keys and bundles end here", () => {
    golden(`
      v=0
      o=- 1 1 IN IP4 192.0.2.10
      s=-
      c=IN IP4 192.0.2.10
      t=0 0
      a=group:BUNDLE a
      a=group:LS a
      a=ice-lite
      a=fingerprint:sha-256 00:11
      a=msid-semantic:WMS x
      m=audio 4000 RTP/AVP 0
      a=mid:a
      a=label:main
      a=ice-ufrag:abcd
      a=ice-pwd:abcdefghijklmnopqrstuv
      a=candidate:1 1 UDP 1 192.0.2.10 4000 typ host
      a=end-of-candidates
      a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x
      a=setup:actpass
      a=tls-id:x
      a=rtcp-mux-only
      ----
      v=0
      o=- 1 1 IN IP4 192.0.2.10
      s=-
      t=0 0
      a=group:LS a
      a=msid-semantic:WMS x
      m=audio 30000 RTP/AVP 0
      c=IN IP4 203.0.113.1
      a=mid:a
      a=label:main
      a=rtpmap:0 PCMU/8000
      a=sendrecv
      a=rtcp:30001`);
  });

  test("a group names the m-lines that are told as they came, and no bundle in any spelling passes", () => {
    const source = parsed(`
      v=0
      o=- 1 1 IN IP4 192.0.2.10
      s=-
      c=IN IP4 192.0.2.10
      t=0 0
      a=group:LS a b c
      a=group:FID b
      a=group:x-none
      a=group:x-other d
      a=group:bundle a b
      a=group:BUNDLE\ta b
      a=group: BUNDLE a b
      a=group:
      a=group
      m=audio 4000 RTP/AVP 0
      a=mid:a
      m=audio 0 RTP/AVP 0
      a=mid:b
      m=audio 4004 RTP/AVP 0
      a=mid:c`);
    const groups = (text: string) => text.match(/(?<=^a=group).*$/gm);
    assert.deepEqual(groups(rewrite(source).text), [":LS a c", ":x-none", ":x-other d"]);
    const renamed = rewrite(source, { media: { mid: "a" } }).text;
    assert.deepEqual(groups(renamed), [":LS a", ":x-none", ":x-other d"]);
  });

  test("the mid's extension is added under its number, if the other party has neither", () => {
    const told = (own: string) => {
      const source = parsed(`
        v=0
        o=- 1 1 IN IP4 192.0.2.10
        s=-
        t=0 0
        m=audio 4000 RTP/AVP 0
        c=IN IP4 192.0.2.10
        a=extmap:${own}`);
      return rewrite(source, { media: { midExtension: 4 } }).text.match(/(?<=^a=extmap:).*$/gm);
    };
    const mid = "urn:ietf:params:rtp-hdrext:sdes:mid";
    assert.deepEqual(told("1 urn:x"), ["1 urn:x", `4 ${mid}`]);
    assert.deepEqual(told(`3 ${mid}`), [`3 ${mid}`]);
    assert.deepEqual(told("4/recvonly urn:x"), ["4/recvonly urn:x"], "a number has one meaning");
  });

  test("rtcp-mux, settled: a=rtcp names the RTP port", () => {
    const local = { ip: ip("203.0.113.1"), rtpPort: 30000, rtcpPort: 30000 };
    const text = `
      v=0
      o=- 1 1 IN IP4 192.0.2.10
      s=-
      t=0 0
      m=audio 4000 RTP/AVP 0
      c=IN IP4 192.0.2.10
      a=rtcp-mux
      a=rtcp-mux-only
      ----
      v=0
      o=- 1 1 IN IP4 192.0.2.10
      s=-
      t=0 0
      m=audio 30000 RTP/AVP 0
      c=IN IP4 203.0.113.1
      a=rtpmap:0 PCMU/8000
      a=sendrecv`;
    golden(`${text}\na=rtcp:30000\na=rtcp-mux\na=rtcp-mux-only`, { media: { local, rtcpMux: true } });
    golden(`${text}\na=rtcp:30001\na=rtcp-mux`, { media: { rtcpMux: true } });
    golden(`${text}\na=rtcp-mux`, { media: { rtcpMux: true, rtcpAttribute: "none" } });
    golden(`${text}\na=rtcp:30001 IN IP4 203.0.113.1`, { media: { rtcpAttribute: "full" } });
  });

  test("video with feedback and header extensions", () => {
    golden(`
      v=0
      o=- 1 1 IN IP4 192.0.2.10
      s=-
      t=0 0
      c=IN IP4 192.0.2.10
      a=extmap-allow-mixed
      a=extmap:4 urn:example:four
      m=video 4002 RTP/AVPF 96 97
      a=rtpmap:96 VP8/90000
      a=rtcp-fb:96 nack pli
      a=rtcp-fb:* ccm fir
      a=rtcp-fb:98 nack
      a=rtpmap:97 rtx/90000
      a=fmtp:97 apt=96
      a=extmap:2/sendonly urn:example:two x
      a=extmap:2 urn:example:again
      a=extmap:0 urn:example:none
      m=video 4004 RTP/AVPF 96
      a=rtpmap:96 VP8/90000
      ----
      v=0
      o=- 1 1 IN IP4 192.0.2.10
      s=-
      t=0 0
      m=video 30000 RTP/AVPF 96 97
      c=IN IP4 203.0.113.1
      a=rtpmap:96 VP8/90000
      a=rtcp-fb:96 nack pli
      a=rtpmap:97 rtx/90000
      a=fmtp:97 apt=96
      a=extmap-allow-mixed
      a=extmap:2/sendonly urn:example:two x
      a=rtcp-fb:* ccm fir
      a=sendrecv
      a=rtcp:30001
      m=video 30002 RTP/AVPF 96
      c=IN IP4 203.0.113.1
      a=rtpmap:96 VP8/90000
      a=extmap-allow-mixed
      a=extmap:4 urn:example:four
      a=sendrecv
      a=rtcp:30003`);
  });

  test("a rejected m-line keeps its place, its formats and its mid", () => {
    golden(`
      v=0
      o=- 1 1 IN IP4 192.0.2.10
      s=-
      t=0 0
      c=IN IP4 192.0.2.10
      m=audio 4000 RTP/AVP 0
      m=video 0 RTP/AVP 99
      a=rtpmap:99 H264/90000
      a=mid:v
      a=inactive
      ----
      v=0
      o=- 1 1 IN IP4 192.0.2.10
      s=-
      t=0 0
      m=audio 30000 RTP/AVP 0
      c=IN IP4 203.0.113.1
      a=rtpmap:0 PCMU/8000
      a=sendrecv
      a=rtcp:30001
      m=video 0 RTP/AVP 99
      c=IN IP4 0.0.0.0
      a=mid:v`);
  });

  test("UDPTL and other media pass with address and port replaced", () => {
    golden(`
      v=0
      o=- 1 1 IN IP4 192.0.2.10
      s=-
      t=0 0
      c=IN IP4 192.0.2.10
      m=image 4000 udptl t38
      a=T38FaxVersion:0
      a=T38FaxRateManagement:transferredTCF
      a=sendrecv
      m=application 4002 UDP/DTLS/SCTP webrtc-datachannel
      a=ice-ufrag:abcd
      a=candidate:1 1 UDP 1 192.0.2.10 4002 typ host
      a=setup:actpass
      a=fingerprint:sha-256 00:11
      a=sctp-port:5000
      m=x-own 4004 udp whatever
      a=rtcp:4005
      ----
      v=0
      o=- 1 1 IN IP4 192.0.2.10
      s=-
      t=0 0
      m=image 30000 udptl t38
      c=IN IP4 203.0.113.1
      a=T38FaxVersion:0
      a=T38FaxRateManagement:transferredTCF
      a=sendrecv
      m=application 30002 UDP/DTLS/SCTP webrtc-datachannel
      c=IN IP4 203.0.113.1
      a=setup:actpass
      a=fingerprint:sha-256 00:11
      a=sctp-port:5000
      m=x-own 30004 udp whatever
      c=IN IP4 203.0.113.1
      a=rtcp:4005`);
  });

  test("IPv4 to IPv6, and another profile", () => {
    golden(
      `
      v=0
      o=- 1 1 IN IP4 192.0.2.10
      s=-
      t=0 0
      m=audio 4000 RTP/AVPF 0
      c=IN IP4 192.0.2.10
      m=audio 0 RTP/AVPF 0
      c=IN IP4 192.0.2.10
      ----
      v=0
      o=- 1 1 IN IP4 192.0.2.10
      s=-
      t=0 0
      m=audio 31000 RTP/AVP 0
      c=IN IP6 2001:db8::1
      a=rtpmap:0 PCMU/8000
      a=sendrecv
      a=rtcp:31001
      m=audio 31000 RTP/AVP 0
      c=IN IP6 2001:db8::1
      a=sendrecv
      a=rtcp:31001`,
      {
        media: {
          local: { ip: ip("2001:db8::1"), rtpPort: 31000, rtcpPort: 31001 },
          family: 6,
          protocol: "RTP/AVP",
        },
      },
    );
  });

  test("hold by address and by attribute", () => {
    const text = `
      v=0
      o=- 1 1 IN IP4 192.0.2.10
      s=-
      t=0 0
      m=audio 4000 RTP/AVP 0
      c=IN IP4 0.0.0.0
      ----
      v=0
      o=- 1 1 IN IP4 192.0.2.10
      s=-
      t=0 0
      m=audio 30000 RTP/AVP 0`;
    const rest = "a=rtpmap:0 PCMU/8000\na=sendonly\na=rtcp:30001";
    golden(`${text}\nc=IN IP4 0.0.0.0\n${rest}`);
    golden(`${text}\nc=IN IP4 203.0.113.1\n${rest}`, { media: { zeroesAddress: false } });
  });

  test("original-sendrecv passes direction attributes as they came, and writes none of its own", () => {
    const session = { keepsDirection: true };
    const out = (lines: string) => rewrite(parsed(`v=0\nc=IN IP4 192.0.2.1\n${lines}`), { session }).text;
    assert.match(out("m=audio 4000 RTP/AVP 0\na=sendonly"), /PCMU\/8000\r\na=sendonly\r\na=rtcp:/);
    assert.match(out("a=inactive\nm=audio 4000 RTP/AVP 0"), /PCMU\/8000\r\na=inactive\r\na=rtcp:/);
    assert.match(out("m=audio 4000 RTP/AVP 0"), /PCMU\/8000\r\na=rtcp:/);
  });

  test("loop mark, and attributes added, removed and replaced", () => {
    golden(
      `
      v=0
      o=- 1 1 IN IP4 192.0.2.10
      s=-
      t=0 0
      c=IN IP4 192.0.2.10
      a=tool:x
      a=rtpengine:other
      m=audio 4000 RTP/AVP 0
      a=x-keep:1
      m=video 0 RTP/AVP 34
      ----
      v=0
      o=- 1 1 IN IP4 192.0.2.10
      s=-
      t=0 0
      a=rtpengine:mark
      a=session:1
      m=audio 30000 RTP/AVP 0
      c=IN IP4 203.0.113.1
      a=rtpmap:0 PCMU/8000/1
      a=x-keep:1
      a=rtcp:30001
      a=more:2
      m=video 0 RTP/AVP 34
      c=IN IP4 0.0.0.0
      a=view`,
      {
        session: {
          loopMark: "mark",
          attributes: [
            { scope: "global", action: "remove", attribute: "tool" },
            { scope: "none", action: "add", attribute: "session:1" },
            { scope: "audio", action: "remove", attribute: "sendrecv" },
            { scope: "audio", action: "add", attribute: "more:2" },
            {
              scope: "audio",
              action: "substitute",
              attribute: "rtpmap:0",
              replacement: "rtpmap:0 PCMU/8000/1",
            },
            { scope: "video", action: "add", attribute: "a=view" },
          ],
        },
      },
    );
  });

  test("sdp-version: ours, and it grows by one when the body differs", () => {
    const replace: ReadonlySet<ReplaceItem> = new Set(["sdp-version"]);
    const source = (version: number) =>
      parsed(
        `v=0\no=- 5 ${version} IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\n
      m=audio 4000 RTP/AVP 0`.replace("\n\n", "\n"),
      );
    const versions: (string | undefined)[] = [];
    let memory = undefined as ReturnType<typeof rewrite>["memory"] | undefined;
    for (const [version, ptimeMs] of [
      [10, 20],
      [10, 20],
      [11, 20],
      [11, 30],
      [12, 30],
      [12, 20],
    ] as const) {
      const written = rewrite(source(version), { session: { replace, memory }, media: { ptimeMs } });
      memory = written.memory;
      versions.push(/^o=- 5 (\d+) /m.exec(written.text)?.[1]);
    }
    assert.deepEqual(versions, ["10", "10", "10", "11", "11", "12"]);
  });

  test("session-name: as first told, if so asked; never lost", () => {
    const named = (name: string) => parsed(`v=0\ns=${name}\nc=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0`);
    const first = rewrite(named("one"));
    const then = (replace: ReadonlySet<ReplaceItem>, name: string) =>
      /^s=(.*)\r$/m.exec(rewrite(named(name), { session: { replace, memory: first.memory } }).text)?.[1];
    assert.equal(then(new Set(), "two"), "two");
    assert.equal(then(new Set(["session-name"]), "two"), "one");
    assert.equal(then(new Set(), ""), "one");
  });

  test("header extensions of the session are not multiplied beyond measure", () => {
    const source = (size: number) =>
      parsed(`v=0\nc=IN IP4 192.0.2.1\na=extmap:1 ${"x".repeat(size)}
      ${"m=audio 4000 RTP/AVP 0\n".repeat(64)}`);
    assert.equal(rewrite(source(100)).text.split("a=extmap:1 ").length, 65);
    assert.ok(rewrite(source(60_000)).text.length < 10_000);
  });

  test("whatever was taken in goes out as SDP again", () => {
    fc.assert(
      fc.property(almostSdp, fc.boolean(), (text, rtcpMux) => {
        const source = parseSdp(text);
        if (!source.ok) return;
        const written = rewrite(source.value, { media: { rtcpMux, mid: undefined } });
        const again = parseSdp(written.text);
        assert.ok(again.ok, written.text);
        assert.equal(again.value.media.length, source.value.media.length);
        assert.ok(!/^a=(candidate|ice-)/m.test(written.text), written.text);
      }),
      { numRuns: fuzzRuns(5000) },
    );
  });
});
