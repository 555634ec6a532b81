/** The TURN server over every transport, by the real program and real sockets of loopback. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { connect, createServer, type Socket } from "node:net";
import { type Endpoint, formatEndpoint } from "../../src/core/address.ts";
import { attributeOf, parseStun } from "../../src/stun/message.ts";
import { encodeNumber } from "../../src/stun/values.ts";
import { stunAttribute, stunMethod } from "../../src/stun/wire.ts";
import { turnAttribute, turnMethod } from "../../src/turn/wire.ts";
import { suite } from "../support/suite.ts";
import {
  alice,
  bindingRequest,
  codeOf,
  EchoPeer,
  peerOf,
  readChannelData,
  readData,
  relayedOf,
  TurnClient,
  tcpRelay,
  udpRelay,
} from "../support/turn-client.ts";
import { allTransports, TurnDaemon, type TurnWords } from "./support/turn-daemon.ts";

const loopback = { "turn-allow-peer": ["127.0.0.0/8", "::1/128"] };
const timeoutMs = 30_000;

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

type Streamless = "udp" | "tcp" | "tls";

function connectBy(daemon: TurnDaemon, transport: Streamless): Promise<TurnClient> {
  return TurnClient[transport](daemon.at(transport));
}

/** Permission and Send, a channel, and the end. */
async function useRelay(client: TurnClient): Promise<void> {
  const peer = await EchoPeer.open();
  const relayed = await client.allocate();
  client.send(peer.place, Buffer.from("nobody may"));
  assert.equal(await client.permit(peer.place), 0);
  client.send(peer.place, Buffer.from("by Send"));
  const data = readData(await client.hear());
  assert.deepEqual(data, { peer: peer.place, text: "by Send" });
  assert.equal(await client.bindChannel(0x4001, peer.place), 0);
  client.sendOnChannel(0x4001, Buffer.from("by channel"));
  assert.deepEqual(readChannelData(await client.hear()), { channel: 0x4001, text: "by channel" });
  assert.deepEqual(peer.heard, [
    { text: "by Send", from: relayed },
    { text: "by channel", from: relayed },
  ]);
  assert.equal(await client.refresh(0), 0);
  client.close();
  peer.close();
}

suite("turn over its transports", (test) => {
  const ways = (["epoll", "dgram"] as const).flatMap((io) =>
    (["udp", "tcp", "tls"] as const).map((transport) => ({ io, transport })),
  );
  for (const { io, transport } of ways) {
    test(
      `${transport}, ${io}: challenge, allocation, Send, channel, end`,
      withDaemon({ settings: { ...loopback, io }, portMin: 46_000 }, async (daemon) => {
        await useRelay(await connectBy(daemon, transport));
        assert.equal(await daemon.metric(/^rtpferry_turn_allocations (\d+)/m), 0);
        await daemon.metricIs(/^rtpferry_turn_packets_relayed_total\{direction="up"\} (\d+)/m, 2);
        await daemon.metricIs(/^rtpferry_turn_packets_relayed_total\{direction="down"\} (\d+)/m, 2);
        await daemon.metricIs(/turn_packets_dropped_total\{reason="noPermission"\} (\d+)/m, 1);
      }),
      { timeoutMs },
    );
  }

  test(
    "IPv6: clients, relays, and both families at once",
    withDaemon(
      { settings: loopback, portMin: 46_000, listen: ["udp:[::1]:0"], interfaces: ["127.0.0.1", "::1"] },
      async (daemon) => {
        const client = await TurnClient.udp(daemon.at("udp"));
        const additional = [turnAttribute.additionalAddressFamily, Uint8Array.of(2, 0, 0, 0)] as const;
        const answer = await client.request(turnMethod.allocate, [udpRelay, additional]);
        assert.equal(codeOf(answer), 0);
        assert.deepEqual([relayedOf(answer, 0).ip, relayedOf(answer, 1).ip], ["127.0.0.1", "::1"]);
        for (const ip of ["127.0.0.1", "::1"]) {
          const peer = await EchoPeer.open(ip);
          assert.equal(await client.permit(peer.place), 0);
          client.send(peer.place, Buffer.from(ip));
          assert.deepEqual(readData(await client.hear()), { peer: peer.place, text: ip });
          peer.close();
        }
        client.close();
      },
    ),
    { timeoutMs },
  );

  test(
    "clients reach each other through their relays, without any address allowed",
    withDaemon({ portMin: 46_000 }, async (daemon) => {
      const [one, two] = [await connectBy(daemon, "udp"), await connectBy(daemon, "tls")];
      const [first, second] = [await one.allocate(), await two.allocate()];
      assert.deepEqual([await one.permit(second), await two.permit(first)], [0, 0]);
      one.send(second, Buffer.from("over"));
      assert.deepEqual(readData(await two.hear()), { peer: first, text: "over" });
      // The port above is nobody's, whatever it may be of later.
      const nobody = { ip: second.ip, port: second.port === 46_399 ? 46_398 : second.port + 1 };
      assert.equal(await one.bindChannel(0x4000, nobody), 403);
      const control: Endpoint = daemon.at("tcp");
      assert.equal(await one.permit(control), 403);
      one.close();
      two.close();
    }),
    { timeoutMs },
  );

  test(
    "EVEN-PORT and the port kept with it",
    withDaemon({ portMin: 46_000 }, async (daemon) => {
      const [one, two] = [await connectBy(daemon, "udp"), await connectBy(daemon, "tcp")];
      const answer = await one.request(turnMethod.allocate, [
        udpRelay,
        [turnAttribute.evenPort, Uint8Array.of(0x80)],
      ]);
      const token = attributeOf(answer!, turnAttribute.reservationToken)!;
      const lower = relayedOf(answer);
      assert.equal(lower.port % 2, 0);
      const upper = await two.allocate([turnAttribute.reservationToken, token]);
      assert.deepEqual(upper, { ip: lower.ip, port: lower.port + 1 });
      one.close();
      two.close();
    }),
    { timeoutMs },
  );

  test(
    "a stream that ends takes its allocation along; all ports come back",
    withDaemon({ portMin: 46_000 }, async (daemon) => {
      const free = /^rtpferry_port_pairs_free\{[^}]*\} (\d+)/m;
      const before = await daemon.metric(free);
      const clients = await Promise.all(Array.from({ length: 40 }, () => connectBy(daemon, "tcp")));
      for (const client of clients) await client.allocate();
      assert.equal(await daemon.metric(/^rtpferry_turn_allocations (\d+)/m), 40);
      for (const client of clients) client.close();
      await daemon.logged("turn-ended", 40);
      await daemon.metricIs(free, before);
      assert.equal(await daemon.metric(/ended_total\{reason="client-closed"\} (\d+)/m), 40);
    }),
    { timeoutMs },
  );

  test(
    "DTLS: a Binding request by openssl's client, and its farewell",
    withDaemon({ portMin: 46_000 }, async (daemon) => {
      const client = spawn(
        "openssl",
        ["s_client", "-dtls1_2", "-quiet", "-no_ign_eof"].concat([
          "-connect",
          formatEndpoint(daemon.at("dtls")),
        ]),
      );
      client.stderr.resume();
      const heard = new Promise<Buffer>((resolve) => client.stdout.once("data", resolve));
      client.stdin.write(bindingRequest());
      const answer = parseStun(await heard);
      assert.equal(answer?.class, "success");
      assert.equal(answer.method, stunMethod.binding);
      assert.notEqual(attributeOf(answer, stunAttribute.xorMappedAddress), undefined);
      assert.equal(await daemon.metric(/^rtpferry_turn_streams\{transport="dtls"\} (\d+)/m), 1);
      const ended = new Promise((resolve) => client.once("close", resolve));
      client.stdin.end();
      await ended;
      await daemon.metricIs(/^rtpferry_turn_streams\{transport="dtls"\} (\d+)/m, 0);
    }),
    { timeoutMs },
  );

  test(
    "anonymous, where that is asked for by name",
    withDaemon(
      { portMin: 46_000, listen: ["udp:127.0.0.1:0"], settings: { "turn-user": [], "turn-anonymous": true } },
      async (daemon) => {
        const client = await connectBy(daemon, "udp");
        assert.equal(codeOf(await client.ask(turnMethod.allocate, [udpRelay])), 0);
        client.close();
      },
    ),
    { timeoutMs },
  );
});

/** Data connections speak no STUN once they are joined. */
class RawStream {
  readonly #socket: Socket;
  #bytes = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
    });
  }

  write(bytes: Uint8Array | string): void {
    this.#socket.write(bytes);
  }

  /** So many bytes, once they are there. */
  async read(size: number): Promise<Buffer> {
    while (this.#bytes.length < size) await new Promise((resolve) => this.#socket.once("data", resolve));
    const bytes = this.#bytes.subarray(0, size);
    this.#bytes = this.#bytes.subarray(size);
    return bytes;
  }

  end(): void {
    this.#socket.destroy();
  }
}

suite("turn over TCP relays", (test) => {
  test(
    "Connect, ConnectionBind, bytes both ways from the relayed address, and the end",
    withDaemon({ settings: loopback, portMin: 46_000, listen: allTransports.slice(0, 2) }, async (daemon) => {
      const arrived: { socket: Socket; from: number | undefined }[] = [];
      const server = createServer((socket) => {
        arrived.push({ socket, from: socket.remotePort });
        socket.write("hello from the peer");
        socket.pipe(socket);
      });
      await new Promise<void>((resolve) => {
        server.listen(0, "127.0.0.1", resolve);
      });
      const { port } = server.address() as { port: number };
      const peer = { ip: "127.0.0.1", port } as Endpoint;
      const client = await connectBy(daemon, "tcp");
      const allocated = await client.request(turnMethod.allocate, [tcpRelay]);
      const relayed = relayedOf(allocated);
      const answer = await client.requestOf(turnMethod.connect, (id) => [peerOf(peer, id)]);
      assert.equal(codeOf(answer), 0);
      assert.equal(arrived[0]?.from, relayed.port);
      const id = attributeOf(answer!, turnAttribute.connectionId)!;
      const data = await dataConnection(daemon, client, id);
      assert.equal((await data.read(19)).toString(), "hello from the peer");
      data.write("and back");
      assert.equal((await data.read(8)).toString(), "and back");
      const big = Buffer.alloc(3_000_000, 7);
      data.write(big);
      assert.equal((await data.read(big.length)).equals(big), true);
      assert.equal(
        await daemon.metric(/turn_tcp_bytes_relayed_total\{direction="up"\} (\d+)/m),
        8 + big.length,
      );
      const gone = new Promise((resolve) => arrived[0]?.socket.once("close", resolve));
      data.end();
      await gone;
      // Nobody listens there.
      server.close();
      const failed = await client.requestOf(turnMethod.connect, (tid) => [peerOf(peer, tid)]);
      assert.equal(codeOf(failed), 447);
      client.close();
    }),
    { timeoutMs },
  );

  test(
    "a peer connects to the relayed address, if it is permitted",
    withDaemon({ settings: loopback, portMin: 46_000, listen: allTransports.slice(0, 2) }, async (daemon) => {
      const client = await connectBy(daemon, "tcp");
      const relayed = relayedOf(await client.request(turnMethod.allocate, [tcpRelay]));
      const stranger = connect(relayed.port, relayed.ip);
      await new Promise((resolve) => stranger.once("close", resolve).on("error", () => undefined));
      assert.equal(await client.permit({ ip: relayed.ip, port: 9 }), 0);
      const peer = connect(relayed.port, relayed.ip);
      peer.write("waits for the client");
      const attempt = parseStun((await client.hear())!);
      assert.equal(attempt?.method, turnMethod.connectionAttempt);
      const id = attributeOf(attempt, turnAttribute.connectionId)!;
      const data = await dataConnection(daemon, client, id);
      assert.equal((await data.read(20)).toString(), "waits for the client");
      const heard = new Promise<Buffer>((resolve) => peer.once("data", resolve));
      data.write("here it is");
      assert.equal((await heard).toString(), "here it is");
      const closed = new Promise((resolve) => peer.once("close", resolve));
      assert.equal(await client.refresh(0), 0);
      await closed;
      client.close();
    }),
    { timeoutMs },
  );
});

async function dataConnection(daemon: TurnDaemon, client: TurnClient, id: Uint8Array): Promise<RawStream> {
  const { ip, port } = daemon.at("tcp");
  const socket = connect({ host: ip, port });
  await new Promise((resolve) => socket.once("connect", resolve));
  const bind = client.encode(
    turnMethod.connectionBind,
    [[turnAttribute.connectionId, id]],
    encodeTransaction(),
    true,
  );
  const stream = new RawStream(socket);
  stream.write(bind);
  const head = await stream.read(20);
  const answer = parseStun(Buffer.concat([head, await stream.read(head.readUInt16BE(2))]));
  assert.equal(codeOf(answer), 0);
  return stream;
}

function encodeTransaction(): Uint8Array {
  return Buffer.concat([encodeNumber(Date.now() >>> 0), Buffer.from(alice.realm.padEnd(8))]);
}
