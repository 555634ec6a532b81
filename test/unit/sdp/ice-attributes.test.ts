import assert from "node:assert/strict";
import fc from "fast-check";
import { remoteCandidatesPerMediaMax } from "../../../src/core/limits.ts";
import type { CandidateType } from "../../../src/core/plan/security.ts";
import {
  parseCandidate,
  parseCredential,
  printCandidate,
  readCandidates,
} from "../../../src/sdp/ice-attributes.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";
import { recordOf } from "./arbitrary.ts";
import { ip } from "./bodies.ts";

suite("sdp/ice-attributes", (test) => {
  test("candidates as they are seen in the field", () => {
    const table: readonly (readonly [string, unknown])[] = [
      [
        "1 1 UDP 2130706431 192.0.2.1 4000 typ host",
        ["1", 1, 2130706431, "192.0.2.1", 4000, "host", undefined],
      ],
      [
        "842163049 2 udp 1677729535 198.51.100.7 45000 typ srflx raddr 0.0.0.0 rport 0 generation 0 ufrag nCgY network-cost 999",
        ["842163049", 2, 1677729535, "198.51.100.7", 45000, "srflx", "nCgY"],
      ],
      [
        "Hc0a8 1 UDP 1 2001:DB8::1 9 typ relay raddr 192.0.2.1 rport 4",
        ["Hc0a8", 1, 1, "2001:db8::1", 9, "relay", undefined],
      ],
      [
        "1 1 Udp 4294967295 192.0.2.1 65535 typ prflx",
        ["1", 1, 4294967295, "192.0.2.1", 65535, "prflx", undefined],
      ],
    ];
    for (const [text, expected] of table) {
      const line = parseCandidate(text) ?? assert.fail(text);
      const { foundation, component, priority, endpoint, type } = line.candidate;
      assert.deepEqual(
        [foundation, component, priority, endpoint.ip, endpoint.port, type, line.ufrag],
        expected,
      );
    }
  });

  test("what cannot be sent to, or is not for us, is left out", () => {
    const table = [
      "",
      "1 1 UDP 1 192.0.2.1 4000",
      "1 1 TCP 1 192.0.2.1 9 typ host tcptype active",
      "1 3 UDP 1 192.0.2.1 4000 typ host",
      "1 0 UDP 1 192.0.2.1 4000 typ host",
      "1 1 UDP 0 192.0.2.1 4000 typ host",
      "1 1 UDP 4294967296 192.0.2.1 4000 typ host",
      "1 1 UDP x 192.0.2.1 4000 typ host",
      "1 1 UDP 1 192.0.2.1 0 typ host",
      "1 1 UDP 1 192.0.2.1 65536 typ host",
      "1 1 UDP 1 192.0.2.1 4000 typ hidden",
      "1 1 UDP 1 192.0.2.1 4000 type host",
      "1 1 UDP 1 4e6a3a9b-2a5d-4c1a-8b7e-0a1b2c3d4e5f.local 4000 typ host",
      "1 1 UDP 1 host.example 4000 typ host",
      "1 1 UDP 1 0.0.0.0 4000 typ host",
      "1 1 UDP 1 :: 4000 typ host",
      "1 1 UDP 1 ::ffff:192.0.2.1 4000 typ host",
      "1 1 UDP 1 fe80::1%eth0 4000 typ host",
      `${"f".repeat(33)} 1 UDP 1 192.0.2.1 4000 typ host`,
    ];
    for (const text of table) assert.equal(parseCandidate(text), undefined, text);
    assert.ok(parseCandidate("1 1 UDP 1 ::ffff:1 4000 typ host"));
  });

  test("of one generation, each place once, no more than the limit", () => {
    const line = (rest: string) => ({ type: "a", value: `candidate:1 ${rest}` });
    const at = (port: number, component = 1) => `${component} UDP 9 192.0.2.1 ${port} typ host`;
    const ports = (lines: readonly string[], ufrag: string | undefined) =>
      readCandidates(lines.map(line), ufrag).map(({ endpoint }) => endpoint.port);
    assert.deepEqual(ports([at(1), at(1), at(1, 2), "junk", at(2)], "u"), [1, 1, 2]);
    assert.deepEqual(ports([`${at(1)} ufrag u`, `${at(2)} ufrag v`, at(3)], "u"), [1, 3]);
    assert.deepEqual(ports([`${at(1)} ufrag u`, at(3)], undefined), [3]);
    assert.equal(
      ports(
        Array.from({ length: 300 }, (_, port) => at(port + 1)),
        "u",
      ).length,
      remoteCandidatesPerMediaMax,
    );
  });

  test("ufrag and password", () => {
    assert.deepEqual(
      ["abcd", "a", "+/=-_", "a:b", "a b", "", "\xe4", undefined, "x".repeat(257)].map(parseCredential),
      ["abcd", "a", "+/=-_", ...new Array<undefined>(6).fill(undefined)],
    );
  });

  test("ours, printed", () => {
    const candidate = {
      foundation: "abc",
      component: 2,
      priority: 7,
      endpoint: { ip: ip("192.0.2.1"), port: 9 },
    } as const;
    assert.equal(
      printCandidate({ ...candidate, type: "host" }),
      "candidate:abc 2 UDP 7 192.0.2.1 9 typ host",
    );
    assert.equal(
      printCandidate({ ...candidate, type: "relay" }),
      "candidate:abc 2 UDP 7 192.0.2.1 9 typ relay raddr 192.0.2.1 rport 9",
    );
  });

  test("property: what is printed is read as it was, and noise never throws", () => {
    const candidate = recordOf({
      foundation: fc.stringMatching(/^[A-Za-z0-9+/]{1,32}$/),
      component: fc.constantFrom<1 | 2>(1, 2),
      priority: fc.integer({ min: 1, max: 0xffff_ffff }),
      endpoint: recordOf({
        ip: fc.constantFrom(ip("192.0.2.1"), ip("2001:db8::1")),
        port: fc.integer({ min: 1, max: 65_535 }),
      }),
      type: fc.constantFrom<CandidateType>("host", "srflx", "prflx", "relay"),
    });
    fc.assert(
      fc.property(candidate, fc.string(), (value, noise) => {
        const text = printCandidate(value).slice("candidate:".length);
        assert.deepEqual(parseCandidate(text), { candidate: value, ufrag: undefined });
        parseCandidate(noise);
        parseCandidate(text.slice(0, noise.length * 3) + noise);
      }),
      { numRuns: fuzzRuns(2_000) },
    );
  });
});
