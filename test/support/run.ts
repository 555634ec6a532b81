/**
 * Runs the tests and closes with the line `N passed, N failed`.
 *
 * `node build/test/support/run.js [folder ...]`: the pure tests (test/unit) share one process; every other file gets
 * a process of its own with a deadline, one after the other, because native code and sockets are involved there.
 */
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { fuzzRuns } from "./fuzz-runs.ts";

const testRoot = dirname(dirname(fileURLToPath(import.meta.url)));
const childScript = join(testRoot, "support", "run-files.js");
/** At night, with more generated cases, everything may take longer. */
const deadlineMs = { shared: fuzzRuns(300_000), single: fuzzRuns(240_000) };
/** Mutations run beside other tests, with what those leave of the processor. */
const asideDeadlineMs = 600_000;
const lingerMs = 3_000;

interface Outcome {
  passed: number;
  failed: number;
}

function testFiles(folder: string): string[] {
  return readdirSync(join(testRoot, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.js"))
    .map((name) => join(testRoot, folder, name))
    .sort();
}

function runChild(files: readonly string[], limitMs: number): Promise<Outcome> {
  const name =
    files.length === 1 ? relative(testRoot, files[0] ?? "") : `${files.length} files of pure tests`;
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ["--enable-source-maps", "--expose-gc", childScript, ...files], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    let verdict: string | undefined;
    const kill = (why: string): void => {
      verdict = why;
      child.kill("SIGKILL");
    };
    const deadline = setTimeout(() => kill(`took longer than ${limitMs} ms`), limitMs);
    let linger: NodeJS.Timeout | undefined;
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      process.stdout.write(chunk);
      if (linger === undefined && /\n {2}Skipped: +\d+/.test(output)) {
        linger = setTimeout(() => kill("left handles open after its last test"), lingerMs);
      }
    });
    child.on("close", (code, signal) => {
      clearTimeout(deadline);
      clearTimeout(linger);
      const outcome = readSummary(output);
      if (verdict === undefined && signal !== null) verdict = `ended by ${signal}`;
      if (verdict === undefined && code !== 0 && outcome.failed === 0) verdict = `exit code ${code}`;
      if (verdict === undefined && outcome.passed + outcome.failed === 0) verdict = "ran no test";
      if (verdict !== undefined) {
        outcome.failed++;
        process.stdout.write(`FAIL ${name}: ${verdict}\n`);
      }
      resolve(outcome);
    });
  });
}

function readSummary(output: string): Outcome {
  const total = Number(/\n {2}Total: +(\d+)/.exec(output)?.[1] ?? 0);
  const passed = Number(/\n {2}Passed: +(\d+)/.exec(output)?.[1] ?? 0);
  return { passed, failed: total - passed };
}

function limitMsOf(folder: string): number {
  if (folder === "mutation") return asideDeadlineMs;
  return folder.startsWith("unit") ? deadlineMs.shared : deadlineMs.single;
}

const folders = process.argv.slice(2);
const sum: Outcome = { passed: 0, failed: 0 };
for (const folder of folders.length > 0 ? folders : ["unit", "integration"]) {
  const files = testFiles(folder);
  const groups = folder.startsWith("unit") ? [files] : files.map((file) => [file]);
  for (const group of groups) {
    if (group.length === 0) continue;
    const outcome = await runChild(group, limitMsOf(folder));
    sum.passed += outcome.passed;
    sum.failed += outcome.failed;
  }
}
process.stdout.write(`\n${sum.passed} passed, ${sum.failed} failed\n`);
process.exitCode = sum.failed === 0 && sum.passed > 0 ? 0 : 1;
