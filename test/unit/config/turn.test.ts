import assert from "node:assert/strict";
import { withCredentials } from "../../../src/config/credentials.ts";
import { commandLinePlace, formatProblem, type Layer } from "../../../src/config/layer.ts";
import { configWarnings, resolveConfig } from "../../../src/config/resolve.ts";
import type { Config, ConfigName } from "../../../src/config/schema.ts";
import {
  formatTurnListen,
  parseDiscovery,
  parsePemPath,
  parseRealm,
  parseTurnListen,
  parseTurnSecret,
  parseTurnUser,
} from "../../../src/config/turn-values.ts";
import { turnDefaults } from "../../../src/turn/settings.ts";
import { suite } from "../../support/suite.ts";

function layer(values: Partial<Record<ConfigName, string | readonly string[]>>): Layer {
  return new Map(
    Object.entries(values).map(([name, texts]) => [
      name as ConfigName,
      [texts].flat().map((text) => ({ text, place: commandLinePlace })),
    ]),
  );
}

function problemsOf(values: Parameters<typeof layer>[0]): readonly string[] {
  const resolved = resolveConfig([layer(values)]);
  return resolved.ok
    ? []
    : resolved.reason.map((problem) => formatProblem(problem).replace("command line: ", ""));
}

function warningsOf(values: Parameters<typeof layer>[0]): readonly string[] {
  const resolved = resolveConfig([layer(values)]);
  assert.ok(resolved.ok);
  return configWarnings(resolved.value);
}

const listen = { listenTurn: "udp:192.0.2.1:3478", interfaces: "192.0.2.1" };

suite("config/turn", (test) => {
  test("listeners", () => {
    for (const text of ["udp:192.0.2.1:3478", "tcp:0.0.0.0:3478", "tls:[2001:db8::1]:5349", "dtls:[::]:0"]) {
      const parsed = parseTurnListen(text);
      assert.equal(parsed.ok && formatTurnListen(parsed.value), text);
    }
    for (const text of [
      "192.0.2.1:3478",
      "sctp:192.0.2.1:1",
      "udp:turn.example:3478",
      "udp:224.0.0.1:3478",
      "udp:1.2.3.4",
      "",
    ]) {
      assert.equal(parseTurnListen(text).ok, false, text);
    }
  });

  test("users: passwords with colons, files, lists, and what is none", () => {
    const user = (text: string) => {
      const parsed = parseTurnUser(text);
      return parsed.ok ? parsed.value : undefined;
    };
    const plain = { kind: "user", name: "a", password: { kind: "text", text: "b:c@d" } };
    assert.deepEqual(user("a:b:c@d"), plain);
    const filed = { kind: "user", name: "a", password: { kind: "file", path: "/etc/a" } };
    assert.deepEqual(user("a:@/etc/a"), filed);
    assert.deepEqual(user("@/etc/users"), { kind: "file", path: "/etc/users" });
    for (const text of [
      "",
      "a",
      ":b",
      "a:",
      "a:b\n",
      "@",
      "a:@",
      "@credential:users",
      "a:@credential:a",
      `${"x".repeat(509)}:p`,
    ]) {
      assert.equal(user(text), undefined, text);
    }
  });

  test("secrets, realms, PEM files", () => {
    assert.deepEqual(parseTurnSecret("north"), { ok: true, value: { kind: "text", text: "north" } });
    assert.deepEqual(parseTurnSecret("@/etc/s"), { ok: true, value: { kind: "file", path: "/etc/s" } });
    for (const text of ["", "@", "a\0", "@credential:s"]) assert.equal(parseTurnSecret(text).ok, false, text);
    assert.equal(parseRealm("example.org").ok, true);
    for (const text of ["", 'a"b', "a\\b", "a\nb", "x".repeat(128)])
      assert.equal(parseRealm(text).ok, false, text);
    assert.deepEqual(parsePemPath("/etc/turn.pem"), { ok: true, value: "/etc/turn.pem" });
    assert.deepEqual(parsePemPath("@/run/turn.pem"), { ok: true, value: "/run/turn.pem" });
    for (const text of ["", "@", "@credential:key"]) assert.equal(parsePemPath(text).ok, false, text);
  });

  test("the second address of behaviour discovery", () => {
    const parsed = parseDiscovery("10.0.0.2!192.0.2.2:3479");
    assert.deepEqual(parsed, { ok: true, value: { ip: "10.0.0.2", advertisedIp: "192.0.2.2", port: 3_479 } });
    assert.equal(parseDiscovery("[2001:db8::2]:3479").ok, true);
    for (const text of [
      "10.0.0.2",
      "10.0.0.2:0",
      "0.0.0.0:3479",
      "10.0.0.2!2001:db8::1:3479",
      "2001:db8::2:3479",
      "a:1",
    ]) {
      assert.equal(parseDiscovery(text).ok, false, text);
    }
  });

  test("credentials of systemd become files, wherever they are named", () => {
    const given = layer({
      turnUsers: ["@credential:users", "a:@credential:a.b", "plain:@credential", "a:x@credential:y"],
      turnKey: "@credential:key",
    });
    const texts = [...withCredentials(given, "/run/cred$&")].map(([, values]) =>
      values.map(({ text }) => text),
    );
    assert.deepEqual(texts, [
      ["@/run/cred$&/users", "a:@/run/cred$&/a.b", "plain:@credential", "a:x@credential:y"],
      ["@/run/cred$&/key"],
    ]);
    assert.equal(withCredentials(given, undefined), given);
  });

  test("the schema's defaults are the server's", () => {
    const resolved = resolveConfig([]);
    assert.ok(resolved.ok);
    const config: Config = resolved.value;
    const { realm, allocationsMax, lifetimeDefaultSec, lifetimeMaxSec, permissionSec, channelSec, nonceSec } =
      turnDefaults;
    assert.deepEqual(
      [
        config.turnRealm,
        config.turnMaxAllocations,
        config.turnLifetimeMs,
        config.turnMaxLifetimeMs,
        config.turnPermissionLifetimeMs,
        config.turnChannelLifetimeMs,
        config.turnNonceLifetimeMs,
        config.turnChallengeRate,
      ],
      [
        realm,
        allocationsMax,
        1_000 * lifetimeDefaultSec,
        1_000 * lifetimeMaxSec,
        1_000 * permissionSec,
        1_000 * channelSec,
        1_000 * nonceSec,
        turnDefaults.challengesPerSec,
      ],
    );
    assert.deepEqual([config.turnTcpRelay, config.turnMobility], ["on", "on"]);
    assert.equal(config.turnAnonymous, turnDefaults.isAnonymous);
  });

  test("what cannot be is told, each thing once", () => {
    const nobody =
      "listen-turn: nobody could use it; give turn-user or turn-secret, or turn-anonymous to serve everybody";
    assert.deepEqual(problemsOf(listen), [nobody]);
    assert.deepEqual(problemsOf({ ...listen, turnAnonymous: "true" }), []);
    const users = { turnUsers: "a:b" };
    assert.deepEqual(problemsOf({ ...users, listenTurn: ["udp:192.0.2.1:1", "dtls:192.0.2.1:2"] }), [
      "listen-turn: dtls needs turn-cert and turn-key",
    ]);
    const pem = { turnCert: "c", turnKey: "k" };
    assert.deepEqual(problemsOf({ ...users, ...pem, listenTurn: "tls:192.0.2.1:2" }), []);
    assert.deepEqual(problemsOf({ ...users, ...listen, turnLifetimeMs: "7200" }), [
      "turn-max-lifetime: it is shorter than turn-lifetime",
    ]);
    assert.deepEqual(problemsOf({ ...users, ...listen, turnInterface: "public" }), [
      "turn-interface: there is no interface of the name public",
    ]);
    assert.deepEqual(problemsOf({ ...listen, turnSecrets: Array.from({ length: 9 }, () => "s") }), [
      "turn-secret: at most 8 are valid at once",
    ]);
    // A wrong user is told as such, and his password is not repeated.
    const wrong = problemsOf({ ...listen, turnUsers: "hunter2" });
    assert.equal(wrong.length, 1);
    assert.match(wrong[0] ?? "", /^turn-user: its value is not right; wanted is NAME:PASSWORD/);
  });

  test("behaviour discovery wants two of everything", () => {
    const whyNot = (second: string, first = "udp:192.0.2.1:3478"): readonly string[] =>
      problemsOf({ turnUsers: "a:b", listenTurn: first, turnDiscovery: second });
    assert.deepEqual(whyNot("192.0.2.2:3479"), []);
    assert.deepEqual(whyNot("192.0.2.2:3478"), [
      "turn-discovery: its address and port have to differ from those of the first udp listener",
    ]);
    assert.deepEqual(whyNot("192.0.2.1:3479").length, 1);
    assert.deepEqual(whyNot("[2001:db8::1]:3479").length, 1);
    assert.deepEqual(whyNot("192.0.2.2:3479", "udp:0.0.0.0:3478").length, 1);
    assert.deepEqual(whyNot("192.0.2.2:3479", "tcp:192.0.2.1:3478"), [
      "turn-discovery: it needs a udp listener",
    ]);
  });

  test("what is hardly meant is warned of", () => {
    assert.deepEqual(warningsOf({ turnUsers: "a:b" }), [
      "there are TURN users or secrets and no listen-turn, so nobody can use them",
    ]);
    assert.deepEqual(warningsOf({ listenTurn: listen.listenTurn, turnUsers: "a:b" }), [
      "TURN relays are opened on loopback, where no peer is; name this machine's address with interface",
    ]);
    assert.deepEqual(warningsOf({ ...listen, turnAnonymous: "true" }), [
      "turn-anonymous: whoever reaches the TURN server may send through it",
    ]);
    assert.deepEqual(warningsOf({ ...listen, turnUsers: "a:b", turnAllowPeer: "0.0.0.0/0" }), [
      "turn-allow-peer allows every address, loopback and private networks among them",
    ]);
    assert.deepEqual(warningsOf({ ...listen, turnUsers: "a:b", turnAllowPeer: "10.0.0.0/8" }), []);
  });
});
