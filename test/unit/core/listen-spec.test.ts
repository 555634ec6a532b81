import assert from "node:assert/strict";
import fc from "fast-check";
import { formatListenSpec, parseListenSpec } from "../../../src/core/listen-spec.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";

suite("core/listen-spec", (test) => {
  test("every form, and the way back", () => {
    const table: readonly (readonly [string, unknown, string?])[] = [
      ["udp:127.0.0.1:7722", { kind: "udp", endpoint: { ip: "127.0.0.1", port: 7722 } }],
      ["udp6:[::1]:22222", { kind: "udp", endpoint: { ip: "::1", port: 22222 } }],
      ["udp6:::1:22222", { kind: "udp", endpoint: { ip: "::1", port: 22222 } }, "udp6:[::1]:22222"],
      ["udp:[::1]:22222", { kind: "udp", endpoint: { ip: "::1", port: 22222 } }, "udp6:[::1]:22222"],
      ["udp:0.0.0.0:22222", { kind: "udp", endpoint: { ip: "0.0.0.0", port: 22222 } }],
      ["tcp:192.0.2.1:0", { kind: "tcp", endpoint: { ip: "192.0.2.1", port: 0 } }],
      ["tcp6:[2001:db8::1]:9", { kind: "tcp", endpoint: { ip: "2001:db8::1", port: 9 } }],
      ["unix:/run/r.sock", { kind: "unix", path: "/run/r.sock", mode: 0o660, group: undefined }],
      [
        "cunix:/run/r.sock,mode=0666,group=kamailio",
        { kind: "cunix", path: "/run/r.sock", mode: 0o666, group: "kamailio" },
      ],
      ["unix:/r,mode=600", { kind: "unix", path: "/r", mode: 0o600, group: undefined }, "unix:/r,mode=0600"],
    ];
    for (const [text, value, back = text] of table) {
      const result = parseListenSpec(text);
      assert.ok(result.ok, text);
      assert.deepEqual(result.value, value, text);
      assert.equal(formatListenSpec(result.value), back);
    }
  });

  test("what is refused is told what would be right", () => {
    const table: readonly (readonly [string, RegExp])[] = [
      ["", /udp:HOST:PORT/],
      ["127.0.0.1:7722", /udp:HOST:PORT/],
      ["sctp:127.0.0.1:1", /udp:HOST:PORT/],
      ["udp:localhost:7722", /names are not looked up/],
      ["udp:127.0.0.1", /udp:127/],
      ["udp:127.0.0.1:65536", /udp:127/],
      ["udp6:127.0.0.1:1", /udp6:\[::1\]/],
      ["udp:::1:1", /udp:127/],
      ["udp:[127.0.0.1]:1", /udp:127/],
      ["unix:", /unix:PATH/],
      [`unix:/${"x".repeat(107)}`, /at most 107 bytes/],
      ["unix:/r,mode=0999", /mode=0660/],
      ["unix:/r,colour=red", /mode=0660/],
      ["unix:/r,group=", /group=NAME/],
    ];
    for (const [text, reason] of table) {
      const result = parseListenSpec(text);
      assert.ok(!result.ok, text);
      assert.match(result.reason, reason, text);
    }
  });

  test("noise never throws, and what is accepted survives the way back", () => {
    const text = fc.tuple(fc.constantFrom("udp:", "udp6:", "tcp:", "unix:", "cunix:", ""), fc.string());
    fc.assert(
      fc.property(text, ([scheme, rest]) => {
        const result = parseListenSpec(scheme + rest);
        if (!result.ok) return;
        const again = parseListenSpec(formatListenSpec(result.value));
        assert.deepEqual(again, result);
      }),
      { numRuns: fuzzRuns(1000) },
    );
  });
});
