/**
 * House rules that the linter cannot see. `node scripts/check-tidy.mjs [folder]` prints one line a finding and fails
 * if there is one; the folder is the repository's root unless a test names another.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const root = process.argv[2] ?? dirname(dirname(fileURLToPath(import.meta.url)));
const self = "scripts/check-tidy.mjs";
const notOurs = new Set([".git", ".cache", "node_modules", "dist", "build"]);

/** Rooms of src/ from the lowest tier to the highest; a room imports lower tiers alone, and type contracts listed below. */
const tiers = [
  ["core"],
  ["stun", "sdp", "rtp"],
  ["handover", "srtp", "ice", "turn"],
  ["relay", "call"],
  ["control", "state", "telemetry", "io", "config"],
  ["daemon"],
  ["demo"],
  ["cli"],
];
const tierOf = (room) => tiers.findIndex((rooms) => rooms.includes(room));

/** Which npm package may be imported where. */
const packageHomes = {
  koffi: /^(src\/io\/linux|bench|test\/(integration|interop))\//,
  "smol-toml": /^(src|test\/unit)\/config\//,
  commander: /^src\/cli(\/|\.ts)/,
  pino: /^src\/io\//,
  "prom-client": /^src\/telemetry\//,
  "fast-check": /^test\//,
  uvu: /^test\/support\//,
  "playwright-core": /^test\/interop\/lab\//,
};

/** Written so that this file does not find itself. */
const banned = [
  [/\b(FIX(?=ME)ME|TO(?=DO)DO)\b/, "says what is left to do; do it, or write it into an issue", /./],
  [/Math\.random/, "Math.random: take core's Random", /^src\/(?!io\/)/],
  [/(^|[\s"'`(])\/work\//, "names a path of one machine", /./],
  [/[^\P{Cc}\t]|\p{Cf}/u, "holds a control character", /./],
];

const findings = [];
const report = (file, line, message) => findings.push(`${file}:${line}: ${message}`);

const files = listFiles();
for (const file of files) {
  const text = readFileSync(join(root, file), "utf8");
  if (text.includes("\ufffd") || file === "package-lock.json") continue;
  const lines = text.split("\n");
  for (const [index, line] of lines.entries()) {
    for (const [pattern, message, where] of banned) {
      if (where.test(file) && pattern.test(line)) report(file, index + 1, message);
    }
    if (/^src\/.*\.ts$/.test(file)) checkImport(file, index + 1, line);
    else if (/^(test|bench)\/.*\.ts$/.test(file)) checkPackage(file, index + 1, line);
  }
  if (/^src\/.*\.ts$/.test(file)) checkCitations(file, lines);
  if (file.endsWith(".md")) checkLinks(file, lines);
}
checkLockfile();

for (const finding of findings) process.stdout.write(`${finding}\n`);
process.stdout.write(`${files.length} files, ${findings.length} findings\n`);
process.exitCode = findings.length === 0 ? 0 : 1;

/** All files but what is installed or built; no pictures and captures. */
function listFiles(folder = "") {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const name = `${folder}${entry.name}`;
    if (entry.isDirectory()) return notOurs.has(name) ? [] : listFiles(`${name}/`);
    return entry.isFile() && name !== self && !/\.(png|jpg|pcap|bin|wav|gsm|log)$/.test(name) ? [name] : [];
  });
}

function importedBy(line) {
  return /(?:^(?:import|export|\}) .*?from |^import |\bimport\()["']([^"']+)["']/.exec(line)?.[1];
}

function checkImport(file, at, line) {
  const target = importedBy(line);
  if (target === undefined) return;
  if (!target.startsWith(".")) return checkPackage(file, at, line);
  const [from, to] = [file, normalize(join(dirname(file), target))].map((path) =>
    path
      .replace(/^src\//, "")
      .split("/")[0]
      .replace(/\.ts$/, ""),
  );
  if (from === to) return;
  const [tierFrom, tierTo] = [tierOf(from), tierOf(to)];
  if (tierFrom < 0 || tierTo < 0) report(file, at, `${tierFrom < 0 ? from : to} is no room of the house`);
  else if (tierFrom <= tierTo) report(file, at, `${from} may not import ${to}`);
  else if (to === "config" && !["cli", "daemon", "demo"].includes(from))
    report(file, at, "config is for cli and daemon");
}

function checkPackage(file, at, line) {
  const target = importedBy(line);
  if (target === undefined || target.startsWith(".") || target.startsWith("node:")) return;
  const name = target
    .split("/")
    .slice(0, target.startsWith("@") ? 2 : 1)
    .join("/");
  if (!packageHomes[name]?.test(file)) report(file, at, `${name} may not be imported here`);
}

/** An RFC is cited with its section; a comment is read as one, and a file's head may name the whole of it. */
function checkCitations(file, lines) {
  const comment = /^\s*(\/\*\*?|\*|\/\/)/;
  for (const [index, line] of lines.entries()) {
    if (!/\bRFC \d{4}/.test(line)) continue;
    let [first, last] = [index, index];
    while (first > 0 && comment.test(lines[first - 1])) first--;
    while (comment.test(lines[last + 1] ?? "")) last++;
    const block = lines.slice(first, last + 1).join(" ");
    if (first === 0) continue;
    if (!/\b(section|sections|appendix|figure|registry|table)\b/i.test(block))
      report(file, index + 1, "cites an RFC without its section");
  }
}

function checkLinks(file, lines) {
  for (const [index, line] of lines.entries()) {
    for (const [, target] of line.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      if (!existsSync(join(root, dirname(file), target)))
        report(file, index + 1, `links to ${target}, which is not there`);
    }
  }
}

/** The lockfile works with any registry, and on every platform its packages name. */
function checkLockfile() {
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  for (const [path, entry] of Object.entries(packages)) {
    if (entry.resolved !== undefined) report("package-lock.json", 1, `${path} is bound to one registry`);
    for (const name of Object.keys(entry.optionalDependencies ?? {})) {
      if (packages[`node_modules/${name}`] === undefined)
        report("package-lock.json", 1, `${name} is missing: npm ci fails`);
    }
  }
}
