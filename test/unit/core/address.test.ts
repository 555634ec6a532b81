import assert from "node:assert/strict";
import fc from "fast-check";
import {
  formatEndpoint,
  type IpAddress,
  ipFromWords,
  ipToWords,
  parseEndpoint,
  parseIp,
} from "../../../src/core/address.ts";
import { cidrContains, classifyIp, parseCidr } from "../../../src/core/address-class.ts";
import { suite } from "../../support/suite.ts";
import "../../support/fuzz-runs.ts";

suite("core/address", (test) => {
  test("RFC 5952 section 4: canonical text", () => {
    const table: readonly (readonly [string, string | undefined])[] = [
      ["192.0.2.1", "192.0.2.1"],
      ["192.0.2.01", undefined],
      ["192.0.2.256", undefined],
      ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
      ["2001:0db8::0001", "2001:db8::1"],
      ["::", "::"],
      ["1::", "1::"],
      ["::ffff:192.0.2.1", "::ffff:c000:201"],
      ["2001:db8::1::2", undefined],
      ["1:2:3:4:5:6:7", undefined],
      ["1:2:3:4:5:6:7::8", undefined],
      ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
      ["fe80::1%eth0", undefined],
      ["example.org", undefined],
      ["", undefined],
    ];
    for (const [text, expected] of table) assert.equal(parseIp(text), expected, text);
  });

  test("words and back give the same address", () => {
    const word = fc.integer({ min: 0, max: 0xffffffff });
    fc.assert(
      fc.property(fc.tuple(word, word, word, word), ([a, b, c, d]) => {
        const ip = ipFromWords(a, b, c, d);
        assert.deepEqual(ipToWords(ip), [a, b, c, d]);
        assert.equal(parseIp(ip), ip);
      }),
    );
    fc.assert(
      fc.property(fc.ipV4(), (text) => {
        const ip = parseIp(text) as IpAddress;
        assert.equal(ipFromWords(...ipToWords(ip)), ip);
      }),
    );
  });

  test("endpoints print and parse alike; noise is refused without a throw", () => {
    for (const text of ["192.0.2.1:5004", "[2001:db8::1]:0", "127.0.0.1:65535"]) {
      const endpoint = parseEndpoint(text);
      assert.ok(endpoint !== undefined);
      assert.equal(formatEndpoint(endpoint), text);
    }
    for (const text of ["192.0.2.1", ":5", "2001:db8::1:5", "[192.0.2.1]:5", "1.2.3.4:65536", "1.2.3.4:"]) {
      assert.equal(parseEndpoint(text), undefined, text);
    }
    fc.assert(fc.property(fc.string(), (text) => parseIp(text) === undefined || text.length <= 45));
  });
});

suite("core/address-class", (test) => {
  test("special-purpose blocks", () => {
    const table: readonly (readonly [string, string])[] = [
      ["0.0.0.0", "unspecified"],
      ["127.9.9.9", "loopback"],
      ["169.254.169.254", "link-local"],
      ["172.31.255.255", "private"],
      ["172.32.0.0", "public"],
      ["100.64.0.1", "shared"],
      ["239.1.1.1", "multicast"],
      ["::1", "loopback"],
      ["fd00::1", "private"],
      ["fe80::1", "link-local"],
      ["2001:db8::1", "public"],
    ];
    for (const [text, expected] of table)
      assert.equal(classifyIp(parseIp(text) as IpAddress), expected, text);
  });

  test("a range contains its own addresses and no others", () => {
    const cidr = parseCidr("192.0.2.128/25");
    assert.ok(cidr !== undefined);
    assert.equal(cidrContains(cidr, parseIp("192.0.2.200") as IpAddress), true);
    assert.equal(cidrContains(cidr, parseIp("192.0.2.127") as IpAddress), false);
    assert.equal(cidrContains(cidr, parseIp("::1") as IpAddress), false);
    for (const bad of ["192.0.2.0/33", "x/8", "192.0.2.0/8/8", "192.0.2.0/-1", "192.0.2.0/"]) {
      assert.equal(parseCidr(bad), undefined, bad);
    }
  });
});
