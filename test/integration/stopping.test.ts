import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compiled } from "../support/repository.ts";
import { suite } from "../support/suite.ts";

const stopMsMax = 5_000;

suite("stopping", (test) => {
  test("a part that cannot be cleared away keeps no other from ending", async () => {
    const folder = mkdtempSync(join(tmpdir(), "rtpferry-stopping-"));
    const ctl = join(folder, "ctl.sock");
    const words = [
      ...["--listen-ng", "127.0.0.1:0", "--listen-rtpproxy", "udp:127.0.0.1:0", "--ctl", ctl],
      ...["--port-min", "43200", "--port-max", "43219", "--workers", "1", "--log-level", "error"],
    ];
    const child = spawn(process.execPath, [compiled("src/cli.ts"), "serve", ...words], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    try {
      let out = "";
      child.stdout.on("data", (chunk) => (out += chunk));
      child.stderr.resume();
      while (!out.includes("  ctl ")) {
        assert.equal(child.exitCode ?? child.signalCode, null);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      rmSync(ctl);
      mkdirSync(ctl);
      const ended = new Promise<string>((resolve) => child.once("close", () => resolve("ended")));
      const late = new Promise<string>((resolve) => setTimeout(resolve, stopMsMax, "hangs").unref());
      child.kill("SIGTERM");
      assert.equal(await Promise.race([ended, late]), "ended");
      assert.notEqual(child.exitCode, 0);
    } finally {
      child.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
