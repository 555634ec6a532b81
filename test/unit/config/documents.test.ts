import assert from "node:assert/strict";
import { bannerLines } from "../../../src/config/banner.ts";
import { optionDocument, sampleFile } from "../../../src/config/document.ts";
import { resolveConfig } from "../../../src/config/resolve.ts";
import { rows, schema } from "../../../src/config/schema.ts";
import { readToml } from "../../../src/config/toml.ts";
import { version } from "../../../src/config/version.ts";
import { markedPart, repositoryFile } from "../../support/repository.ts";
import { suite } from "../../support/suite.ts";

const rewrite = "run: npm run build && node scripts/write-docs.mjs";

suite("config/documents", (test) => {
  test("docs/configuration.md holds the schema's table", () => {
    const document = repositoryFile("docs/configuration.md");
    assert.equal(markedPart(document, "options"), optionDocument(), rewrite);
  });

  test("systemd/rtpferry.toml is the schema's sample", () => {
    assert.equal(repositoryFile("systemd/rtpferry.toml"), sampleFile(), rewrite);
  });

  test("the sample with every line switched on is a right configuration", () => {
    const text = sampleFile().replace(/^#(?! )(.*)$/gm, "$1");
    const { layer, problems } = readToml(text, "sample");
    assert.deepEqual(problems, []);
    assert.equal(layer.size, rows.length);
    assert.equal(resolveConfig([layer]).ok, true);
  });

  test("the service leaves room for the sockets of all calls by default", () => {
    const unit = repositoryFile("systemd/rtpferry.service");
    const limit = Number(/^LimitNOFILE=(\d+)$/m.exec(unit)?.[1]);
    const resolved = resolveConfig([]);
    assert.ok(resolved.ok);
    assert.ok(limit >= 4 * resolved.value.maxSessions + 1_000);
    assert.doesNotMatch(unit, /^MemoryDenyWriteExecute=(?!no)/m);
    assert.match(unit, /^Type=notify$/m);
  });

  test("the version is package.json's", () => {
    assert.equal(version, JSON.parse(repositoryFile("package.json")).version);
  });

  test("keys are unique and plain", () => {
    const keys = rows.map(([, row]) => row.key);
    assert.equal(new Set(keys).size, keys.length);
    for (const key of keys) assert.match(key, /^[a-z]+(-[a-z]+)*$/);
    assert.equal(keys.length, Object.keys(schema).length);
  });

  test("the banner says what to write into the proxy", () => {
    const resolved = resolveConfig([]);
    assert.ok(resolved.ok);
    assert.deepEqual(bannerLines({ ...resolved.value, engine: "epoll, 2 workers" }), [
      `rtpferry ${version} is up (epoll, 2 workers)`,
      "  media      127.0.0.1, ports 30000 to 40000",
      "  ng         udp 127.0.0.1:2223",
      '             Kamailio, OpenSIPS:  modparam("rtpengine", "rtpengine_sock", "udp:127.0.0.1:2223")',
      "  rtpproxy   udp:127.0.0.1:7722",
      '             Kamailio, OpenSIPS:  modparam("rtpproxy", "rtpproxy_sock", "udp:127.0.0.1:7722")',
    ]);
  });

  test("the banner knows IPv6, paths and wildcards", () => {
    const { layer } = readToml(
      'listen-ng = ["[::1]:5", "0.0.0.0:6"]\nlisten-rtpproxy = ["cunix:/run/a.sock", "tcp:127.0.0.1:7"]\ncontrol-allow = "::/0"\n' +
        'listen-http = "[::1]:8"\nctl = "/run/c.sock"\ninterface = "pub/10.0.0.5!203.0.113.7"\n',
      "f",
    );
    const resolved = resolveConfig([layer]);
    assert.ok(resolved.ok);
    assert.deepEqual(bannerLines({ ...resolved.value, engine: "dgram" }).slice(1), [
      "  media      pub/10.0.0.5!203.0.113.7, ports 30000 to 40000",
      "  ng         udp [::1]:5",
      '             Kamailio, OpenSIPS:  modparam("rtpengine", "rtpengine_sock", "udp6:[::1]:5")',
      "  ng         udp 0.0.0.0:6",
      '             Kamailio, OpenSIPS:  modparam("rtpengine", "rtpengine_sock", "udp:ADDRESS:6")',
      "  rtpproxy   cunix:/run/a.sock",
      '             OpenSIPS:  modparam("rtpproxy", "rtpproxy_sock", "cunix:/run/a.sock")',
      "  rtpproxy   tcp:127.0.0.1:7",
      '             OpenSIPS:  modparam("rtpproxy", "rtpproxy_sock", "tcp:127.0.0.1:7")',
      "  http       http://[::1]:8/metrics",
      "  ctl        rtpferry ctl --ctl /run/c.sock list",
    ]);
  });
});
