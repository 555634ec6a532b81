import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseCidr } from "../../src/core/address-class.ts";
import { type ListenSpec, parseListenSpec } from "../../src/core/listen-spec.ts";
import { silentLogger } from "../../src/core/log.ts";
import type { ControlHandler, ControlListener, ControlOrigin } from "../../src/io/control/contract.ts";
import { ControlGuard } from "../../src/io/control/guard.ts";
import { openControlListener } from "../../src/io/control/listener.ts";
import { hasRoom } from "../../src/io/control/stream-listener.ts";
import { suite } from "../support/suite.ts";

const folder = mkdtempSync(join(tmpdir(), "rtpferry-control-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

let pathsMade = 0;
function freshPath(): string {
  return join(folder, `${++pathsMade}.sock`);
}

function spec(text: string): ListenSpec {
  const result = parseListenSpec(text);
  if (!result.ok) throw new Error(result.reason);
  return result.value;
}

function guard(...ranges: readonly string[]): ControlGuard {
  return new ControlGuard(
    ranges.map((text) => {
      const cidr = parseCidr(text);
      if (cidr === undefined) throw new Error(text);
      return cidr;
    }),
  );
}

const loopback = (): ControlGuard => guard("127.0.0.0/8", "::1/128");

/** Answers with what it heard; a line that starts with `later` after a moment, `big` with much. */
const echo: ControlHandler = {
  onMessage: (bytes, from) => {
    const text = Buffer.from(bytes).toString("latin1");
    const reply = Buffer.from(`<${text}>\n`, "latin1");
    if (text.startsWith("later")) setTimeout(() => from.reply(reply), 50);
    else if (text.startsWith("big")) from.reply(Buffer.alloc(64 * 1024, "x"));
    else if (text.startsWith("mute")) return;
    else from.reply(reply);
  },
};

function open(text: string, who = loopback(), handler: ControlHandler = echo): Promise<ControlListener> {
  return openControlListener(spec(text), { guard: who, handler, log: silentLogger });
}

async function askUdp(
  port: number,
  text: string,
  host = "127.0.0.1",
  waitMs = 1000,
): Promise<string | undefined> {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  try {
    // Connected: only what comes from the address asked gets through.
    socket.connect(port, host);
    await once(socket, "connect");
    socket.send(text);
    const answer = once(socket, "message").then(([bytes]) => (bytes as Buffer).toString("latin1"));
    return await Promise.race([answer, delay(waitMs).then(() => undefined)]);
  } finally {
    socket.close();
  }
}

type Target = { readonly path: string } | { readonly host: string; readonly port: number };

async function dial(target: Target): Promise<Socket> {
  const socket = connect(target);
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

/** Closed, for whatever reason. */
function gone(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

/** All that comes until the other side closes. */
async function readAll(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
  });
  await gone(socket);
  return text;
}

async function readUntil(socket: Socket, isEnough: (text: string) => boolean): Promise<string> {
  let text = "";
  return new Promise((resolve) => {
    const onData = (chunk: Buffer): void => {
      text += chunk.toString("latin1");
      if (!isEnough(text)) return;
      socket.off("data", onData);
      resolve(text);
    };
    socket.on("data", onData);
  });
}

function portOf(listener: ControlListener): number {
  const [endpoint] = listener.endpoints;
  assert.ok(endpoint !== undefined && endpoint.port > 0);
  return endpoint.port;
}

suite("io/control listeners", (test) => {
  test("udp: a datagram in, a datagram out, from the socket that was asked", async () => {
    const listener = await open("udp:127.0.0.1:0");
    assert.equal(await askUdp(portOf(listener), "1 V\xff"), "<1 V\xc3\xbf>\n");
    await listener.close();
  });

  test("udp6", async () => {
    const listener = await open("udp6:[::1]:0");
    assert.equal(await askUdp(portOf(listener), "1 V", "::1"), "<1 V>\n");
    await listener.close();
  });

  test("udp: a wildcard is one socket for each address, and each answers for itself", async () => {
    const listener = await open("udp:0.0.0.0:0", guard("0.0.0.0/0"));
    const port = portOf(listener);
    assert.ok(listener.endpoints.every((endpoint) => endpoint.port === port));
    const own = Object.values(networkInterfaces())
      .flatMap((list) => list ?? [])
      .filter(({ family }) => family === "IPv4")
      .map(({ address }) => address);
    assert.deepEqual(new Set(listener.endpoints.map(({ ip }) => String(ip))), new Set(own));
    for (const host of own) assert.equal(await askUdp(port, "1 V", host), "<1 V>\n", host);
    await listener.close();
  });

  test("udp: who is not allowed is dropped without a word, and counted", async () => {
    const strict = guard("192.0.2.0/24");
    const listener = await open("udp:127.0.0.1:0", strict);
    assert.equal(await askUdp(portOf(listener), "1 V", "127.0.0.1", 100), undefined);
    assert.equal(strict.refusedCount, 1);
    await listener.close();
  });

  test("udp: a reply after the listener closed is no fault", async () => {
    let from: ControlOrigin | undefined;
    const listener = await open("udp:127.0.0.1:0", loopback(), {
      onMessage: (_, origin) => {
        from = origin;
      },
    });
    await askUdp(portOf(listener), "1 V", "127.0.0.1", 100);
    await listener.close();
    assert.ok(from !== undefined);
    from.reply(Buffer.from("late"));
  });

  test("unix: one command, which nothing ends, one reply, and it closes", async () => {
    const path = freshPath();
    const listener = await open(`unix:${path}`);
    for (const command of ["V", "later U cid\n"]) {
      const socket = await dial({ path });
      socket.write(command);
      assert.equal(await readAll(socket), `<${command}>\n`);
    }
    const silent = await dial({ path });
    silent.end();
    assert.equal(await readAll(silent), "");
    await listener.close();
    assert.equal(existsSync(path), false);
  });

  test("cunix and tcp: lines over one connection, cut anywhere, also the last before the end", async () => {
    const path = freshPath();
    const unix = await open(`cunix:${path}`);
    const tcp = await open("tcp:127.0.0.1:0");
    for (const target of [{ path }, { host: "127.0.0.1", port: portOf(tcp) }]) {
      const socket = await dial(target);
      socket.write("V\nVF 2005");
      assert.equal(await readUntil(socket, (text) => text.endsWith("\n")), "<V>\n");
      await delay(10);
      socket.write("0322\r\n\nlater X\n");
      socket.end();
      assert.equal(await readAll(socket), "<VF 20050322\r>\n<>\n<later X>\n");
    }
    await unix.close();
    await tcp.close();
  });

  test("tcp: a line beyond the limit ends the connection; a reply nobody reads too", async () => {
    const listener = await open("tcp:127.0.0.1:0");
    const target = { host: "127.0.0.1", port: portOf(listener) };
    const long = await dial(target);
    long.write(`${"x".repeat(9000)}`);
    assert.equal(await readAll(long), "");
    const fits = await dial(target);
    fits.write(`${"x".repeat(8000)}\n`);
    assert.equal((await readUntil(fits, (text) => text.endsWith("\n"))).length, 8003);
    fits.destroy();
    const deaf = await dial(target);
    deaf.pause();
    const closed = gone(deaf);
    deaf.write("big\n".repeat(2000));
    // Paused sockets see the reset when they write on.
    const pusher = setInterval(() => deaf.write("V\n"), 20);
    await closed;
    clearInterval(pusher);
    await listener.close();
  });

  test("tcp: a stranger's connection is closed and counted", async () => {
    const strict = guard("192.0.2.0/24");
    const listener = await open("tcp:127.0.0.1:0", strict);
    const socket = connect({ host: "127.0.0.1", port: portOf(listener) });
    socket.on("error", () => undefined);
    socket.write("V\n");
    assert.equal(await readAll(socket), "");
    assert.equal(strict.refusedCount, 1);
    await listener.close();
  });

  test("connections beyond the limit are refused, those inside go on", async () => {
    const listener = await open("tcp:127.0.0.1:0");
    const target = { host: "127.0.0.1", port: portOf(listener) };
    const sockets: Socket[] = [];
    for (let count = 0; count < 256; count++) sockets.push(await dial(target));
    const [first] = sockets;
    assert.ok(first !== undefined);
    // The last one was accepted for certain once it is answered.
    const last = sockets.at(-1);
    last?.write("V\n");
    if (last !== undefined) await readUntil(last, (text) => text.endsWith("\n"));
    const beyond = connect(target);
    beyond.on("error", () => undefined);
    assert.equal(await readAll(beyond), "");
    first.write("V\n");
    assert.equal(await readUntil(first, (text) => text.endsWith("\n")), "<V>\n");
    for (const socket of sockets) socket.destroy();
    await listener.close();
  });

  test("each newcomer beyond the limit takes another quiet connection's place", () => {
    const closed: number[] = [];
    const connections = new Set(
      Array.from({ length: 256 }, (_, id) => ({
        quietMs: id < 3 ? 61_000 : 0,
        close: () => closed.push(id),
      })),
    );
    const outcomes = Array.from({ length: 4 }, () => {
      const isAdmitted = hasRoom(connections);
      if (isAdmitted) connections.add({ quietMs: 0, close: () => closed.push(-1) });
      return isAdmitted;
    });
    assert.deepEqual(outcomes, [true, true, true, false]);
    assert.deepEqual(closed, [0, 1, 2]);
    assert.equal(connections.size, 256);
  });

  test("unix: mode and group, a stale file, a living one, and a file that is no socket", async () => {
    const path = freshPath();
    const listener = await open(`unix:${path},mode=0606,group=${process.getgid?.() ?? 0}`);
    assert.equal(statSync(path).mode & 0o777, 0o606);
    await assert.rejects(
      open(`unix:${path}`),
      /^ListenError: control listener unix:.*: already in use by another process$/,
    );
    assert.ok(existsSync(path));
    await listener.close();

    const stale = freshPath();
    const left = createServer();
    left.listen(stale);
    await once(left, "listening");
    // Closing would remove the file; a killed process leaves it behind.
    renameSync(stale, `${stale}.kept`);
    await new Promise((closed) => left.close(closed));
    const again = await open(`cunix:${stale}.kept`);
    const socket = await dial({ path: `${stale}.kept` });
    socket.write("V\n");
    assert.equal(await readUntil(socket, (text) => text.endsWith("\n")), "<V>\n");
    await again.close();

    const file = freshPath();
    writeFileSync(file, "precious");
    await assert.rejects(open(`unix:${file}`), /no socket$/);
    assert.ok(existsSync(file));
    await assert.rejects(open(`unix:${folder}/nowhere/x.sock`), /no such file or directory$/);
    await assert.rejects(open(`unix:${freshPath()},group=no-such-group`), /there is no group no-such-group$/);
  });

  test("a taken port and a missing address are one sentence", async () => {
    for (const kind of ["udp", "tcp"]) {
      const listener = await open(`${kind}:127.0.0.1:0`);
      const text = `${kind}:127.0.0.1:${portOf(listener)}`;
      await assert.rejects(open(text), new RegExp(`control listener ${text}: already in use`));
      await listener.close();
      await assert.rejects(open(`${kind}:192.0.2.123:7722`), /this machine does not have that address$/);
    }
  });

  test("closing ends what is connected", async () => {
    const listener = await open("tcp:127.0.0.1:0");
    const socket = await dial({ host: "127.0.0.1", port: portOf(listener) });
    socket.write("mute\n");
    await delay(20);
    const closed = readAll(socket);
    await listener.close();
    assert.equal(await closed, "");
  });
});
