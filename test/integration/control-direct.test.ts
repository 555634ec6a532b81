/** Control sockets that are read and written by system calls of our own. */
import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { type Endpoint, sameEndpoint } from "../../src/core/address.ts";
import { parseCidr } from "../../src/core/address-class.ts";
import { parseListenSpec } from "../../src/core/listen-spec.ts";
import { silentLogger } from "../../src/core/log.ts";
import type { ControlHandler, ControlListener, ControlOrigin } from "../../src/io/control/contract.ts";
import { ControlGuard } from "../../src/io/control/guard.ts";
import { openControlListener } from "../../src/io/control/listener.ts";
import { type DirectUdp, openDirectUdp } from "../../src/io/direct-udp.ts";
import { suite } from "../support/suite.ts";

const echo: ControlHandler = {
  onMessage: (bytes, from) => from.reply(Buffer.from(`<${Buffer.from(bytes).toString("latin1")}>`, "latin1")),
};

async function open(
  handler = echo,
  port = 0,
  range = "127.0.0.0/8",
  directUdp?: DirectUdp,
): Promise<ControlListener> {
  const spec = parseListenSpec(`udp:127.0.0.1:${port}`);
  const cidr = parseCidr(range);
  assert.ok(spec.ok && cidr !== undefined);
  const guard = new ControlGuard([cidr]);
  return openControlListener(spec.value, {
    guard,
    handler,
    log: silentLogger,
    directUdp: directUdp ?? (await openDirectUdp()),
  });
}

function portOf(listener: ControlListener): number {
  return listener.endpoints[0]?.port ?? 0;
}

async function client(port: number): Promise<{ readonly socket: Socket; readonly heard: string[] }> {
  const socket = createSocket("udp4");
  const heard: string[] = [];
  socket.on("message", (bytes) => heard.push(bytes.toString("latin1")));
  socket.connect(port, "127.0.0.1");
  await once(socket, "connect");
  return { socket, heard };
}

async function until(isDone: () => boolean): Promise<void> {
  for (let waits = 0; waits < 200 && !isDone(); waits++) await delay(10);
}

/** Who asks in `orderOf`. Two differ in their ports alone, two in their addresses. */
const askers: Readonly<Record<string, Endpoint>> = {
  a: { ip: "127.0.0.1" as never, port: 5_060 },
  b: { ip: "127.0.0.1" as never, port: 5_061 },
  c: { ip: "127.0.0.2" as never, port: 5_061 },
};

/**
 * One burst with a datagram of each asker in turn: the order in which they are heard, and are sent replies (in capitals).
 * Replies to `late` come amid the next question, before the reply to that.
 */
async function orderOf(asking: string, late = ""): Promise<string> {
  const direct = await openDirectUdp();
  const unread = [...asking];
  let order = "";
  const directUdp: DirectUdp = {
    bind: (endpoint) => direct.bind(endpoint),
    claim: (descriptor) => direct.claim(descriptor),
    send: (_descriptor, _bytes, target) => {
      order += nameOf(target).toUpperCase();
      return true;
    },
    receive: () => {
      const name = unread.shift();
      return name === undefined ? undefined : { ...askers[name]!, bytes: Buffer.from(name) };
    },
  };
  let owed: ControlOrigin | undefined;
  const onMessage: ControlHandler["onMessage"] = (bytes, from) => {
    const name = Buffer.from(bytes).toString();
    order += name;
    owed?.reply(bytes);
    owed = name === late ? from : undefined;
    if (name !== late && name !== ".") from.reply(bytes);
  };
  const listener = await open({ onMessage }, 0, "127.0.0.0/8", directUdp);
  const { socket } = await client(portOf(listener));
  // Where one datagram is, more are looked for.
  socket.send(".");
  await until(() => order !== "");
  socket.close();
  await listener.close();
  return order.slice(1);
}

function nameOf(target: Endpoint): string {
  return Object.keys(askers).find((name) => sameEndpoint(askers[name]!, target)) ?? assert.fail();
}

if (process.platform === "linux") {
  suite("io/control direct", (test) => {
    test("every datagram of a burst is answered once, in order, empty and large ones too", async () => {
      const listener = await open();
      const { socket, heard } = await client(portOf(listener));
      const texts = Array.from({ length: 150 }, (_, index) => `${index} \xff`);
      texts.push("", "x".repeat(60_000));
      for (const text of texts) socket.send(Buffer.from(text, "latin1"));
      await until(() => heard.length >= texts.length);
      assert.deepEqual(
        heard,
        texts.map((text) => `<${text}>`),
      );
      socket.close();
      await listener.close();
    });

    test("a flood leaves timers and other sockets their turn", async () => {
      const counts: number[] = [];
      let count = 0;
      const endTurn = (): void => {
        counts.push(count);
        count = 0;
      };
      const onMessage = (): void => {
        if (count++ === 0) setImmediate(endTurn);
      };
      const listener = await open({ onMessage });
      const { socket } = await client(portOf(listener));
      for (let index = 0; index < 200; index++) socket.send("1 V");
      await until(() => counts.reduce((sum, each) => sum + each, 0) >= 200);
      socket.close();
      await listener.close();
      assert.deepEqual(
        counts.filter((each) => each > 64),
        [],
      );
      assert.ok(counts.length >= 3, `${counts}`);
    });

    test("two that ask at once are told apart", async () => {
      const listener = await open();
      const clients = await Promise.all([client(portOf(listener)), client(portOf(listener))]);
      for (let index = 0; index < 40; index++) {
        for (const [who, { socket }] of clients.entries()) socket.send(`${who}`);
      }
      await until(() => clients.every(({ heard }) => heard.length === 40));
      for (const [who, { socket, heard }] of clients.entries()) {
        assert.deepEqual([heard.length, new Set(heard)], [40, new Set([`<${who}>`])]);
        socket.close();
      }
      await listener.close();
    });

    test("replies to one asker leave together, four at a time", async () => {
      assert.equal(await orderOf("aaaaaa"), "aaaaAAAAaaAA");
    });

    test("nobody's reply waits for what others asked", async () => {
      assert.equal(await orderOf("abcb"), "aAbBcCbB");
      assert.equal(await orderOf("aabaaaaa"), "aaAAbBaaaaAAAAaA");
    });

    test("nor for that one question is answered amid another", async () => {
      assert.equal(await orderOf("aba", "a"), "abABa");
    });

    test("who is not allowed is not heard, however he comes", async () => {
      const heard: ControlOrigin[] = [];
      const listener = await open({ onMessage: (_, from) => heard.push(from) }, 0, "192.0.2.0/24");
      const { socket } = await client(portOf(listener));
      for (let index = 0; index < 40; index++) socket.send("1 V");
      await delay(100);
      assert.deepEqual(heard, []);
      socket.close();
      await listener.close();
    });

    test("nobody else can have the port, and ours says who is in the way", async () => {
      const listener = await open();
      const port = portOf(listener);
      const thief = createSocket({ type: "udp4", reuseAddr: true });
      thief.bind(port, "127.0.0.1");
      const [error] = (await once(thief, "error")) as [NodeJS.ErrnoException];
      assert.equal(error.code, "EADDRINUSE");
      thief.close();
      await assert.rejects(open(echo, port), /already in use by another process/);
      await listener.close();
    });

    test("a reply after the end leaves by no socket, whoever has the descriptor now", async () => {
      let origin: ControlOrigin | undefined;
      const listener = await open({
        onMessage: (_, from) => {
          origin = from;
        },
      });
      // Hears everybody: what left by mistake would come from another port.
      const socket = createSocket("udp4");
      const heard: string[] = [];
      socket.on("message", (bytes) => heard.push(bytes.toString("latin1")));
      socket.send("1 V", portOf(listener), "127.0.0.1");
      await until(() => origin !== undefined);
      await listener.close();
      const others = await Promise.all([open(), open()]);
      origin?.reply(Buffer.from("late"));
      await delay(50);
      assert.deepEqual(heard, []);
      socket.close();
      for (const other of others) await other.close();
    });

    test("a reply that is too large for a datagram harms nothing", async () => {
      const listener = await open({ onMessage: (_, from) => from.reply(Buffer.alloc(70_000)) });
      const { socket, heard } = await client(portOf(listener));
      socket.send("1 V");
      await delay(50);
      assert.deepEqual(heard, []);
      socket.close();
      await listener.close();
    });
  });
}
