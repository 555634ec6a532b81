/** The examples of docs/turn.md, carried out as they stand there but for addresses and folders. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { turnMethod } from "../../src/turn/wire.ts";
import { markedPart, repositoryFile } from "../support/repository.ts";
import { suite } from "../support/suite.ts";
import { codeOf, TurnClient, udpRelay } from "../support/turn-client.ts";
import { TurnDaemon } from "./support/turn-daemon.ts";

/** The block between the markers. */
function block(name: string): string {
  const text = /^```[a-z]*\n([\s\S]*?)^```$/m.exec(markedPart(repositoryFile("docs/turn.md"), name))?.[1];
  return text ?? assert.fail(`no block in ${name}`);
}

suite("turn as documented", (test) => {
  test(
    "the configuration, a web service's credentials, and a key computed beforehand",
    async () => {
      // Its files and ports are the example's; the rest is what every test has.
      const daemon = await TurnDaemon.start({ portMin: 47_600, listen: ["udp:127.0.0.1:0"] });
      const here = (text: string): string =>
        text
          .replaceAll("/etc/rtpferry", daemon.folder)
          .replace(/192\.0\.2\.10:\d+/g, "127.0.0.1:0")
          .replaceAll("192.0.2.10", "127.0.0.1");
      const shell = (text: string): string => {
        const run = spawnSync("sh", ["-eu", "-c", here(text)], { encoding: "utf8" });
        assert.equal(run.status, 0, run.stderr);
        return run.stdout;
      };
      for (const name of ["turn-secret", "turn-users"]) {
        writeFileSync(daemon.path(name), name === "turn-secret" ? "a secret\n" : "");
        chmodSync(daemon.path(name), 0o600);
      }
      shell(block("key"));
      assert.match(readFileSync(daemon.path("turn-users"), "utf8"), /^alice:0x[0-9a-f]{32}\n$/);
      for (const kind of ["cert", "key"]) {
        writeFileSync(daemon.path(`turn-${kind}.pem`), readFileSync(daemon.path(`${kind}.pem`)), {
          mode: 0o600,
        });
      }
      const usual = readFileSync(daemon.path("rtpferry.toml"), "utf8");
      const example = here(block("example"));
      const keys = new Set([...example.matchAll(/^([a-z-]+) =/gm)].map(([, key]) => key));
      const kept = usual.split("\n").filter((line) => !keys.has(line.split(" ")[0]));
      const second = await TurnDaemon.restart(daemon, [...kept, example].join("\n"));
      const [username = "", credential = ""] = shell(
        `${block("credentials")}printf '%s\\n%s' "$username" "$credential"`,
      ).split("\n");
      const visitor = { username, password: credential, realm: "example.org" };
      const alice = { username: "alice", password: "secret", realm: "example.org" };
      for (const account of [visitor, alice]) {
        for (const transport of ["udp", "tcp"] as const) {
          const client = await TurnClient[transport](second.at(transport), account);
          assert.equal(codeOf(await client.request(turnMethod.allocate, [udpRelay])), 0, account.username);
          client.close();
        }
      }
      const secure = await TurnClient.tls(second.at("tls"));
      secure.close();
      assert.equal(second.at("dtls").port > 0, true);
      assert.equal(await second.stop(), 0);
    },
    { timeoutMs: 30_000 },
  );
});
