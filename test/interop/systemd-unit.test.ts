/**
 * The unit's own command, under as many of its properties as can be had here, with a call through it.
 *
 * Where systemd runs the machine it starts the command with the unit's properties. Elsewhere (containers, CI machines
 * without systemd) the user, the capabilities, no-new-privileges, the descriptor limit, the mask and a read-only file
 * system are set by other means; what is left untried then is said in the output.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, chownSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { playCall, type StartRelay } from "../../src/demo/call.ts";
import { suite } from "../support/suite.ts";
import { projectRoot } from "./lab/project-root.ts";

const nobody = 65_534;
const callSeconds = 2;
const root = projectRoot();
const unit = readFileSync(join(root, "systemd", "rtpferry.service"), "utf8");

function property(name: string): string {
  const value = new RegExp(`^${name}=(.*)$`, "m").exec(unit)?.[1];
  assert.ok(value !== undefined, `the unit sets ${name}`);
  return value;
}

/** All properties of [Service] that say under what the command runs. */
function sandboxProperties(): readonly string[] {
  const service = unit.slice(unit.indexOf("[Service]"), unit.indexOf("[Install]"));
  const lines = service.split("\n").filter((line) => /^[A-Z][A-Za-z]+=/.test(line));
  return lines.filter(
    (line) => !/^(ExecStart|Type|NotifyAccess|Restart|RestartSec|RestartPrevent|Watchdog|Runtime)/.test(line),
  );
}

function isSystemdHere(): boolean {
  return readFileSync("/proc/1/comm", "utf8").trim() === "systemd";
}

/** The unit's ExecStart with this checkout and a configuration of its own in place of the installed ones. */
function command(installed: string, configFile: string): readonly string[] {
  return property("ExecStart")
    .replace("/usr/bin/node", process.execPath)
    .replace("/opt/rtpferry", installed)
    .replace("/etc/rtpferry/rtpferry.toml", configFile)
    .split(" ");
}

/** A copy that any user may read, as an installed tree is; a checkout often is not. */
function install(folder: string): string {
  const installed = join(folder, "installed");
  const isTool = (path: string): boolean =>
    /node_modules\/(typescript|@typescript|@biomejs)(\/|$)/.test(path);
  for (const part of ["dist", "node_modules", "package.json"]) {
    cpSync(join(root, part), join(installed, part), { recursive: true, filter: (path) => !isTool(path) });
  }
  chmodSync(folder, 0o755);
  return installed;
}

function start(words: readonly string[], runtimeDirectory: string): ChildProcess {
  const environment = {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    RUNTIME_DIRECTORY: runtimeDirectory,
  };
  if (isSystemdHere()) {
    const properties = sandboxProperties().flatMap((line) => ["-p", line]);
    return spawn("systemd-run", ["--pipe", "--wait", "--quiet", ...properties, ...words], {
      stdio: ["ignore", "pipe", "inherit"],
    });
  }
  console.log(
    "systemd is not process 1 here: Protect*, Private*, Restrict* and the watchdog of the unit stay untried",
  );
  const files = property("LimitNOFILE");
  const shell = [
    "mount --make-rprivate / && mount -o bind,ro / /",
    `umask ${property("UMask")}`,
    `ulimit -n ${files} 2>/dev/null || ulimit -n $(ulimit -H -n)`,
    'exec "$0" "$@"',
  ].join("; ");
  const rights = [
    "setpriv",
    `--reuid=${nobody}`,
    `--regid=${nobody}`,
    "--clear-groups",
    "--no-new-privs",
    `--bounding-set=-all,${capabilities("CapabilityBoundingSet")}`,
    `--inh-caps=-all,${capabilities("AmbientCapabilities")}`,
    `--ambient-caps=-all,${capabilities("AmbientCapabilities")}`,
  ];
  const all = ["-m", "sh", "-c", shell, ...rights, ...words];
  return spawn("unshare", all, { stdio: ["ignore", "pipe", "inherit"], env: environment });
}

/** As setpriv has them. */
function capabilities(name: string): string {
  const words = property(name).split(" ");
  return words.map((word) => `+${word.replace("CAP_", "").toLowerCase()}`).join(",");
}

/** What it says when it is up. */
async function untilReady(child: ChildProcess): Promise<string> {
  let output = "";
  return new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`the unit's command ended with ${code}: ${output}`)));
    child.stdout?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes("is up")) resolve(output);
    });
  });
}

async function stop(child: ChildProcess): Promise<number | null> {
  const ended = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  child.kill("SIGTERM");
  return ended;
}

suite("systemd unit", (test) => {
  test("no property that keeps the engine from writing code", () => {
    assert.ok(!/^MemoryDenyWriteExecute=/m.test(unit));
    assert.ok(!/^SystemCallFilter=/m.test(unit));
  });

  test(
    "a call flows through the unit's command",
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "rtpferry-unit-"));
      chownSync(folder, nobody, nobody);
      const exits: (number | null)[] = [];
      const startRelay: StartRelay = async (ng) => {
        const configFile = join(folder, "rtpferry.toml");
        const lines = [
          `listen-ng = "${ng.ip}:${ng.port}"`,
          'listen-rtpproxy = "none"',
          "port-min = 41002",
          "port-max = 41101",
        ];
        writeFileSync(configFile, `${lines.join("\n")}\nctl = "none"\n`, { mode: 0o644 });
        const child = start(command(install(folder), configFile), folder);
        assert.match(await untilReady(child), /sending in batches/, "the one capability is there");
        return { stop: async () => void exits.push(await stop(child)) };
      };
      const told: string[] = [];
      await playCall(startRelay, (line) => told.push(line), callSeconds);
      rmSync(folder, { recursive: true });
      const [alice = "", bob = ""] = [
        /alice: sent (\d+), hears (\d+), lost (\d+)/,
        /bob: sent (\d+), hears (\d+), lost (\d+)/,
      ].map((pattern) =>
        told.map((line) => pattern.exec(line)?.slice(1).join(" ")).findLast((found) => found !== undefined),
      );
      for (const phone of [alice, bob]) {
        const [sent = 0, hears = 0, lost = 1] = phone.split(" ").map(Number);
        assert.ok(sent >= 90 && hears >= 90, `flows: ${told.at(-2)}`);
        assert.equal(lost, 0);
      }
      assert.deepEqual(exits, [0], "SIGTERM ends it cleanly");
    },
    { timeoutMs: 30_000 },
  );
});
