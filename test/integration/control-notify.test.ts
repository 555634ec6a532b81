import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseIp } from "../../src/core/address.ts";
import { notificationsQueuedMax } from "../../src/core/limits.ts";
import { type LogFields, silentLogger } from "../../src/core/log.ts";
import { localAddressTowards } from "../../src/io/control/local-route.ts";
import { TimeoutNotifier } from "../../src/io/control/notify.ts";
import { suite } from "../support/suite.ts";

const folder = mkdtempSync(join(tmpdir(), "rtpferry-notify-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

interface Listener {
  readonly server: Server;
  readonly sockets: Socket[];
  /** Resolves with all text once it has so many lines. */
  lines(count: number): Promise<string>;
}

async function listen(where: string | number): Promise<Listener> {
  let text = "";
  let check = (): void => undefined;
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      check();
    });
  });
  if (typeof where === "string") server.listen(where);
  else server.listen(where, "127.0.0.1");
  await once(server, "listening");
  return {
    server,
    sockets,
    lines: (count) =>
      new Promise((resolve) => {
        check = () => {
          if (text.split("\n").length > count) resolve(text);
        };
        check();
      }),
  };
}

async function close({ server, sockets }: Listener): Promise<void> {
  for (const socket of sockets) socket.destroy();
  await new Promise((done) => server.close(done));
}

suite("io/control notify", (test) => {
  test("tags arrive as lines, over one connection", async () => {
    const path = join(folder, "k.sock");
    const listener = await listen(path);
    const notifier = new TimeoutNotifier(silentLogger);
    for (let count = 0; count < 100; count++) notifier.send(`unix:${path}`, `T1.${count}`);
    const first = await listener.lines(100);
    assert.equal(first, Array.from({ length: 100 }, (_, index) => `T1.${index}\n`).join(""));
    notifier.send(`unix:${path}`, "\xe9");
    assert.ok((await listener.lines(101)).endsWith("T1.99\n\xe9\n"));
    assert.equal(listener.sockets.length, 1);
    notifier.close();
    await close(listener);
  });

  test("a proxy that reads nothing makes us keep what the limit allows, not all", async () => {
    const path = join(folder, "stuck.sock");
    let lineCount = 0;
    const stuck: Socket[] = [];
    const server = createServer({ pauseOnConnect: true }, (socket) => {
      stuck.push(socket);
      socket.on("data", (chunk: Buffer) => (lineCount += chunk.filter((byte) => byte === 0x0a).length));
    });
    server.listen(path);
    await once(server, "listening");
    const notifier = new TimeoutNotifier(silentLogger);
    const tag = "x".repeat(999);
    const sentCount = 5 * notificationsQueuedMax;
    for (let count = 1; count <= sentCount; count++) {
      notifier.send(`unix:${path}`, tag);
      if (count % 256 === 0) await new Promise((done) => setImmediate(done));
    }
    for (const socket of stuck) socket.resume();
    notifier.send(`unix:${path}`, "end");
    await new Promise((done) => setTimeout(done, 300));
    // One queue waits in us and one may be on its way; the kernel has its own buffers.
    assert.ok(
      lineCount >= notificationsQueuedMax && lineCount <= 2.5 * notificationsQueuedMax,
      `${lineCount}`,
    );
    notifier.close();
    for (const socket of stuck) socket.destroy();
    await new Promise((done) => server.close(done));
  });

  test("tcp: a proxy that restarts gets its notification at the second attempt", async () => {
    const before = await listen(0);
    const address = before.server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await close(before);
    const notifier = new TimeoutNotifier(silentLogger);
    notifier.send(`tcp:127.0.0.1:${port}`, "T7");
    const after = await listen(port);
    assert.equal(await after.lines(1), "T7\n");
    notifier.close();
    await close(after);
  });

  test("nobody there: dropped with a warning", async () => {
    const warnings: LogFields[] = [];
    const warned = new Promise<void>((resolve) => {
      const notifier = new TimeoutNotifier({
        ...silentLogger,
        warn: (fields) => {
          warnings.push(fields);
          resolve();
        },
      });
      notifier.send(`unix:${folder}/nobody.sock`, "T1");
      notifier.send(`unix:${folder}/nobody.sock`, "T2");
    });
    // The retry's timer holds no process open; this one does for the test.
    const held = setTimeout(() => undefined, 5_000);
    await warned;
    clearTimeout(held);
    assert.deepEqual(warnings, [{ path: `${folder}/nobody.sock`, droppedCount: 2 }]);
  });

  test("no address, no notification", () => {
    let count = 0;
    const notifier = new TimeoutNotifier({ ...silentLogger, warn: () => count++ });
    for (const socket of ["tcp:example.org:5", "fd:3", ""]) notifier.send(socket, "T1");
    assert.equal(count, 3);
  });

  test("the local address towards a place: its own subnet, else the way out", () => {
    const ip = (text: string) => {
      const value = parseIp(text);
      assert.ok(value !== undefined);
      return value;
    };
    const locals = ["127.0.0.1", "10.0.0.10", "192.0.2.10", "2001:db8::10"].map(ip);
    const subnets = [
      { address: "127.0.0.1", cidr: "127.0.0.1/8" },
      { address: "10.0.0.10", cidr: "10.0.0.10/8" },
      { address: "192.0.2.10", cidr: "192.0.2.10/24" },
      { address: "172.16.0.1", cidr: "172.16.0.1/12" },
      { address: "2001:db8::10", cidr: null },
    ];
    const table: readonly (readonly [string, string])[] = [
      ["127.0.0.7", "127.0.0.1"],
      ["10.9.9.9", "10.0.0.10"],
      ["192.0.2.77", "192.0.2.10"],
      ["172.16.0.9", "10.0.0.10"],
      ["198.51.100.1", "10.0.0.10"],
      ["2001:db8:9::1", "2001:db8::10"],
    ];
    for (const [remote, local] of table)
      assert.equal(localAddressTowards(ip(remote), locals, subnets), local, remote);
    assert.equal(localAddressTowards(ip("::1"), locals.slice(0, 3), subnets), undefined);
  });
});
