import assert from "node:assert/strict";
import { commandLinePlace, formatProblem, type Layer } from "../../../src/config/layer.ts";
import { configWarnings, resolveConfig } from "../../../src/config/resolve.ts";
import { type Config, type ConfigName, rows } from "../../../src/config/schema.ts";
import { readToml } from "../../../src/config/toml.ts";
import type { IpAddress } from "../../../src/core/address.ts";
import { cidrContains } from "../../../src/core/address-class.ts";
import { suite } from "../../support/suite.ts";

function commandLine(values: Partial<Record<ConfigName, string | readonly string[]>>): Layer {
  return new Map(
    Object.entries(values).map(([name, texts]) => [
      name as ConfigName,
      [texts].flat().map((text) => ({ text, place: commandLinePlace })),
    ]),
  );
}

function file(text: string): Layer {
  return readToml(text, "f.toml").layer;
}

function config(...layers: readonly Layer[]): Config {
  const resolved = resolveConfig(layers);
  assert.ok(resolved.ok, resolved.ok ? "" : resolved.reason.map(formatProblem).join("\n"));
  return resolved.value;
}

function problems(...layers: readonly Layer[]): readonly string[] {
  const resolved = resolveConfig(layers);
  return resolved.ok ? [] : resolved.reason.map(formatProblem);
}

suite("config/resolve", (test) => {
  test("the defaults run without privileges, on loopback alone", () => {
    const { controlAllow, ...rest } = config();
    assert.deepEqual(rest, {
      interfaces: [{ name: "default", ip: "127.0.0.1", advertisedIp: "127.0.0.1" }],
      listenNg: [{ ip: "127.0.0.1", port: 2223 }],
      listenRtpproxy: [{ kind: "udp", endpoint: { ip: "127.0.0.1", port: 7722 } }],
      rtpproxyNotify: [],
      listenHttp: undefined,
      ctl: undefined,
      portMin: 30_000,
      portMax: 40_000,
      timeoutMs: 60_000,
      silentTimeoutMs: 3_600_000,
      offerTimeoutMs: 3_600_000,
      finalTimeoutMs: 0,
      deleteDelayMs: 30_000,
      tos: 0,
      maxSessions: 2_500,
      workers: 0,
      io: "auto",
      coalesce: "on",
      batchSend: "on",
      batchReceive: "on",
      trustedMedia: [],
      signallingProxies: [],
      settleTimeMs: 3_000,
      strict: false,
      relearnAfterSilenceMs: 0,
      replayMemoryBytes: 8 * 1024 * 1024,
      listenTurn: [],
      turnRealm: "rtpferry",
      turnUsers: [],
      turnSecrets: [],
      turnAnonymous: false,
      turnAllowPeer: [],
      turnDenyPeer: [],
      turnCert: undefined,
      turnKey: undefined,
      turnInterface: undefined,
      turnMaxAllocations: 20_000,
      turnUserQuota: 0,
      turnMaxBps: 0,
      turnUserBps: 0,
      turnLifetimeMs: 600_000,
      turnMaxLifetimeMs: 3_600_000,
      turnPermissionLifetimeMs: 300_000,
      turnChannelLifetimeMs: 600_000,
      turnNonceLifetimeMs: 600_000,
      turnChallengeRate: 10,
      turnTcpRelay: "on",
      turnMobility: "on",
      turnDiscovery: undefined,
      turnAlternateServers: [],
      logLevel: "info",
      pidfile: undefined,
    });
    const allows = (ip: string) => controlAllow.some(({ cidr }) => cidrContains(cidr, ip as IpAddress));
    assert.deepEqual(["127.0.0.1", "127.9.9.9", "::1", "10.0.0.1", "2001:db8::1"].map(allows), [
      true,
      true,
      true,
      false,
      false,
    ]);
  });

  test("every default is a value that the option itself would take", () => {
    for (const [, row] of rows) {
      for (const result of row.read(row.defaults)) assert.ok(result.ok, row.key);
      if (row.defaults.length === 0) assert.ok(row.read([row.example])[0]?.ok, `${row.key} needs an example`);
    }
  });

  test("the command line goes before the file, the file before the defaults, lists as a whole", () => {
    const resolved = config(
      file('tos = 1\ntimeout = 10\nlisten-ng = ["127.0.0.1:1", "127.0.0.1:2"]\n'),
      commandLine({ tos: "2", listenNg: "127.0.0.1:3" }),
    );
    assert.equal(resolved.tos, 2);
    assert.equal(resolved.timeoutMs, 10_000);
    assert.equal(resolved.silentTimeoutMs, 3_600_000);
    assert.deepEqual(resolved.listenNg, [{ ip: "127.0.0.1", port: 3 }]);
  });

  test("none takes away what a lower layer gave", () => {
    const resolved = config(
      file('listen-http = "127.0.0.1:9101"\nlisten-rtpproxy = []\n'),
      commandLine({ listenHttp: "none", listenNg: "none" }),
    );
    assert.equal(resolved.listenHttp, undefined);
    assert.deepEqual(resolved.listenNg, []);
    assert.deepEqual(resolved.listenRtpproxy, []);
  });

  test("seconds and MiB are held in milliseconds and bytes, within their bounds", () => {
    const given = { settleTimeMs: "5", relearnAfterSilenceMs: "90", replayMemoryBytes: "0" };
    const { settleTimeMs, relearnAfterSilenceMs, replayMemoryBytes } = config(commandLine(given));
    assert.deepEqual([settleTimeMs, relearnAfterSilenceMs, replayMemoryBytes], [5_000, 90_000, 0]);
    assert.equal(config(commandLine({ replayMemoryBytes: "64" })).replayMemoryBytes, 64 * 1024 * 1024);
    assert.deepEqual(problems(commandLine({ settleTimeMs: "0", replayMemoryBytes: "1025" })), [
      'command line: settle-time: "0" is not right; wanted is a whole number from 1 to 60 (s)',
      'command line: replay-memory: "1025" is not right; wanted is a whole number from 0 to 1024 (MiB)',
    ]);
  });

  test("the result is frozen", () => {
    assert.ok(Object.isFrozen(config()));
  });

  test("as many calls as the port range carries, unless told otherwise", () => {
    assert.equal(config(commandLine({ portMin: "10000", portMax: "10003" })).maxSessions, 1);
    assert.equal(config(commandLine({ portMin: "10000", portMax: "19999" })).maxSessions, 2_500);
    assert.equal(config(commandLine({ maxSessions: "7" })).maxSessions, 7);
  });

  test("all that is wrong is told at once, in all layers", () => {
    assert.deepEqual(
      problems(
        file('tos = 256\nport-min = 80\nio = "uring"\n'),
        commandLine({ timeout: "0", workers: "-1" } as never),
      ),
      [
        'f.toml:2: port-min: "80" is not right; wanted is a whole number from 1024 to 65534',
        'f.toml:1: tos: "256" is not right; wanted is a whole number from 0 to 255',
        'command line: workers: "-1" is not right; wanted is a whole number from 0 to 256',
        'f.toml:3: io: "uring" is not right; wanted is one of auto, epoll, dgram',
      ],
    );
  });

  test("numbers are plain whole numbers", () => {
    for (const text of ["", " 1", "1.0", "1e2", "0x10", "+1", "1_000", "٣", "9999999999", "NaN"]) {
      assert.equal(problems(commandLine({ deleteDelayMs: text })).length, 1, text);
    }
  });

  test("the port range must hold a pair", () => {
    const wanted = "holds no pair of an even and the next odd port";
    for (const [portMin, portMax] of [
      ["40000", "30000"],
      ["30000", "30000"],
      ["30001", "30002"],
    ] as const) {
      assert.deepEqual(problems(commandLine({ portMin, portMax })), [
        `command line: port-max: ${portMin} to ${portMax} ${wanted}`,
      ]);
    }
    assert.deepEqual(problems(commandLine({ portMin: "30001", portMax: "30003" })), []);
    assert.deepEqual(problems(file("port-min = 50000\n")), [`f.toml:1: port-max: 50000 to 40000 ${wanted}`]);
  });

  test("an address may have two names, but not twice the same", () => {
    assert.deepEqual(
      problems(commandLine({ interfaces: ["a/192.0.2.1", "b/192.0.2.1", "a/192.0.2.2"] })),
      [],
    );
    assert.deepEqual(problems(file('interface = [\n"a/192.0.2.1",\n"a/192.0.2.1!203.0.113.1"]\n')), [
      "f.toml:3: interface: a/192.0.2.1 is given twice",
    ]);
  });

  test("a control listener beyond loopback needs control-allow", () => {
    const why = "can be reached from elsewhere; say with control-allow which addresses may use it";
    assert.deepEqual(problems(file('listen-ng = ["127.0.0.1:1",\n"0.0.0.0:2223"]\n')), [
      `f.toml:2: listen-ng: 0.0.0.0:2223 ${why}`,
    ]);
    assert.deepEqual(
      problems(
        commandLine({
          listenNg: "[2001:db8::1]:1",
          listenRtpproxy: ["tcp:192.0.2.1:1", "udp6:[::1]:2", "unix:/x"],
        }),
      ),
      [
        `command line: listen-ng: [2001:db8::1]:1 ${why}`,
        `command line: listen-rtpproxy: 192.0.2.1:1 ${why}`,
      ],
    );
    assert.deepEqual(problems(commandLine({ listenNg: "192.0.2.1:1", controlAllow: "192.0.2.0/24" })), []);
  });

  test("a listener that nobody may use is worth a warning", () => {
    assert.deepEqual(configWarnings(config()), []);
    assert.equal(configWarnings(config(commandLine({ controlAllow: "192.0.2.0/24" }))).length, 1);
    const closed = { controlAllow: "192.0.2.0/24", listenNg: "192.0.2.1:1", listenRtpproxy: "none" };
    assert.deepEqual(configWarnings(config(commandLine(closed))), []);
  });

  test("messages hold nothing that could steer a terminal", () => {
    const [message = ""] = problems(commandLine({ io: `\u001b[2J\u009b${"x".repeat(500)}` }));
    assert.match(message, /^[\x20-\x7e]{1,200}$/);
  });
});
