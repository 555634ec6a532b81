/**
 * Clients and a peer for a TURN server under measurement: allocations at the server's pace, packets at a given rate
 * both ways. Plain sockets of the system, all in one loop; every job is bounded in time.
 *
 * One JSON job a line on standard input, one JSON result a line on standard output.
 */
import { createInterface } from "node:readline";
import type { Endpoint, IpAddress } from "../src/core/address.ts";
import { ipToWords } from "../src/core/address.ts";
import { systemDigests } from "../src/io/digests.ts";
import { Arena } from "../src/io/linux/arena.ts";
import * as libc from "../src/io/linux/libc.ts";
import { writeSocketAddress } from "../src/io/linux/sockets.ts";
import { StunBuilder } from "../src/stun/builder.ts";
import { longTermKey } from "../src/stun/integrity.ts";
import { attributeOf, parseStun, type StunMessage } from "../src/stun/message.ts";
import { encodeText, encodeXorAddress, readErrorCode, readXorAddress } from "../src/stun/values.ts";
import { stunAttribute } from "../src/stun/wire.ts";
import { turnAttribute, turnMethod } from "../src/turn/wire.ts";

export type TurnWay = "channel" | "send";

export type TurnJob =
  | {
      readonly kind: "allocate";
      readonly server: Endpoint;
      readonly ownIp: IpAddress;
      readonly count: number;
      /** At most so many ask at the same time. */
      readonly lanes: number;
      readonly way: TurnWay;
    }
  /** Sends over the allocations made before, from clients and to them alike. */
  | {
      readonly kind: "load";
      readonly packetsPerSecond: number;
      readonly seconds: number;
      readonly payloadBytes: number;
    };

export type TurnResult =
  | { readonly kind: "allocated"; readonly perSecond: number; readonly repeated: number }
  | {
      readonly kind: "loaded";
      readonly sentUp: number;
      readonly sentDown: number;
      readonly deliveredUp: number;
      readonly deliveredDown: number;
      readonly actualRate: number;
    };

const username = "bench";
const password = "bench";
const realm = "bench";
const key = longTermKey(systemDigests, "md5", { username, password, realm });
const channelNumber = 0x4000;
const jobSecondsMax = 120;
const resendMs = 500;
const bufferBytes = 2_048;
const dontwait = libc.messageFlag.dontwait;

interface Client {
  readonly fd: number;
  readonly local: Endpoint;
  relayed: Endpoint | undefined;
  nonce: string | undefined;
  step: "allocate" | "permit" | "done";
  sentAtMs: number;
  last: Uint8Array;
}

let transactions = 0;
function nextTransaction(): Uint8Array {
  const id = new Uint8Array(12);
  new DataView(id.buffer).setUint32(8, ++transactions);
  return id;
}

const wholeSecond = 1_000;

class Load {
  readonly #arena = new Arena(64 * 1024);
  readonly #out = this.#arena.reserve(bufferBytes);
  readonly #in = this.#arena.reserve(bufferBytes);
  readonly #address = this.#arena.reserve(32);
  readonly #clients: Client[] = [];
  #peer: { readonly fd: number; readonly endpoint: Endpoint } | undefined;
  #server: Endpoint | undefined;
  #way: TurnWay = "channel";
  #nextPort = 10_000;

  run(job: TurnJob): TurnResult {
    return job.kind === "allocate" ? this.#allocate(job) : this.#load(job);
  }

  #open(ip: IpAddress, receiveBufferBytes: number): { readonly fd: number; readonly endpoint: Endpoint } {
    const { datagram, nonblock } = libc.socketType;
    const fd = libc.socket(libc.addressFamily.inet, datagram | nonblock, 0);
    if (fd < 0) throw new Error(`socket: ${libc.errnoName(libc.errno())}`);
    this.#arena.view.setInt32(this.#in, receiveBufferBytes, true);
    const { level } = libc.option.socket;
    libc.setsockopt(fd, level, 33, this.#arena.address + this.#in, 4); // SO_RCVBUFFORCE
    for (;;) {
      const endpoint = { ip, port: this.#nextPort++ };
      const size = this.#writeAddress(endpoint);
      if (libc.bind(fd, this.#arena.address + this.#address, size) === 0) return { fd, endpoint };
      if (this.#nextPort > 60_000) throw new Error("no ports left");
    }
  }

  #writeAddress({ ip, port }: Endpoint): number {
    const [ip0, ip1, ip2, ip3] = ipToWords(ip);
    return writeSocketAddress(this.#arena.view, this.#address, false, ip0, ip1, ip2, ip3, port);
  }

  #send(fd: number, bytes: Uint8Array, to: Endpoint): void {
    this.#arena.bytes.set(bytes, this.#out);
    this.#sendTo(fd, this.#out, bytes.length, this.#writeAddress(to));
  }

  #sendTo(fd: number, offset: number, sizeBytes: number, addressBytes: number): boolean {
    const { address } = this.#arena;
    return libc.sendto(fd, address + offset, sizeBytes, dontwait, address + this.#address, addressBytes) >= 0;
  }

  #receive(fd: number): number {
    return libc.recvfrom(fd, this.#arena.address + this.#in, bufferBytes, dontwait, 0, 0);
  }

  #allocate(job: TurnJob & { readonly kind: "allocate" }): TurnResult {
    this.#server = job.server;
    this.#way = job.way;
    this.#peer ??= this.#open(job.ownIp, 16 << 20);
    const fresh: Client[] = [];
    for (let index = 0; index < job.count; index++) {
      const { fd, endpoint } = this.#open(job.ownIp, 128 * 1024);
      fresh.push({
        fd,
        local: endpoint,
        relayed: undefined,
        nonce: undefined,
        step: "allocate",
        sentAtMs: 0,
        last: new Uint8Array(),
      });
    }
    this.#clients.push(...fresh);
    const startMs = performance.now();
    let repeated = this.#drive(fresh, job.lanes, "permit");
    const seconds = (performance.now() - startMs) / wholeSecond;
    repeated += this.#drive(fresh, job.lanes, "done");
    return { kind: "allocated", perSecond: job.count / seconds, repeated };
  }

  /** Until every client has come to that step; returns how often a request had to be repeated. */
  #drive(clients: readonly Client[], lanes: number, until: Client["step"]): number {
    const endMs = performance.now() + jobSecondsMax * wholeSecond;
    const active: Client[] = [];
    let next = 0;
    let repeated = 0;
    while (next < clients.length || active.length > 0) {
      while (active.length < lanes && next < clients.length) {
        const client = clients[next++]!;
        this.#ask(client);
        active.push(client);
      }
      const nowMs = performance.now();
      if (nowMs > endMs) throw new Error("the server did not answer all in time");
      for (let index = active.length - 1; index >= 0; index--) {
        const client = active[index]!;
        this.#hear(client);
        if (client.step === until) active.splice(index, 1);
        else if (nowMs - client.sentAtMs > resendMs) {
          repeated++;
          client.sentAtMs = nowMs;
          this.#send(client.fd, client.last, this.#server!);
        }
      }
    }
    return repeated;
  }

  #hear(client: Client): void {
    const size = this.#receive(client.fd);
    if (size <= 0) return;
    const message = parseStun(this.#arena.bytes.slice(this.#in, this.#in + size));
    if (message === undefined) return;
    if (message.class === "error") this.#refused(client, message);
    else if (
      message.class === "success" &&
      client.step === "allocate" &&
      message.method === turnMethod.allocate
    ) {
      const value = attributeOf(message, turnAttribute.xorRelayedAddress);
      client.relayed = value === undefined ? undefined : readXorAddress(value, message.transactionId);
      client.step = "permit";
    } else if (
      message.class === "success" &&
      client.step === "permit" &&
      message.method !== turnMethod.allocate
    ) {
      client.step = "done";
    }
  }

  #refused(client: Client, message: StunMessage): void {
    const value = attributeOf(message, stunAttribute.errorCode);
    const code = value === undefined ? undefined : readErrorCode(value)?.code;
    const nonce = attributeOf(message, stunAttribute.nonce);
    if ((code !== 401 && code !== 438) || nonce === undefined) throw new Error(`the server said ${code}`);
    client.nonce = Buffer.from(nonce).toString("latin1");
    this.#ask(client);
  }

  #ask(client: Client): void {
    const transaction = nextTransaction();
    const isAllocate = client.step === "allocate";
    const isBind = !isAllocate && this.#way === "channel";
    const method = isAllocate
      ? turnMethod.allocate
      : isBind
        ? turnMethod.channelBind
        : turnMethod.createPermission;
    const builder = new StunBuilder("request", method, transaction);
    if (isAllocate) builder.add(turnAttribute.requestedTransport, Uint8Array.of(17, 0, 0, 0));
    else builder.add(turnAttribute.xorPeerAddress, encodeXorAddress(this.#peer!.endpoint, transaction));
    if (isBind)
      builder.add(turnAttribute.channelNumber, Uint8Array.of(channelNumber >>> 8, channelNumber & 255, 0, 0));
    if (client.nonce !== undefined) {
      builder
        .add(stunAttribute.username, encodeText(username))
        .add(stunAttribute.realm, encodeText(realm))
        .add(stunAttribute.nonce, Buffer.from(client.nonce, "latin1"))
        .addIntegrity(systemDigests, key, "sha1");
    }
    client.last = builder.build();
    client.sentAtMs = performance.now();
    this.#send(client.fd, client.last, this.#server!);
  }

  #load(job: TurnJob & { readonly kind: "load" }): TurnResult {
    const { packetsPerSecond, seconds } = job;
    const payload = new Uint8Array(job.payloadBytes).fill(0x55);
    const up = this.#wrap(payload);
    const [upAt, downAt] = [this.#arena.reserve(bufferBytes), this.#arena.reserve(bufferBytes)];
    this.#arena.bytes.set(up, upAt);
    this.#arena.bytes.set(payload, downAt);
    const startMs = performance.now();
    const total = packetsPerSecond * seconds;
    let [sentUp, sentDown, deliveredUp, deliveredDown] = [0, 0, 0, 0];
    let next = 0;
    for (let sent = 0; sent < total; ) {
      const due = Math.min(total, ((performance.now() - startMs) / wholeSecond) * packetsPerSecond);
      while (sent < due) {
        const client = this.#clients[next]!;
        next = (next + 1) % this.#clients.length;
        let size = this.#writeAddress(this.#server!);
        if (this.#sendTo(client.fd, upAt, up.length, size)) sentUp++;
        size = this.#writeAddress(client.relayed!);
        if (this.#sendTo(this.#peer!.fd, downAt, payload.length, size)) sentDown++;
        sent += 2;
      }
      deliveredUp += this.#drain(this.#peer!.fd);
      for (const { fd } of this.#clients) deliveredDown += this.#drain(fd);
      if (performance.now() - startMs > jobSecondsMax * wholeSecond) break;
    }
    const actualRate = (sentUp + sentDown) / ((performance.now() - startMs) / wholeSecond);
    for (let quiet = 0; quiet < 50; quiet++) {
      libc.usleep(2_000);
      deliveredUp += this.#drain(this.#peer!.fd);
      for (const { fd } of this.#clients) deliveredDown += this.#drain(fd);
    }
    return { kind: "loaded", sentUp, sentDown, deliveredUp, deliveredDown, actualRate };
  }

  #drain(fd: number): number {
    let count = 0;
    while (this.#receive(fd) >= 0) count++;
    return count;
  }

  #wrap(payload: Uint8Array): Uint8Array {
    if (this.#way === "channel") {
      const head = Uint8Array.of(
        channelNumber >>> 8,
        channelNumber & 255,
        payload.length >>> 8,
        payload.length & 255,
      );
      return Buffer.concat([head, payload]);
    }
    const transaction = nextTransaction();
    return new StunBuilder("indication", turnMethod.send, transaction)
      .add(turnAttribute.xorPeerAddress, encodeXorAddress(this.#peer!.endpoint, transaction))
      .add(turnAttribute.data, payload)
      .build();
  }
}

const load = new Load();
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(load.run(JSON.parse(line) as TurnJob))}\n`);
}
