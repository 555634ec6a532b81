import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compiled } from "../support/repository.ts";
import { suite } from "../support/suite.ts";

const program = compiled("test/integration/support/stub-program.ts");
const faultyProgram = compiled("test/integration/support/faulty-program.ts");

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves when standard output holds the text. */
  said(text: string): Promise<void>;
}

function start(
  words: readonly string[],
  environment: Record<string, string> = {},
  file: string = program,
): Running {
  const child = spawn(process.execPath, [file, ...words], {
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk) => {
    out += chunk;
  });
  child.stderr.on("data", (chunk) => {
    err += chunk;
  });
  const ended = new Promise<Ended>((resolve) => child.on("close", (code) => resolve({ code, out, err })));
  const said = async (text: string): Promise<void> => {
    while (!out.includes(text)) {
      assert.equal(child.exitCode, null, `it ended: ${out}${err}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  return { child, ended, said };
}

function run(...words: string[]): Promise<Ended> {
  return start(words).ended;
}

function inFolder(body: (folder: string) => Promise<void>): () => Promise<void> {
  return async () => {
    const folder = mkdtempSync(join(tmpdir(), "rtpferry cli "));
    try {
      await body(folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  };
}

suite("cli", (test) => {
  test("every setting is an option of serve, and help and version are no failure", async () => {
    const { code, out } = await run("serve", "--help");
    assert.equal(code, 0);
    for (const option of [
      "interface",
      "listen-ng",
      "listen-rtpproxy",
      "control-allow",
      "listen-http",
      "port-min",
    ]) {
      assert.match(out, new RegExp(`^ +--${option} <`, "m"));
    }
    assert.match(out, /--io <auto\|epoll\|dgram>/);
    assert.equal((await run("--version")).code, 0);
  });

  test("misuse has exit codes of its own", async () => {
    assert.equal((await run("ctl", "frobnicate")).code, 64);
    assert.equal((await run("frobnicate")).code, 64);
    assert.equal((await run("ctl", "show")).code, 64);
    assert.equal((await run("serve", "--port-min")).code, 78);
    assert.equal((await run("demo")).code, 7);
  });

  test(
    "serve refuses all mistakes of file and command line at once",
    inFolder(async (folder) => {
      const file = join(folder, "a.toml");
      writeFileSync(file, 'tos = 1\n\nport-mn = 1\nlisten-ng = [\n  "127.0.0.1:1",\n  "localhost:2",\n]\n');
      const { code, out, err } = await run(
        ...[
          "serve",
          "--config",
          file,
          "--time-out",
          "3",
          "--tos",
          "256",
          "stray",
          "--pidfile",
          join(folder, "pid"),
        ],
      );
      assert.equal(code, 78);
      assert.equal(out, "");
      assert.deepEqual(err.trimEnd().split("\n"), [
        `rtpferry: ${file}:3: port-mn: there is no such key; did you mean port-min?`,
        `rtpferry: ${file}:6: listen-ng: "localhost:2" is not right; wanted is ADDRESS:PORT such as 127.0.0.1:2223 or [::1]:2223 (host names are not looked up)`,
        "rtpferry: command line: --time-out: there is no such option; did you mean --timeout?",
        'rtpferry: command line: "stray" belongs to no option',
        'rtpferry: command line: tos: "256" is not right; wanted is a whole number from 0 to 255',
      ]);
      assert.equal(existsSync(join(folder, "pid")), false);
    }),
  );

  test("a file that cannot be read is one line", async () => {
    const { code, err } = await run("serve", "--config", "/nowhere/rtpferry.toml");
    assert.equal(code, 78);
    assert.equal(err, "rtpferry: /nowhere/rtpferry.toml: there is no such file or directory\n");
  });

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(
      `serve says what it listens on, and ${signal}, again and again, ends it and removes what it made`,
      inFolder(async (folder) => {
        const [pidfile, ctl] = [join(folder, "pid"), join(folder, "ctl.sock")];
        const daemon = start(["serve", "--pidfile", pidfile, "--ctl", ctl]);
        await daemon.said(`rtpferry ctl --ctl ${ctl} list`);
        assert.equal(readFileSync(pidfile, "utf8"), `${daemon.child.pid}\n`);
        assert.equal(statSync(ctl).mode & 0o777, 0o600);
        daemon.child.kill(signal);
        const again = setInterval(() => daemon.child.kill(signal), 1);
        const { code, out, err } = await daemon.ended;
        clearInterval(again);
        assert.equal(code, 0);
        assert.equal(err, "");
        assert.match(out, /modparam\("rtpengine", "rtpengine_sock", "udp:127\.0\.0\.1:2223"\)/);
        assert.match(out, /"event":"stopped"/);
        assert.deepEqual([existsSync(pidfile), existsSync(ctl)], [false, false]);
      }),
    );
  }

  test(
    "what the machine refuses is one line and exit code 1",
    inFolder(async (folder) => {
      const holder = createServer().listen(0, "127.0.0.1");
      await new Promise((resolve) => holder.once("listening", resolve));
      const { port } = holder.address() as { port: number };
      const off = ["--ctl", "none"];
      try {
        for (const [words, line] of [
          [
            [...off, "--listen-http", `127.0.0.1:${port}`],
            `listen-http 127.0.0.1:${port}: already in use by another process`,
          ],
          [
            [...off, "--listen-http", "192.0.2.1:1"],
            "listen-http 192.0.2.1:1: this machine does not have that address",
          ],
          [
            [...off, "--interface", "192.0.2.1"],
            "interface 192.0.2.1: this machine does not have that address",
          ],
          [
            [...off, "--pidfile", `${folder}/no/pid`],
            `pidfile ${folder}/no/pid: there is no such file or directory`,
          ],
          [["--ctl", `${folder}/no/such/ctl`], `ctl ${folder}/no/such: there is no such file or directory`],
          [["--ctl", program], `ctl ${program}: there is a file of another kind`],
        ] as const) {
          const { code, err } = await run("serve", ...words);
          assert.deepEqual([code, err], [1, `rtpferry: ${line}\n`]);
        }
      } finally {
        holder.close();
      }
    }),
  );

  test("a fault of ours at start is told with its stack", async () => {
    const { code, err } = await start(["serve", "--ctl", "none"], {}, faultyProgram).ended;
    assert.equal(code, 1);
    assert.match(err, /TypeError: nobody thought of this\n\s+at /);
  });

  test(
    "a second daemon does not take the pidfile or the socket of a living one; those of a dead one are taken over",
    inFolder(async (folder) => {
      const [pidfile, ctl] = [join(folder, "pid"), join(folder, "ctl.sock")];
      const first = start(["serve", "--pidfile", pidfile, "--ctl", ctl]);
      await first.said("ctl --ctl");
      assert.match(
        (await run("serve", "--pidfile", pidfile)).err,
        /^rtpferry: pidfile .*process \d+ is alive/,
      );
      assert.equal(
        (await run("serve", "--ctl", ctl)).err,
        `rtpferry: ctl ${ctl}: already in use by another process\n`,
      );
      first.child.kill("SIGKILL");
      await first.ended;
      assert.deepEqual([existsSync(pidfile), existsSync(ctl)], [true, true]);
      const second = start(["serve", "--pidfile", pidfile, "--ctl", ctl]);
      await second.said("ctl --ctl");
      second.child.kill("SIGTERM");
      assert.equal((await second.ended).code, 0);
      assert.equal(existsSync(ctl), false);
    }),
  );

  test(
    "the ctl socket has its place without being told",
    inFolder(async (folder) => {
      const runtime = { XDG_RUNTIME_DIR: folder };
      const daemon = start(["serve"], runtime);
      await daemon.said(`--ctl ${folder}/rtpferry/ctl.sock`);
      assert.equal(statSync(join(folder, "rtpferry")).mode & 0o777, 0o700);
      const { code, out } = await start(["ctl", "show", "some call", "--json"], runtime).ended;
      assert.equal(code, 0);
      assert.deepEqual(JSON.parse(out), [{ command: "show", callId: "some call" }]);
      daemon.child.kill("SIGTERM");
      await daemon.ended;
      assert.equal(existsSync(join(folder, "rtpferry")), false);
      const lonely = await start(["ctl", "list"], runtime).ended;
      assert.deepEqual([lonely.code, lonely.out], [1, ""]);
      assert.match(lonely.err, /no daemon listens here; is it running\?\n$/);
    }),
  );

  test("a reader of the log that goes away costs lines, not the daemon", async () => {
    const daemon = start(["serve", "--ctl", "none"]);
    await daemon.said("rtpferry");
    daemon.child.stdout?.destroy();
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(daemon.child.exitCode, null);
    daemon.child.kill("SIGTERM");
    assert.deepEqual([(await daemon.ended).code, (await daemon.ended).err], [0, ""]);
  });
});
