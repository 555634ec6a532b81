import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { platform, tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/io/clock.ts";
import { ListenError } from "../../src/io/listen.ts";
import { createLogger } from "../../src/io/log.ts";
import { writePidfile } from "../../src/io/pidfile.ts";
import { watchProcess } from "../../src/io/process-stats.ts";
import { systemRandom } from "../../src/io/random.ts";
import { openSystemdNotifier } from "../../src/io/sd-notify.ts";
import { compiled } from "../support/repository.ts";
import { suite } from "../support/suite.ts";

suite("io/log", (test) => {
  test("one JSON object a line, below the level nothing", () => {
    const lines: string[] = [];
    const log = createLogger("info", (line) => lines.push(line));
    log.debug({}, "quiet");
    log.info({ event: "call-end", callId: "a\nb\u001b[2J", missing: undefined }, "call ended");
    assert.equal(lines.length, 1);
    assert.match(lines[0] ?? "", /^[\x20-\x7e]+\n$/);
    const { time, ...rest } = JSON.parse(lines[0] ?? "");
    assert.deepEqual(rest, { level: "info", event: "call-end", callId: "a\nb\u001b[2J", msg: "call ended" });
    assert.ok(Math.abs(Date.parse(time) - Date.now()) < 5_000);
    createLogger("silent", (line) => lines.push(line)).error({}, "x");
    assert.equal(lines.length, 1);
  });
});

suite("io/clock and random", (test) => {
  test("monotonic time is that of the process, with a fraction", () => {
    const before = Number(process.hrtime.bigint()) / 1e6;
    const now = systemClock.monotonicMs();
    const after = Number(process.hrtime.bigint()) / 1e6;
    assert.ok(now >= before - 0.01 && now <= after + 0.01);
    assert.ok(Math.abs(systemClock.unixMs() - Date.now()) < 1_000);
  });

  test("random numbers stay below their limit and differ", () => {
    assert.equal(systemRandom.below(1), 0);
    for (const limit of [2, 3, 1_000, 2 ** 32]) {
      const values = Array.from({ length: 200 }, () => systemRandom.below(limit));
      assert.ok(values.every((value) => Number.isInteger(value) && value >= 0 && value < limit));
      assert.ok(new Set(values).size > 1);
    }
    assert.equal(systemRandom.bytes(16).length, 16);
    assert.notDeepEqual(systemRandom.bytes(16), systemRandom.bytes(16));
  });
});

suite("io/process-stats", (test) => {
  test("a blocked main thread shows, once", async () => {
    const stats = watchProcess();
    await new Promise((resolve) => setTimeout(resolve, 60));
    stats.read();
    await new Promise((resolve) => setTimeout(resolve, 60));
    const until = systemClock.monotonicMs() + 150;
    while (systemClock.monotonicMs() < until);
    await new Promise((resolve) => setTimeout(resolve, 60));
    const { loopDelayMs, residentBytes, cpuUserMs } = stats.read();
    stats.close();
    assert.ok(loopDelayMs.max >= 100, String(loopDelayMs.max));
    assert.ok(loopDelayMs.p50 <= loopDelayMs.p99 && loopDelayMs.p99 <= loopDelayMs.max);
    assert.ok(residentBytes > 10_000_000 && cpuUserMs > 0);
  });
});

suite("io/pidfile", (test) => {
  const folder = mkdtempSync(join(tmpdir(), "rtpferry-pid-"));
  const path = join(folder, "pid");
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

  test("it holds our id and goes with us, but not when somebody else took it", () => {
    const remove = writePidfile(path);
    assert.equal(readFileSync(path, "utf8"), `${process.pid}\n`);
    remove();
    assert.equal(existsSync(path), false);
    const removeOther = writePidfile(path);
    writeFileSync(path, "1\n");
    removeOther();
    assert.equal(readFileSync(path, "utf8"), "1\n");
  });

  test("a living process keeps its file, a dead one's is taken, another file is left alone", () => {
    assert.throws(() => writePidfile(path), { message: /^pidfile .*: process 1 is alive/ });
    writeFileSync(path, "2147480000\n");
    writePidfile(path)();
    writeFileSync(path, "precious");
    assert.throws(() => writePidfile(path), ListenError);
    assert.equal(readFileSync(path, "utf8"), "precious");
  });
});

if (platform() === "linux") {
  suite("io/sd-notify", (test) => {
    for (const address of [
      join(tmpdir(), `rtpferry-notify-${process.pid}`),
      `@rtpferry-notify-${process.pid}`,
    ]) {
      test(`systemd hears ready, alive and stopping on ${address[0] === "@" ? "an abstract" : "a file"} socket`, async () => {
        const receiver = await openReceiver(address);
        const systemd = await openSystemdNotifier({ NOTIFY_SOCKET: address, WATCHDOG_USEC: "10000000" });
        assert.equal(systemd.watchdogMs, 10_000);
        systemd.ready("up\non port 1");
        systemd.alive();
        systemd.stopping();
        const heard = [receiver.receive(), receiver.receive(), receiver.receive()];
        receiver.close();
        assert.deepEqual(heard, ["READY=1\nSTATUS=up on port 1", "WATCHDOG=1", "STOPPING=1"]);
        // Nobody listens any more: that is systemd's matter, not ours.
        systemd.alive();
      });
    }

    test("serve tells ready, feeds the watchdog, and tells that it stops", async () => {
      const address = `@rtpferry-serve-${process.pid}`;
      const receiver = await openReceiver(address);
      const program = compiled("test/integration/support/stub-program.ts");
      const daemon = spawn(process.execPath, [program, "serve", "--ctl", "none"], {
        env: { NOTIFY_SOCKET: address, WATCHDOG_USEC: "150000" },
        stdio: "ignore",
      });
      const ended = new Promise<number | null>((resolve) => daemon.on("close", resolve));
      const heard: string[] = [];
      while (heard.filter((message) => message === "WATCHDOG=1").length < 3) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        const message = receiver.receive();
        if (message !== "") heard.push(message);
      }
      daemon.kill("SIGTERM");
      assert.equal(await ended, 0);
      for (let message = receiver.receive(); message !== ""; message = receiver.receive())
        heard.push(message);
      receiver.close();
      assert.match(heard[0] ?? "", /^READY=1\nSTATUS=rtpferry .* is up \(stub\)$/);
      assert.equal(heard.at(-1), "STOPPING=1");
    });

    test("without systemd nothing happens, and another process's watchdog is not ours", async () => {
      const nobody = await openSystemdNotifier({});
      assert.equal(nobody.watchdogMs, undefined);
      nobody.ready("x");
      for (const environment of [
        { WATCHDOG_USEC: "1000", WATCHDOG_PID: "1" },
        { WATCHDOG_USEC: "0" },
        { WATCHDOG_USEC: "soon" },
        {},
      ]) {
        const systemd = await openSystemdNotifier({ NOTIFY_SOCKET: "/nowhere/notify", ...environment });
        assert.equal(systemd.watchdogMs, undefined);
        systemd.ready("x");
      }
      const long = await openSystemdNotifier({ NOTIFY_SOCKET: `/${"x".repeat(200)}` });
      long.alive();
    });
  });
}

/** A datagram socket in systemd's place; node: modules have none. */
async function openReceiver(path: string): Promise<{ receive(): string; close(): void }> {
  const { default: koffi } = await import("koffi");
  const library = koffi.load(null);
  const socket = library.func("int socket(int, int, int)");
  const bind = library.func("int bind(int, const void *, uint32_t)");
  const recv = library.func("long recv(int, void *, size_t, int)");
  const close = library.func("int close(int)");
  const isAbstract = path.startsWith("@");
  const address = Buffer.from(`\u0001\u0000${path}${isAbstract ? "" : "\u0000"}`);
  if (isAbstract) address[2] = 0;
  const descriptor = socket(1, 2, 0);
  assert.equal(bind(descriptor, address, address.length), 0);
  const dontWait = 0x40;
  return {
    receive: () => {
      const buffer = Buffer.alloc(256);
      const sizeBytes = recv(descriptor, buffer, buffer.length, dontWait);
      return buffer.toString("utf8", 0, Math.max(0, sizeBytes));
    },
    close: () => {
      close(descriptor);
      if (!isAbstract) rmSync(path, { force: true });
    },
  };
}
