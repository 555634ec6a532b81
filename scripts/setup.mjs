/**
 * What `npm start` and `npm test` need before they can begin: packages installed, sources compiled.
 *
 * Plain JavaScript on node: modules alone, because it runs on a fresh clone. Everything it does is skipped when
 * nothing changed since it was last done; stamps are written last, so an interrupted run starts over.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

const lockFile = join(root, ".cache", "setup.lock");
const installStamp = join(root, "node_modules", ".rtpferry-installed");
const lockPollMs = 200;
const lockWaitMs = 300_000;

/** @param {{ readonly tests: boolean }} wanted the daemon in dist/, or with the tests in build/ */
export async function setUp({ tests }) {
  checkNode();
  const output = tests ? "build" : "dist";
  if (isInstalled() && isBuilt(output)) return;
  await withLock(async () => {
    if (!isInstalled()) await install();
    if (!isBuilt(output)) await build(output);
  });
}

/** Runs a command with its output on stderr, where set-up talk belongs; ends it when this process is ended. */
export function run(command, args, { env = process.env, stdio = ["ignore", 2, 2] } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, env, stdio });
    const forward = (signal) => child.kill(signal);
    for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, forward);
    const done = (code, signal) => {
      for (const name of ["SIGINT", "SIGTERM"]) process.off(name, forward);
      resolve({ code, signal });
    };
    child.on("error", (error) => {
      process.stderr.write(`rtpferry: cannot run ${command}: ${error.message}\n`);
      done(127, null);
    });
    child.on("close", done);
  });
}

/** Ends with one line and, if the cause was a signal, by that signal's exit code. */
export function fail(message, { code = 1, signal = null } = {}) {
  process.stderr.write(`rtpferry: ${message}\n`);
  releaseLock();
  process.exit(signal === "SIGINT" ? 130 : signal === "SIGTERM" ? 143 : code || 1);
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  fail(`Node ${process.versions.node} is too old: 20.19 or newer is needed`);
}

const installDigest = digest([readFileSync(join(root, "package-lock.json")), process.platform, process.arch]);

function isInstalled() {
  return readText(installStamp) === installDigest;
}

async function install() {
  if (!isInstalledByHand()) {
    process.stderr.write("rtpferry: installing packages (npm ci), once\n");
    const [command, ...args] = npmCommand();
    const env = { ...process.env, ...npmCache() };
    const flags = ["ci", "--include=dev", "--ignore-scripts", "--no-audit", "--no-fund"];
    const outcome = await run(command, [...args, ...flags], { env });
    if (outcome.code !== 0) fail("npm ci failed; is the package registry reachable?", outcome);
  }
  writeFileSync(installStamp, installDigest);
}

/** Somebody ran npm ci here already: npm's own record holds every package of the lockfile in its version. */
function isInstalledByHand() {
  const record = readText(join(root, "node_modules", ".package-lock.json"));
  if (record === undefined) return false;
  const have = JSON.parse(record).packages;
  const want = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  return Object.entries(want).every(
    ([path, { version, optional }]) =>
      path === "" || have[path]?.version === version || (optional && !have[path]),
  );
}

/** The npm that runs us, or the one of the path. */
function npmCommand() {
  const script = process.env.npm_execpath;
  if (script?.endsWith(".js") && existsSync(script)) return [process.execPath, script];
  return [process.platform === "win32" ? "npm.cmd" : "npm"];
}

/** npm wants to write its cache; where home is read-only it gets a place of ours. */
function npmCache() {
  const usual = process.env.npm_config_cache ?? join(homedir(), ".npm");
  if (isWritable(usual)) return {};
  return { npm_config_cache: join(root, ".cache", "npm"), npm_config_logs_max: "0" };
}

function isWritable(folder) {
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function isBuilt(output) {
  return readText(join(root, output, ".stamp")) === buildDigest(output);
}

function buildDigest(output) {
  const sources = sourceFolders(output).flatMap((folder) => filesBelow(join(root, folder)));
  const settings = readdirSync(root).filter((name) => /^(tsconfig.*|package-lock)\.json$/.test(name));
  return digest([...sources, ...settings.map((name) => join(root, name))].map(identify));
}

function sourceFolders(output) {
  return output === "dist" ? ["src"] : ["src", "test", "bench"];
}

async function build(output) {
  process.stderr.write(`rtpferry: compiling to ${output}/\n`);
  const wanted = buildDigest(output);
  const stamp = join(root, output, ".stamp");
  rmSync(stamp, { force: true });
  const project = output === "dist" ? "tsconfig.build.json" : "tsconfig.test.json";
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  const outcome = await run(process.execPath, [compiler, "-p", project]);
  if (outcome.code !== 0) fail(`${project} does not compile`, outcome);
  for (const folder of sourceFolders(output))
    prune(output === "dist" ? "dist" : join("build", folder), folder);
  writeFileSync(stamp, wanted);
}

/** Removes what was compiled from sources that are gone; a test that no longer exists must not run. */
function prune(output, folder) {
  for (const file of filesBelow(join(root, output))) {
    const name = file.slice(join(root, output).length + 1);
    const source = join(root, folder, name.replace(/\.js(\.map)?$/, ".ts"));
    if (/\.js(\.map)?$/.test(name) && !existsSync(source)) rmSync(file);
  }
}

function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .sort();
}

function identify(path) {
  const { size, mtimeMs } = statSync(path);
  return `${path} ${size} ${mtimeMs}`;
}

function digest(parts) {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part).update("\n");
  return hash.digest("hex");
}

function readText(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

let holdsLock = false;

/** Two starts at once: the second waits. The lock of a process that is gone is taken over. */
async function withLock(work) {
  mkdirSync(dirname(lockFile), { recursive: true });
  const giveUpAt = Date.now() + lockWaitMs;
  while (!takeLock()) {
    if (Date.now() > giveUpAt) fail(`another start holds ${lockFile} for too long`);
    await new Promise((resolve) => setTimeout(resolve, lockPollMs));
  }
  process.once("exit", releaseLock);
  try {
    await work();
  } finally {
    releaseLock();
  }
}

function takeLock() {
  try {
    writeFileSync(lockFile, String(process.pid), { flag: "wx" });
    holdsLock = true;
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
  }
  const owner = Number(readText(lockFile) ?? 0);
  // In containers a lock often survives with the very number that this process has now.
  if (owner === process.pid || (owner > 0 && !isAlive(owner))) rmSync(lockFile, { force: true });
  return false;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

function releaseLock() {
  if (holdsLock) rmSync(lockFile, { force: true });
  holdsLock = false;
}
