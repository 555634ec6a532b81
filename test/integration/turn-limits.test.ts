/** Floods: whoever proves nothing gets little, and nobody makes the TURN server's memory grow. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { connect, type Socket } from "node:net";
import type { Endpoint } from "../../src/core/address.ts";
import {
  turnChallengeBurst,
  turnCookiesPerSecMax,
  turnFirstWordMsMax,
  turnQueueSizeBytesMax,
  turnStrangerMessagesBurstMax,
  turnStreamsPerSourceMax,
} from "../../src/core/limits.ts";
import { StunBuilder } from "../../src/stun/builder.ts";
import { attributeOf, type StunMessage } from "../../src/stun/message.ts";
import { readAddress } from "../../src/stun/values.ts";
import { stunAttribute, stunMethod } from "../../src/stun/wire.ts";
import { turnMethod } from "../../src/turn/wire.ts";
import { suite } from "../support/suite.ts";
import { codeOf, TurnClient, udpRelay } from "../support/turn-client.ts";
import { pause, TurnDaemon, type TurnWords } from "./support/turn-daemon.ts";

const timeoutMs = 60_000;
const growthBytesMax = 48 * 1024 * 1024;

function withDaemon(words: TurnWords, body: (daemon: TurnDaemon) => Promise<void>): () => Promise<void> {
  return async () => {
    const daemon = await TurnDaemon.start(words);
    try {
      await body(daemon);
      daemon.assertAlive();
    } finally {
      assert.equal(await daemon.stop(), 0);
    }
  };
}

function allocate(client: TurnClient): Promise<StunMessage | undefined> {
  return client.request(turnMethod.allocate, [udpRelay]);
}

/** Sends all of them from one socket; how many answers came. */
async function flood(to: Endpoint, count: number, make: () => Uint8Array): Promise<number> {
  const socket = createSocket("udp4");
  let answers = 0;
  socket.on("message", () => answers++);
  for (let sent = 0; sent < count; sent++) {
    socket.send(make(), to.port, to.ip);
    if (sent % 100 === 99) await pause(2);
  }
  await pause(300);
  socket.close();
  return answers;
}

suite("turn under floods", (test) => {
  test(
    "requests without credentials: a trickle of answers, no memory, and others are served",
    withDaemon({ portMin: 46_800 }, async (daemon) => {
      const before = daemon.residentBytes();
      const request = (): Uint8Array =>
        new StunBuilder("request", turnMethod.allocate, randomBytes(12)).add(...udpRelay).build();
      const startedMs = Date.now();
      const answers = await flood(daemon.at("udp"), 20_000, request);
      const allowed = turnChallengeBurst + (10 * (Date.now() - startedMs)) / 1_000;
      assert.equal(answers <= allowed + 1, true, `${answers} answers`);
      assert.equal(answers >= turnChallengeBurst, true, `${answers} answers`);
      const other = await TurnClient.udp(daemon.at("udp"), undefined, "127.0.0.2");
      assert.equal(codeOf(await allocate(other)), 0);
      other.close();
      const grown = (daemon.residentBytes() ?? 0) - (before ?? 0);
      assert.equal(grown < growthBytesMax, true, `${grown} bytes more`);
    }),
    { timeoutMs },
  );

  test(
    "allocations: up to the user's quota, up to the limit, and then another server",
    withDaemon(
      {
        portMin: 46_800,
        settings: {
          "turn-user": ["alice:secret", "bob:other"],
          "turn-user-quota": 30,
          "turn-max-allocations": 40,
          "turn-alternate-server": "192.0.2.20:3478",
        },
      },
      async (daemon) => {
        const bob = { username: "bob", password: "other", realm: "test" };
        const clients: TurnClient[] = [];
        const take = async (account?: typeof bob): Promise<StunMessage | undefined> => {
          const client = await TurnClient.udp(
            daemon.at("udp"),
            account,
            `127.0.0.${2 + (clients.length % 9)}`,
          );
          clients.push(client);
          return allocate(client);
        };
        for (let count = 0; count < 30; count++) assert.equal(codeOf(await take()), 0);
        assert.equal(codeOf(await take()), 486);
        for (let count = 0; count < 10; count++) assert.equal(codeOf(await take(bob)), 0);
        const sentOn = await take(bob);
        assert.equal(codeOf(sentOn), 300);
        assert.deepEqual(readAddress(attributeOf(sentOn!, stunAttribute.alternateServer)!), {
          ip: "192.0.2.20",
          port: 3_478,
        });
        assert.equal(await daemon.metric(/replies_total\{result="486"\} (\d+)/m), 1);
        for (const client of clients) client.close();
      },
    ),
    { timeoutMs },
  );

  test(
    "connections that never speak: so many of one source, and closed after a while",
    withDaemon({ portMin: 46_800 }, async (daemon) => {
      const before = daemon.residentBytes();
      const { ip, port } = daemon.at("tcp");
      const tls = daemon.at("tls");
      const sockets: Socket[] = [];
      let ended = 0;
      for (let count = 0; count < turnStreamsPerSourceMax + 100; count++) {
        const socket = connect({
          host: ip,
          port: count % 4 === 0 ? tls.port : port,
          localAddress: "127.0.0.3",
        });
        socket.on("error", () => undefined).on("close", () => ended++);
        // Begins a message that never ends.
        if (count % 3 === 0) socket.write(Uint8Array.of(0x40));
        sockets.push(socket);
        if (count % 50 === 49) await pause(5);
      }
      await pause(500);
      assert.equal(ended >= 100, true, `${ended} were refused`);
      const client = await TurnClient.tcp(daemon.at("tcp"));
      assert.equal(codeOf(await allocate(client)), 0);
      for (let waited = 0; ended < sockets.length && waited < 2 * turnFirstWordMsMax; waited += 100)
        await pause(100);
      assert.equal(ended, sockets.length);
      assert.equal(client.isClosed, false);
      client.close();
      const grown = (daemon.residentBytes() ?? 0) - (before ?? 0);
      assert.equal(grown < 2 * growthBytesMax, true, `${grown} bytes more`);
    }),
    { timeoutMs },
  );

  test(
    "a connection without an allocation is given little room: neither for one message nor for many",
    withDaemon({ portMin: 46_800 }, async (daemon) => {
      const { ip, port } = daemon.at("tcp");
      const isEnded = async (socket: Socket): Promise<boolean> => {
        let hasEnded = false;
        socket
          .on("error", () => undefined)
          .once("close", () => {
            hasEnded = true;
          });
        for (let waited = 0; !hasEnded && waited < 8_000; waited += 20) {
          await pause(20);
        }
        socket.destroy();
        return hasEnded;
      };
      const long = connect({ host: ip, port });
      long.write(Uint8Array.of(0, 1, 0xff, 0xfc, 0x21, 0x12, 0xa4, 0x42));
      assert.equal(await isEnded(long), true, "a long message is begun");
      const hasty = connect({ host: ip, port }).resume();
      const request = new StunBuilder("request", stunMethod.binding, randomBytes(12)).build();
      const many = Buffer.concat(new Array<Uint8Array>(4_000).fill(request));
      hasty.write(many);
      assert.equal(await isEnded(hasty), true, "4,000 requests at once");
      assert.equal(
        (await daemon.metric(/requests_total\{method="binding"\} (\d+)/m)) <=
          turnStrangerMessagesBurstMax + 20,
        true,
      );
      assert.equal(codeOf(await allocate(await TurnClient.tcp(daemon.at("tcp")))), 0);
    }),
    { timeoutMs },
  );

  test(
    "a client that does not read loses media, not its replies; nothing piles up",
    withDaemon({ portMin: 46_800, settings: { "turn-allow-peer": "127.0.0.0/8" } }, async (daemon) => {
      const client = await TurnClient.tcp(daemon.at("tcp"));
      const relayed = await client.allocate();
      assert.equal(await client.permit({ ...relayed, port: 9 }), 0);
      client.pause();
      const before = daemon.residentBytes();
      const payload = Buffer.alloc(1_200, 1);
      await flood(relayed, 20_000, () => payload);
      const waiting = await daemon.metric(/dropped_total\{reason="queueFull"\} (\d+)/m);
      assert.equal(waiting > 1_000, true, `${waiting} dropped`);
      const grown = (daemon.residentBytes() ?? 0) - (before ?? 0);
      assert.equal(grown < growthBytesMax, true, `${grown} bytes more, ${turnQueueSizeBytesMax} may wait`);
      const answer = client.refresh(600);
      client.resume();
      assert.equal(await answer, 0);
      client.close();
    }),
    { timeoutMs },
  );

  test(
    "DTLS: no association for a source that does not answer, and no flood of cookies",
    withDaemon({ portMin: 46_800 }, async (daemon) => {
      const startedMs = Date.now();
      const answers = await flood(daemon.at("dtls"), 20_000, clientHello);
      const allowed = turnCookiesPerSecMax * (1 + (Date.now() - startedMs) / 1_000);
      assert.equal(answers > 0 && answers <= allowed, true, `${answers} answers`);
      await flood(daemon.at("dtls"), 2_000, () => randomBytes(200));
      assert.equal(await daemon.metric(/^rtpferry_turn_streams\{transport="dtls"\} (\d+)/m), 0);
    }),
    { timeoutMs },
  );
});

suite("turn and hostile bytes", (test) => {
  for (const io of ["epoll", "dgram"] as const) {
    test(
      `${io}: noise at every door, and one client in the middle of it`,
      withDaemon({ portMin: 46_800, settings: { io, "turn-allow-peer": "127.0.0.0/8" } }, async (daemon) => {
        const client = await TurnClient.tcp(daemon.at("tcp"));
        const relayed = await client.allocate();
        const noise = (): Uint8Array => {
          const bytes = randomBytes(1 + (randomBytes(2).readUInt16BE() % 1_400));
          // A third looks like STUN, a third like ChannelData.
          bytes[0] = [0, 0x40, bytes[0] ?? 0][(bytes[0] ?? 0) % 3] ?? 0;
          return bytes;
        };
        for (const place of [daemon.at("udp"), daemon.at("dtls"), relayed]) await flood(place, 3_000, noise);
        const streams = Array.from({ length: 60 }, (_, index) => {
          const { ip, port } = daemon.at(index % 2 === 0 ? "tcp" : "tls");
          const socket = connect({ host: ip, port });
          socket.on("error", () => undefined).write(noise());
          return socket;
        });
        await pause(300);
        for (const socket of streams) socket.destroy();
        assert.equal(await client.refresh(600), 0);
        client.close();
      }),
      { timeoutMs },
    );
  }
});

/** A ClientHello without a cookie, as far as a server has to read it to answer with one. */
function clientHello(): Uint8Array {
  const body = Buffer.concat([
    Buffer.from("fefd", "hex"),
    randomBytes(32),
    // No session, no cookie, one cipher, no compression.
    Buffer.from("00000002c02b0100", "hex"),
  ]);
  const size = body.length.toString(16).padStart(6, "0");
  const message = Buffer.concat([Buffer.from(`01${size}0000000000${size}`, "hex"), body]);
  const record = Buffer.from(`16feff0000000000000000${message.length.toString(16).padStart(4, "0")}`, "hex");
  return Buffer.concat([record, message]);
}
