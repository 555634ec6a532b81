import assert from "node:assert/strict";
import { nearestName } from "../../../src/config/nearest.ts";
import { formatInterface, parseInterface, parseListen, parseRange } from "../../../src/config/values.ts";
import { suite } from "../../support/suite.ts";

suite("config/values", (test) => {
  test("an interface is an address, with a name and an advertised address if need be", () => {
    const cases: readonly (readonly [string, string, string, string])[] = [
      ["192.0.2.10", "default", "192.0.2.10", "192.0.2.10"],
      ["pub/192.0.2.10", "pub", "192.0.2.10", "192.0.2.10"],
      ["10.0.0.5!203.0.113.7", "default", "10.0.0.5", "203.0.113.7"],
      ["v6-out/2001:DB8::1!2001:db8:0:0::2", "v6-out", "2001:db8::1", "2001:db8::2"],
      ["[2001:db8::1]", "default", "2001:db8::1", "2001:db8::1"],
    ];
    for (const [text, name, ip, advertisedIp] of cases) {
      assert.deepEqual(parseInterface(text), { ok: true, value: { name, ip, advertisedIp } }, text);
    }
  });

  test("the way back gives the short form", () => {
    for (const text of [
      "192.0.2.10",
      "pub/192.0.2.10",
      "10.0.0.5!203.0.113.7",
      "a/2001:db8::1!2001:db8::2",
    ]) {
      const parsed = parseInterface(text);
      assert.ok(parsed.ok);
      assert.equal(formatInterface(parsed.value), text);
    }
  });

  test("an interface that cannot carry media is refused with what would be right", () => {
    const cases: readonly (readonly [string, RegExp])[] = [
      ["eth0", /an IP address of this machine/],
      ["", /\[NAME\/\]ADDR/],
      ["pub/", /ADDR/],
      ["a b/192.0.2.1", /a name of letters/],
      ["0.0.0.0", /a wildcard is not enough/],
      ["::", /a wildcard is not enough/],
      ["224.0.0.1", /unicast/],
      ["fe80::1", /beyond the link/],
      ["192.0.2.1!0.0.0.0", /others can send to/],
      ["192.0.2.1!relay.example.org", /others can send to/],
      ["192.0.2.1!2001:db8::1", /same family as 192\.0\.2\.1/],
      ["192.0.2.1!192.0.2.2!192.0.2.3", /ADDR/],
    ];
    for (const [text, reason] of cases) {
      const parsed = parseInterface(text);
      assert.ok(!parsed.ok, text);
      assert.match(parsed.reason, reason, text);
    }
  });

  test("a listener is an address and a port, not a name", () => {
    assert.deepEqual(parseListen("[::1]:2223"), { ok: true, value: { ip: "::1", port: 2223 } });
    assert.deepEqual(parseListen("0.0.0.0:0"), { ok: true, value: { ip: "0.0.0.0", port: 0 } });
    for (const text of [
      "localhost:2223",
      "127.0.0.1",
      "127.0.0.1:65536",
      "::1:2223",
      "2223",
      "224.0.0.1:1",
    ]) {
      assert.equal(parseListen(text).ok, false, text);
    }
  });

  test("a range is an address with or without a prefix", () => {
    for (const text of ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "0.0.0.0/0"]) {
      assert.equal(parseRange(text).ok, true, text);
    }
    for (const text of ["10.0.0.0/33", "10.0.0/8", "proxy", "10.0.0.0/8/8", ""]) {
      assert.equal(parseRange(text).ok, false, text);
    }
  });
});

suite("config/nearest", (test) => {
  const known = ["port-min", "port-max", "timeout", "listen-ng", "listen-http", "tos"];

  test("slips of the finger and other spellings find their key", () => {
    assert.equal(nearestName("port-mn", known), "port-min");
    assert.equal(nearestName("prot-min", known), "port-min");
    assert.equal(nearestName("port_max", known), "port-max");
    assert.equal(nearestName("portMax", known), "port-max");
    assert.equal(nearestName("listen_gn", known), "listen-ng");
    assert.equal(nearestName("TIMEOUT", known), "timeout");
  });

  test("what is like nothing gets no hint", () => {
    assert.equal(nearestName("redis-password", known), undefined);
    assert.equal(nearestName("x".repeat(10_000), known), undefined);
  });
});
