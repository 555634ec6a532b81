/** What an operator does to a running TURN server: reload, drain, look, and what it refuses to start with. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import type { StunMessage } from "../../src/stun/message.ts";
import { stunMethod } from "../../src/stun/wire.ts";
import { turnMethod } from "../../src/turn/wire.ts";
import { compiled } from "../support/repository.ts";
import { suite } from "../support/suite.ts";
import { alice, codeOf, EchoPeer, readData, TurnClient, udpRelay } from "../support/turn-client.ts";
import { TurnDaemon, type TurnWords } from "./support/turn-daemon.ts";

const timeoutMs = 30_000;
const bob = { username: "bob", password: "other", realm: "test" };

function withDaemon(words: TurnWords, body: (daemon: TurnDaemon) => Promise<void>): () => Promise<void> {
  return async () => {
    const daemon = await TurnDaemon.start(words);
    try {
      await body(daemon);
      daemon.assertAlive();
    } finally {
      assert.equal(await daemon.stop(), 0);
    }
  };
}

function allocate(client: TurnClient): Promise<StunMessage | undefined> {
  return client.request(turnMethod.allocate, [udpRelay]);
}

/** What `serve` says to these settings, and its exit code. */
function refusalOf(
  listen: string,
  ...lines: readonly string[]
): { readonly code: number | null; readonly errors: string } {
  const all = [
    'listen-ng = "none"',
    'listen-rtpproxy = "none"',
    `listen-turn = "${listen}:127.0.0.1:0"`,
    ...lines,
  ];
  const path = `/tmp/rtpferry-refused-${process.pid}.toml`;
  writeFileSync(path, `${all.join("\n")}\n`);
  const run = spawnSync(process.execPath, [compiled("src/cli.ts"), "serve", "--config", path], {
    encoding: "utf8",
    timeout: 10_000,
  });
  return { code: run.status, errors: run.stderr.replaceAll(path, "FILE") };
}

suite("turn in an operator's hands", (test) => {
  test(
    "SIGHUP: users, peers and the certificate change; streams and allocations that are there go on",
    withDaemon({ settings: { "turn-allow-peer": ["127.0.0.0/8"] }, portMin: 46_400 }, async (daemon) => {
      const peer = await EchoPeer.open();
      const names: string[] = [];
      const old = await TurnClient.tls(daemon.at("tls"), (name) => names.push(name));
      await old.allocate();
      assert.equal(await old.permit(peer.place), 0);
      old.send(peer.place, Buffer.from("before"));
      assert.equal(readData(await old.hear()).text, "before");
      daemon.renewCertificate("second");
      daemon.write({ settings: { "turn-user": ["bob:other"] }, portMin: 46_400 });
      daemon.signal("SIGHUP");
      await daemon.logged("turn-reloaded");
      old.send(peer.place, Buffer.from("after"));
      assert.equal(await old.hear(300), undefined, "loopback is closed again");
      assert.equal(codeOf(await old.ask(stunMethod.binding)), 0);
      assert.equal(await old.refresh(600), 401);
      const fresh = await TurnClient.tls(daemon.at("tls"), (name) => names.push(name));
      assert.deepEqual(names, ["first", "second"]);
      const other = await TurnClient.udp(daemon.at("udp"), bob);
      assert.equal(codeOf(await allocate(other)), 0);
      for (const each of [old, fresh, other, peer]) each.close();
    }),
    { timeoutMs },
  );

  test(
    "a reload that cannot be leaves everything as it was",
    withDaemon({ portMin: 46_400 }, async (daemon) => {
      daemon.write({ settings: { "turn-user": ["@/nowhere/users"] }, portMin: 46_400 });
      daemon.signal("SIGHUP");
      const [failed] = await daemon.logged("turn-reloaded");
      assert.equal(failed?.["reason"], "turn-user /nowhere/users: there is no such file or directory");
      daemon.write({ settings: { "turn-user": ["bob"] }, portMin: 46_400 });
      daemon.signal("SIGHUP");
      const [, wrong] = await daemon.logged("turn-reloaded", 2);
      assert.match(
        String(wrong?.["reason"]),
        /rtpferry.toml:\d+: turn-user: its value is not right; wanted is NAME:PASSWORD/,
      );
      writeFileSync(daemon.path("cert.pem"), "no certificate");
      daemon.write({ portMin: 46_400 });
      daemon.signal("SIGHUP");
      await daemon.logged("turn-reloaded", 3);
      const client = await TurnClient.tls(daemon.at("tls"));
      await client.allocate();
      client.close();
    }),
    { timeoutMs },
  );

  test(
    "users and secrets from files and credentials of systemd",
    async () => {
      const folder = `/tmp/rtpferry-credentials-${process.pid}`;
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      const key = (hash: string): string => createHash(hash).update("carol:test:pass").digest("hex");
      const users = [
        "# users of the branch office",
        "",
        "bob:other",
        `carol:0x${key("md5")},0x${key("sha256")}`,
      ];
      writeFileSync(`${folder}/users`, users.join("\n"));
      writeFileSync(`${folder}/alice`, "secret\n");
      chmodSync(`${folder}/alice`, 0o600);
      const settings = { "turn-user": ["@credential:users", `alice:@${folder}/alice`] };
      const environment = { CREDENTIALS_DIRECTORY: folder };
      await withDaemon({ settings, environment, portMin: 46_400 }, async (daemon) => {
        for (const account of [alice, bob, { username: "carol", password: "pass", realm: "test" }]) {
          const client = await TurnClient.udp(daemon.at("udp"), account);
          assert.equal(codeOf(await allocate(client)), 0, account.username);
          client.close();
        }
        const warnings = (await daemon.logged("config-warning")).map(({ msg }) => msg);
        const isOpen = `turn-user ${folder}/users: every user of this machine can read it`;
        assert.equal(warnings.includes(isOpen), true);
        assert.equal(
          warnings.some((text) => String(text).includes(`${folder}/alice`)),
          false,
        );
      })();
    },
    { timeoutMs },
  );

  test(
    "drain by signal and by ctl, and what ctl shows",
    withDaemon({ portMin: 46_400 }, async (daemon) => {
      assert.equal(await daemon.ctl("turn"), "no allocations\n");
      const client = await TurnClient.udp(daemon.at("udp"));
      const relayed = await client.allocate();
      assert.equal(await client.permit({ ...relayed, ip: "192.0.2.7" as typeof relayed.ip }), 0);
      const shown = await daemon.ctl("turn");
      assert.match(
        shown,
        /^allocation \d+: alice at udp 127\.0\.0\.1:\d+\n {2}relayed udp 127\.0\.0\.1:\d+; expires in /,
      );
      assert.match(shown, /\n {2}may reach 192\.0\.2\.7\n/);
      assert.equal(await daemon.ctl("turn", "away"), "rtpferry: turn knows the word drain alone\n");
      daemon.signal("SIGUSR1");
      await daemon.logged("turn-draining");
      assert.equal(await daemon.ctl("turn", "drain"), "draining; 1 allocations go on\n");
      const late = await TurnClient.udp(daemon.at("udp"));
      assert.equal(codeOf(await allocate(late)), 508);
      assert.equal(await client.refresh(600), 0);
      assert.equal(await client.refresh(0), 0);
      await daemon.logged("turn-drained");
      assert.match(await daemon.ctl("stats"), /turn: allocations 0 of 20000; created 1; .*; draining/);
      client.close();
      late.close();
    }),
    { timeoutMs },
  );

  test(
    "what cannot be is refused at start, in one line and without the secret",
    () => {
      const nobody = refusalOf("udp");
      assert.equal(nobody.code, 78);
      assert.match(
        nobody.errors,
        /FILE:3: listen-turn: nobody could use it; give turn-user or turn-secret, or turn-anonymous/,
      );
      const bare = refusalOf("tls", 'turn-user = "a:b"');
      assert.deepEqual(bare, {
        code: 78,
        errors: "rtpferry: FILE:3: listen-turn: tls needs turn-cert and turn-key\n",
      });
      const hidden = refusalOf("udp", 'turn-user = ":hunter2"');
      assert.equal(hidden.code, 78);
      assert.equal(hidden.errors.includes("hunter2"), false);
      const missing = refusalOf("udp", 'turn-secret = "@/nowhere/secret"');
      const wanted = "rtpferry: turn-secret /nowhere/secret: there is no such file or directory\n";
      assert.deepEqual(missing, { code: 1, errors: wanted });
      const credential = refusalOf("udp", 'turn-secret = "@credential:turn"');
      assert.match(
        credential.errors,
        /@credential:NAME works in a service to which systemd hands credentials/,
      );
    },
    { timeoutMs },
  );
});
