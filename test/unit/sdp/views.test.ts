import assert from "node:assert/strict";
import { attributeName, attributeValue, findAttribute, lastLine } from "../../../src/sdp/attribute.ts";
import { parsePayloadType } from "../../../src/sdp/codec.ts";
import { parseConnection, printConnection, unspecifiedIp } from "../../../src/sdp/connection.ts";
import type { SdpLine } from "../../../src/sdp/description.ts";
import { directionOf, withoutReceiving } from "../../../src/sdp/direction.ts";
import type { ReplaceItem } from "../../../src/sdp/edits.ts";
import { orderOpusParameters } from "../../../src/sdp/opus-parameters.ts";
import { chooseOrigin, nextVersion, type Origin, parseOrigin, printOrigin } from "../../../src/sdp/origin.ts";
import { transportProtocol } from "../../../src/sdp/protocol.ts";
import { parseRtcpAttribute } from "../../../src/sdp/rtcp-attribute.ts";
import { staticPayload } from "../../../src/sdp/static-payloads.ts";
import { suite } from "../../support/suite.ts";
import { ip } from "./bodies.ts";

const attributes = (...values: readonly string[]): readonly SdpLine[] =>
  values.map((value) => ({ type: "a", value }));

suite("sdp/views", (test) => {
  test("RFC 8866 section 5.13: attributes", () => {
    assert.equal(attributeName("rtpmap:8 PCMA/8000"), "rtpmap");
    assert.equal(attributeName("sendrecv"), "sendrecv");
    assert.equal(attributeValue("rtpmap:8 PCMA/8000"), "8 PCMA/8000");
    assert.equal(attributeValue("candidate:1 a:b"), "1 a:b");
    assert.equal(attributeValue("sendrecv"), "");
    const lines = attributes("rtcp-mux", "rtcp:9", "rtcp:10", "mid");
    assert.equal(findAttribute(lines, "rtcp"), "9");
    assert.equal(findAttribute(lines, "mid"), "");
    assert.equal(findAttribute(lines, "rtcp-mu"), undefined);
    assert.equal(lastLine(lines, "a"), "mid");
    assert.equal(lastLine(lines, "i"), undefined);
  });

  test("RFC 8866 section 5.7: connection", () => {
    const table: readonly (readonly [string, string | undefined])[] = [
      ["IN IP4 192.0.2.1", "192.0.2.1"],
      ["in ip4 192.0.2.1 ", "192.0.2.1"],
      ["IN IP6 2001:DB8::1", "2001:db8::1"],
      ["IN IP4 0.0.0.0", "0.0.0.0"],
      ["IN IP6 192.0.2.1", undefined],
      ["IN IP4 2001:db8::1", undefined],
      ["IN IP4 example.org", undefined],
      ["IN IP4 192.0.2.1 x", undefined],
      ["IN IP4", undefined],
      ["ATM NSAP 47", undefined],
    ];
    for (const [text, expected] of table) assert.equal(parseConnection(text), expected, text);
    assert.equal(printConnection(ip("2001:db8::1")), "IN IP6 2001:db8::1");
    assert.equal(unspecifiedIp(4), "0.0.0.0");
    assert.equal(unspecifiedIp(6), "::");
  });

  test("RFC 3605 section 2.1: a=rtcp", () => {
    assert.deepEqual(parseRtcpAttribute("53020"), { port: 53020, ip: undefined });
    assert.deepEqual(parseRtcpAttribute("53020 IN IP4 192.0.2.7"), { port: 53020, ip: "192.0.2.7" });
    assert.deepEqual(parseRtcpAttribute("53020 IN IP6 2001:db8::7"), { port: 53020, ip: "2001:db8::7" });
    for (const text of ["", "0", "65536", "x", "5 IN IP4 host.example", "5 IN IP4 ::1", "-1"]) {
      assert.equal(parseRtcpAttribute(text), undefined, text);
    }
  });

  test("RFC 8866 section 6.7: direction", () => {
    assert.equal(directionOf(attributes("x")), undefined);
    assert.equal(directionOf(attributes("x", "sendonly")), "sendonly");
    assert.equal(directionOf(attributes("sendrecv", "inactive")), "inactive");
    assert.equal(directionOf(attributes("sendonly", "recvonly")), "recvonly");
    assert.equal(directionOf(attributes("sendonly:x")), undefined);
    assert.deepEqual((["sendrecv", "sendonly", "recvonly", "inactive"] as const).map(withoutReceiving), [
      "sendonly",
      "sendonly",
      "inactive",
      "inactive",
    ]);
  });

  test("transport protocols", () => {
    const table: readonly (readonly [string, string, string, string])[] = [
      ["RTP/AVP", "RTP/AVP", "rtp", ""],
      ["rtp/avpf", "RTP/AVPF", "rtp", "feedback"],
      ["RTP/SAVP", "RTP/SAVP", "rtp", "secure"],
      ["RTP/SAVPF", "RTP/SAVPF", "rtp", "secure feedback"],
      ["UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVP", "rtp", "secure dtls"],
      ["UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVPF", "rtp", "secure feedback dtls"],
      ["UDPTL", "udptl", "udptl", ""],
      ["TCP/RTP/AVP", "TCP/RTP/AVP", "raw", "unknown"],
      ["*", "*", "raw", "unknown"],
    ];
    for (const [text, name, transport, traits] of table) {
      const found = transportProtocol(text);
      const words = [
        found.isSecure ? "secure" : "",
        found.hasFeedback ? "feedback" : "",
        found.isDtls ? "dtls" : "",
        found.isKnown ? "" : "unknown",
      ];
      assert.deepEqual(
        [found.name, found.transport, words.filter((each) => each).join(" ")],
        [name, transport, traits],
      );
    }
  });

  test("RFC 3551 section 6: static payload types", () => {
    assert.deepEqual(staticPayload(0), { name: "PCMU", clockRateHz: 8000, channels: 1 });
    assert.deepEqual(staticPayload(9), { name: "G722", clockRateHz: 8000, channels: 1 });
    assert.deepEqual(staticPayload(11), { name: "L16", clockRateHz: 44100, channels: 2 });
    assert.deepEqual(staticPayload(34), { name: "H263", clockRateHz: 90000, channels: 1 });
    for (const none of [1, 2, 19, 24, 35, 96, 127]) assert.equal(staticPayload(none), undefined);
    assert.deepEqual(["0", "127", "128", "-1", "8a", "", "0008"].map(parsePayloadType), [
      0,
      127,
      ...new Array<undefined>(5).fill(undefined),
    ]);
  });

  test("RFC 7587 section 6.1: Opus parameters get one order and lose nothing", () => {
    const table: readonly (readonly [string, string])[] = [
      ["", ""],
      ["minptime=10;useinbandfec=1", "useinbandfec=1; minptime=10"],
      ["sprop-stereo=1; stereo=0", "stereo=0; sprop-stereo=1"],
      ["x-own=3;cbr=1", "cbr=1; x-own=3"],
      ["stereo=2;minptime=0", "stereo=2; minptime=0"],
      [";;maxaveragebitrate = 20000 ;", "maxaveragebitrate=20000"],
    ];
    for (const [text, expected] of table) assert.equal(orderOpusParameters(text), expected);
  });
});

suite("sdp/origin", (test) => {
  const origin = (text: string): Origin => parseOrigin(text) ?? assert.fail(text);

  test("RFC 8866 section 5.2", () => {
    const text = "alice 2890844526 2890842807 IN IP4 host.example";
    assert.equal(printOrigin(origin(text)), text);
    assert.equal(printOrigin(origin("John Q 1 007 IN IP4 192.0.2.1")), "John Q 1 7 IN IP4 192.0.2.1");
    assert.equal(origin("- 1 x IN IP4 192.0.2.1").version, "0");
    assert.equal(parseOrigin("- 1 1 IN IP4"), undefined);
    assert.equal(nextVersion("18446744073709551614"), "18446744073709551615");
    assert.equal(nextVersion("18446744073709551615"), "0");
  });

  test("parts that are to be replaced keep what the party was told first", () => {
    const own = { ip: ip("203.0.113.5"), sessionId: "11", version: "22" };
    const first = origin("bob 5 6 IN IP4 192.0.2.7");
    const later = origin("bob2 7 9 IN IP4 192.0.2.8");
    const table: readonly (readonly [ReplaceItem | undefined, string, string])[] = [
      // replace, first time, later
      [undefined, "bob 5 6 IN IP4 192.0.2.7", "bob2 7 9 IN IP4 192.0.2.8"],
      ["origin", "bob 5 6 IN IP4 203.0.113.5", "bob2 7 9 IN IP4 203.0.113.5"],
      ["username", "bob 5 6 IN IP4 192.0.2.7", "bob 7 9 IN IP4 192.0.2.8"],
      ["sdp-version", "bob 5 6 IN IP4 192.0.2.7", "bob2 7 6 IN IP4 192.0.2.8"],
      ["origin-full", "bob 5 6 IN IP4 203.0.113.5", "bob 5 6 IN IP4 203.0.113.5"],
      ["force-increment-sdp-ver", "bob 5 6 IN IP4 192.0.2.7", "bob2 7 7 IN IP4 192.0.2.8"],
    ];
    for (const [item, once, then] of table) {
      const replace = new Set(item === undefined ? [] : [item]);
      const told = chooseOrigin({ source: first, previous: undefined, own, replace });
      assert.equal(printOrigin(told), once, item);
      assert.equal(printOrigin(chooseOrigin({ source: later, previous: told, own, replace })), then, item);
    }
    const nothing = { source: undefined, previous: undefined, own, replace: new Set<never>() };
    assert.equal(printOrigin(chooseOrigin(nothing)), "- 11 22 IN IP4 203.0.113.5");
    assert.equal(printOrigin(chooseOrigin({ ...nothing, previous: first })), printOrigin(first));
  });
});
