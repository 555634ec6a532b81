/**
 * The README's commands on a fresh copy of the repository: packages come from the registry. Run by
 * `node build/test/support/run.js fresh`.
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { repositoryRoot } from "../support/repository.ts";
import { suite } from "../support/suite.ts";

const left = new Set([".git", ".cache", "node_modules", "dist", "build"]);
const nobody = 65_534;
const isRoot = process.getuid?.() === 0;
const timeoutMs = 200_000;

const place = mkdtempSync(join(tmpdir(), "rtpferry fresh "));
const clone = join(place, "a clone");
const home = join(place, "home");
prepare();
process.on("exit", () => rmSync(place, { recursive: true, force: true }));

/** Copies what a clone holds, and makes a home that nobody can write to; root gives up being root for it. */
function prepare(): void {
  cpSync(repositoryRoot, clone, { recursive: true, filter: (source) => !left.has(basename(source)) });
  mkdirSync(home, { mode: 0o555 });
  chmodSync(place, 0o755);
  if (!isRoot) return;
  for (const name of readdirSync(clone, { recursive: true, encoding: "utf8" })) {
    chownSync(join(clone, name), nobody, nobody);
  }
  chownSync(clone, nobody, nobody);
}

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  text(): string;
  said(text: string): Promise<void>;
}

function npm(words: readonly string[], environment: Record<string, string> = {}): Running {
  const child = spawn("npm", words, {
    cwd: clone,
    // biome-ignore lint/style/noProcessEnv: npm is found by the path of this process.
    env: { PATH: process.env["PATH"], HOME: home, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
    ...(isRoot ? { uid: nobody, gid: nobody } : {}),
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output += chunk;
    });
  }
  const ended = new Promise<number | null>((resolve) => child.on("close", (code) => resolve(code)));
  const said = async (text: string): Promise<void> => {
    while (!output.includes(text)) {
      if (child.exitCode !== null) assert.fail(`npm ended with ${child.exitCode}: ${output}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  return { child, ended, text: () => output, said };
}

const serve = ["start", "--", "--listen-ng", "127.0.0.1:0", "--listen-rtpproxy", "none", "--ctl"];
const ready = "rtpengine_sock";

/** Process ids of what runs in the clone. */
function leftovers(): string[] {
  const listing = execFileSync("ps", ["-eo", "pid=,args="], { encoding: "utf8" });
  return listing.split("\n").filter((line) => line.includes("scripts/start.mjs") && line.includes(place));
}

suite("fresh clone", (test) => {
  test(
    "npm start installs, builds and runs: in production, in a path with a space, with a home it cannot write to",
    async () => {
      const ctl = join(clone, "first.sock");
      const first = npm([...serve, ctl], { NODE_ENV: "production" });
      await first.said(ready);
      assert.match(first.text(), /installing packages/);
      assert.match(first.text(), /compiling to dist/);
      assert.equal(existsSync(ctl), true);
      first.child.kill("SIGTERM");
      await first.ended;
      assert.deepEqual(leftovers(), []);
      assert.equal(existsSync(ctl), false);
      assert.deepEqual(readdirSync(home), []);
    },
    { timeoutMs },
  );

  test(
    "the second npm start neither installs nor builds",
    async () => {
      const second = npm([...serve, join(clone, "second.sock")]);
      await second.said(ready);
      assert.doesNotMatch(second.text(), /installing|compiling/);
      second.child.kill("SIGTERM");
      await second.ended;
      assert.deepEqual(leftovers(), []);
    },
    { timeoutMs },
  );

  test(
    "npm test compiles the tests and closes with their count",
    async () => {
      const tests = npm(["test", "--", "unit/config"]);
      assert.equal(await tests.ended, 0, tests.text());
      assert.match(tests.text(), /\n[1-9]\d* passed, 0 failed\n/);
    },
    { timeoutMs },
  );
});
