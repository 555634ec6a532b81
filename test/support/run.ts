/**
 * Runs the tests and closes with the line `N passed, N failed`.
 *
 * `node build/test/support/run.js [folder ...]`: the pure tests (test/unit) share one process; every other file gets
 * a process of its own with a deadline, because native code and sockets are involved there. Where there is more than
 * one processor, two lanes run beside each other: pure tests beside those over loopback, which share its ports and wait
 * for each other; and two of interop, which have networks of their own and listen to speech most of the time.
 */
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { availableParallelism, constants, setPriority } from "node:os";
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

/** Files that share a process. */
interface Group {
  readonly files: readonly string[];
  readonly limitMs: number;
  /** Pure tests wait for nothing: those beside them, which do, come first. */
  readonly isPure: boolean;
}

/** Gives what is to be run next, until there is nothing left. */
type Lane = () => Group | undefined;

function testFiles(folder: string): string[] {
  return readdirSync(join(testRoot, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.js"))
    .map((name) => join(testRoot, folder, name))
    .sort();
}

function groupsOf(folder: string): Group[] {
  const files = testFiles(folder);
  const isPure = folder.startsWith("unit");
  const limitMs = limitMsOf(folder);
  if (!isPure) return files.map((file) => ({ files: [file], limitMs, isPure }));
  return files.length === 0 ? [] : [{ files, limitMs, isPure }];
}

/** Sets of lanes: one set after the other, the lanes of a set beside each other. */
function lanesOf(folders: readonly string[]): readonly (readonly Lane[])[] {
  const oneByOne = (groups: Group[]): Lane => groups.shift.bind(groups);
  if (folders.length === 0) return [[oneByOne(groupsOf("unit")), oneByOne(groupsOf("integration"))]];
  return folders.map((folder) => {
    const groups = groupsOf(folder);
    if (folder !== "interop") return [oneByOne(groups)];
    // From both ends, so that those that start the same programs, which have the same names, seldom meet.
    return [oneByOne(groups), groups.pop.bind(groups)];
  });
}

/** Shows what the files say as they say it, or, beside others, when they are done. */
function runChild({ files, limitMs, isPure }: Group, isBesideOthers: boolean): Promise<Outcome> {
  const name =
    files.length === 1 ? relative(testRoot, files[0] ?? "") : `${files.length} files of pure tests`;
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ["--enable-source-maps", "--expose-gc", childScript, ...files], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    if (isBesideOthers && isPure && child.pid !== undefined) {
      setPriority(child.pid, constants.priority.PRIORITY_BELOW_NORMAL);
    }
    let output = "";
    const kept: Buffer[] = [];
    const show = (chunk: Buffer): void => {
      if (isBesideOthers) kept.push(chunk);
      else process.stdout.write(chunk);
    };
    let verdict: string | undefined;
    const kill = (why: string): void => {
      verdict = why;
      child.kill("SIGKILL");
    };
    const deadline = setTimeout(() => kill(`took longer than ${limitMs} ms`), limitMs);
    let linger: NodeJS.Timeout | undefined;
    child.stderr.on("data", show);
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      show(chunk);
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
        show(Buffer.from(`FAIL ${name}: ${verdict}\n`));
      }
      process.stdout.write(Buffer.concat(kept));
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

const sum: Outcome = { passed: 0, failed: 0 };

async function runLane(next: Lane, isBesideOthers: boolean): Promise<void> {
  for (let group = next(); group !== undefined; group = next()) {
    const outcome = await runChild(group, isBesideOthers);
    sum.passed += outcome.passed;
    sum.failed += outcome.failed;
  }
}

for (const lanes of lanesOf(process.argv.slice(2))) {
  if (lanes.length > 1 && availableParallelism() > 1) {
    await Promise.all(lanes.map((lane) => runLane(lane, true)));
  } else {
    for (const lane of lanes) await runLane(lane, false);
  }
}
process.stdout.write(`\n${sum.passed} passed, ${sum.failed} failed\n`);
process.exitCode = sum.failed === 0 && sum.passed > 0 ? 0 : 1;
