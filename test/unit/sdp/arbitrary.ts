/** Generated bodies: mostly well-formed, with the odd line no one should send. */
import fc from "fast-check";

const word = fc.constantFrom(
  "0",
  "8",
  "101",
  "127",
  "128",
  "-",
  "x",
  "65535",
  "4294967296",
  "IN",
  "IP4",
  "*",
  "",
);
const words = fc.array(word, { maxLength: 5 }).map((list) => list.join(" "));
const noise = fc.string({ maxLength: 20 });

const address = fc.constantFrom(
  "IN IP4 192.0.2.1",
  "IN IP6 2001:db8::1",
  "IN IP4 0.0.0.0",
  "IN IP6 ::",
  "IN IP4 host.example",
  "IN IP4",
);
const attribute = fc.oneof(
  fc.constantFrom("sendonly", "inactive", "rtcp-mux", "rtcp-mux-only", "ice-lite", "extmap-allow-mixed", ""),
  fc
    .tuple(
      fc.constantFrom(
        "rtpmap",
        "fmtp",
        "rtcp-fb",
        "rtcp",
        "ptime",
        "maxptime",
        "mid",
        "label",
        "group",
        "crypto",
      ),
      fc.oneof(words, noise),
    )
    .map(([name, value]) => `${name}:${value}`),
  fc.constantFrom(
    "rtpmap:101 telephone-event/8000",
    "rtpmap:8 opus/48000/2",
    "fmtp:8 stereo=1;;=;x",
    "extmap:1 urn:x",
    "extmap:15 urn:x",
    "ice-options:trickle",
    "ice-ufrag:abcd",
    "ice-pwd:abcdefghijklmnopqrstuv",
    "candidate:1 1 UDP 1 192.0.2.1 9 typ host",
    "candidate:1 1 UDP 1 x.local 9 typ host ufrag abcd",
    "end-of-candidates",
    "crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:4",
    "fingerprint:sha-1 00:11",
    "setup:actpass",
    "tls-id:abcdefghijklmnopqrst",
    "bundle-only",
    "ssrc:1 cname:x",
    "extmap:2 urn:ietf:params:rtp-hdrext:sdes:mid",
  ),
  noise,
);
const sessionLine = fc.oneof(
  attribute.map((text) => `a=${text}`),
  address.map((text) => `c=${text}`),
  fc
    .tuple(fc.constantFrom("s", "t", "i", "b", "e", "k", "q", "o"), words)
    .map(([type, text]) => `${type}=${text}`),
  fc.constant("b=AS:64"),
);
const mediaLine = fc
  .tuple(
    fc.constantFrom("audio", "video", "image", "application", "message"),
    fc.constantFrom("0", "9", "4000", "65535", "4000/2", "x"),
    fc.constantFrom("RTP/AVP", "RTP/SAVPF", "udptl", "UDP/TLS/RTP/SAVPF", "UDP/DTLS/SCTP", "TCP/MSRP"),
    words,
  )
  .map(([kind, port, protocol, formats]) => `m=${kind} ${port} ${protocol} ${formats}`);

export const almostSdp = fc
  .tuple(
    fc.constantFrom(
      "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.9\r\n",
      "v=0\r\n",
      "v=0\n",
      "",
    ),
    fc.array(fc.oneof({ weight: 4, arbitrary: sessionLine }, { weight: 1, arbitrary: mediaLine }), {
      maxLength: 14,
    }),
    fc.constantFrom("\r\n", "\n"),
  )
  .map(([start, lines, end]) => start + lines.map((line) => line + end).join(""));

/** A record as a literal would make it, with a prototype. */
export function recordOf<Value>(
  model: {
    readonly [Key in keyof Value]: fc.Arbitrary<Value[Key]>;
  },
): fc.Arbitrary<Value> {
  return fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<Value>;
}
