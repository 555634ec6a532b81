/** A TURN client over real sockets, as plain as can be: one request at a time, sent once. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { type Endpoint, familyOf } from "../../src/core/address.ts";
import { systemDigests } from "../../src/io/digests.ts";
import { StunBuilder } from "../../src/stun/builder.ts";
import { longTermKey } from "../../src/stun/integrity.ts";
import { attributeOf, parseStun, type StunMessage } from "../../src/stun/message.ts";
import {
  encodeNumber,
  encodeText,
  encodeXorAddress,
  readErrorCode,
  readXorAddress,
} from "../../src/stun/values.ts";
import { stunAttribute, stunMethod } from "../../src/stun/wire.ts";
import { StreamFramer } from "../../src/turn/stream-framer.ts";
import { turnAttribute, turnMethod } from "../../src/turn/wire.ts";

export type Attribute = readonly [type: number, value: Uint8Array];

export interface Account {
  readonly username: string;
  readonly password: string;
  readonly realm: string;
}

export const alice: Account = { username: "alice", password: "secret", realm: "test" };

/** REQUESTED-TRANSPORT: UDP and TCP. */
export const udpRelay: Attribute = [turnAttribute.requestedTransport, Uint8Array.of(17, 0, 0, 0)];
export const tcpRelay: Attribute = [turnAttribute.requestedTransport, Uint8Array.of(6, 0, 0, 0)];

const answerMsMax = 5_000;

/** What carries messages to the server. */
interface Link {
  readonly isStream: boolean;
  send(bytes: Uint8Array): void;
  pause(): void;
  resume(): void;
  close(): void;
}

export class TurnClient {
  readonly account: Account;
  /** What came that is no answer: Data indications and ChannelData. */
  readonly received: Buffer[] = [];
  /** The stream has ended. */
  isClosed = false;
  readonly #link: Link;
  #nonce = "";
  #wake: () => void = () => undefined;
  readonly #answers: StunMessage[] = [];

  private constructor(makeLink: (client: TurnClient) => Link, account: Account) {
    this.account = account;
    this.#link = makeLink(this);
  }

  static async udp(server: Endpoint, account = alice, localIp?: string): Promise<TurnClient> {
    const socket = createSocket(familyOf(server.ip) === 6 ? "udp6" : "udp4");
    await new Promise<void>((resolve) => {
      if (localIp === undefined) socket.bind(resolve);
      else socket.bind(0, localIp, resolve);
    });
    return new TurnClient((client) => datagramLink(client, socket, server), account);
  }

  static async tcp(server: Endpoint, account = alice): Promise<TurnClient> {
    const socket = connectTcp({ host: server.ip, port: server.port, noDelay: true });
    await opened(socket, "connect");
    return new TurnClient((client) => streamLink(client, socket), account);
  }

  /** `onCertificate` hears the name in the server's certificate. */
  static async tls(server: Endpoint, onCertificate?: (name: string) => void): Promise<TurnClient> {
    const socket: TLSSocket = connectTls({ host: server.ip, port: server.port, rejectUnauthorized: false });
    await opened(socket, "secureConnect");
    onCertificate?.(String(socket.getPeerCertificate().subject.CN));
    return new TurnClient((client) => streamLink(client, socket), alice);
  }

  take(bytes: Uint8Array): void {
    const message = parseStun(bytes);
    if (message !== undefined && (message.class === "success" || message.class === "error")) {
      this.#answers.push(message);
    } else this.received.push(Buffer.from(bytes));
    this.#wake();
  }

  end(): void {
    this.isClosed = true;
    this.#wake();
  }

  /** Without an answer in time: undefined. */
  async ask(
    method: number,
    attributes: readonly Attribute[] = [],
    isSealed = true,
  ): Promise<StunMessage | undefined> {
    const transactionId = randomBytes(12);
    this.#link.send(this.encode(method, attributes, transactionId, isSealed));
    const until = Date.now() + answerMsMax;
    while (Date.now() < until && !this.isClosed) {
      const at = this.#answers.findIndex((each) => transactionId.equals(each.transactionId));
      if (at >= 0) return this.#answers.splice(at, 1)[0];
      await this.#something(until - Date.now());
    }
    return undefined;
  }

  /** As `ask`, once more with the nonce of a challenge. */
  async request(method: number, attributes: readonly Attribute[] = []): Promise<StunMessage | undefined> {
    for (let attempt = 0; ; attempt++) {
      const answer = await this.ask(method, attributes);
      const code = codeOf(answer);
      const nonce = answer === undefined ? undefined : attributeOf(answer, stunAttribute.nonce);
      if (attempt > 1 || nonce === undefined || (code !== 401 && code !== 438)) return answer;
      this.#nonce = Buffer.from(nonce).toString();
    }
  }

  /** The relayed address. */
  async allocate(...attributes: readonly Attribute[]): Promise<Endpoint> {
    const answer = await this.request(turnMethod.allocate, [udpRelay, ...attributes]);
    assert.equal(codeOf(answer), 0);
    return relayedOf(answer);
  }

  async permit(...peers: readonly Endpoint[]): Promise<number> {
    return codeOf(
      await this.requestOf(turnMethod.createPermission, (id) => peers.map((peer) => peerOf(peer, id))),
    );
  }

  async bindChannel(channel: number, peer: Endpoint): Promise<number> {
    const number = Uint8Array.of(channel >>> 8, channel & 0xff, 0, 0);
    return codeOf(
      await this.requestOf(turnMethod.channelBind, (id) => [
        [turnAttribute.channelNumber, number],
        peerOf(peer, id),
      ]),
    );
  }

  /** 0 ends the allocation. */
  async refresh(lifetimeSec: number): Promise<number> {
    return codeOf(
      await this.request(turnMethod.refresh, [[turnAttribute.lifetime, encodeNumber(lifetimeSec)]]),
    );
  }

  /** A request whose attributes depend on its transaction id. */
  async requestOf(
    method: number,
    attributesOf: (transactionId: Uint8Array) => readonly Attribute[],
  ): Promise<StunMessage | undefined> {
    for (let attempt = 0; ; attempt++) {
      const transactionId = randomBytes(12);
      this.#link.send(this.encode(method, attributesOf(transactionId), transactionId, true));
      const answer = await this.#answerTo(transactionId);
      const code = codeOf(answer);
      const nonce = answer === undefined ? undefined : attributeOf(answer, stunAttribute.nonce);
      if (attempt > 1 || nonce === undefined || (code !== 401 && code !== 438)) return answer;
      this.#nonce = Buffer.from(nonce).toString();
    }
  }

  send(peer: Endpoint, payload: Uint8Array): void {
    const transactionId = randomBytes(12);
    const bytes = new StunBuilder("indication", turnMethod.send, transactionId)
      .add(turnAttribute.xorPeerAddress, encodeXorAddress(peer, transactionId))
      .add(turnAttribute.data, payload)
      .build();
    this.#link.send(bytes);
  }

  sendOnChannel(channel: number, payload: Uint8Array): void {
    const size = this.#link.isStream ? (payload.length + 3) & ~3 : payload.length;
    const bytes = Buffer.alloc(4 + size);
    bytes.writeUInt16BE(channel, 0);
    bytes.writeUInt16BE(payload.length, 2);
    bytes.set(payload, 4);
    this.#link.send(bytes);
  }

  /** The bytes as they are. */
  sendRaw(bytes: Uint8Array): void {
    this.#link.send(bytes);
  }

  /** The next that is no answer. */
  async hear(withinMs = answerMsMax): Promise<Buffer | undefined> {
    const until = Date.now() + withinMs;
    while (this.received.length === 0 && Date.now() < until && !this.isClosed) {
      await this.#something(until - Date.now());
    }
    return this.received.shift();
  }

  /** True once the server has ended the stream. */
  async hasEnded(withinMs: number): Promise<boolean> {
    const until = Date.now() + withinMs;
    while (!this.isClosed && Date.now() < until) await this.#something(until - Date.now());
    return this.isClosed;
  }

  /** Reads no more until `resume`. */
  pause(): void {
    this.#link.pause();
  }

  resume(): void {
    this.#link.resume();
  }

  close(): void {
    this.#link.close();
  }

  encode(
    method: number,
    attributes: readonly Attribute[],
    transactionId: Uint8Array,
    isSealed: boolean,
  ): Uint8Array {
    const builder = new StunBuilder("request", method, transactionId);
    for (const [type, value] of attributes) builder.add(type, value);
    if (isSealed && this.#nonce !== "") {
      const { username, realm } = this.account;
      builder
        .add(stunAttribute.username, encodeText(username))
        .add(stunAttribute.realm, encodeText(realm))
        .add(stunAttribute.nonce, encodeText(this.#nonce))
        .addIntegrity(systemDigests, longTermKey(systemDigests, "md5", this.account), "sha1");
    }
    return builder.build();
  }

  async #answerTo(transactionId: Buffer): Promise<StunMessage | undefined> {
    const until = Date.now() + answerMsMax;
    while (Date.now() < until && !this.isClosed) {
      const at = this.#answers.findIndex((each) => transactionId.equals(each.transactionId));
      if (at >= 0) return this.#answers.splice(at, 1)[0];
      await this.#something(until - Date.now());
    }
    return undefined;
  }

  #something(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(1, withinMs));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** 0: success; -1: no answer. */
export function codeOf(answer: StunMessage | undefined): number {
  if (answer === undefined) return -1;
  const value = attributeOf(answer, stunAttribute.errorCode);
  return value === undefined ? 0 : (readErrorCode(value)?.code ?? -2);
}

export function relayedOf(answer: StunMessage | undefined, which = 0): Endpoint {
  const values = answer?.attributes.filter(({ type }) => type === turnAttribute.xorRelayedAddress) ?? [];
  const value = values[which]?.value ?? assert.fail("no relayed address");
  return readXorAddress(value, answer?.transactionId ?? value) ?? assert.fail("no address");
}

export function peerOf(peer: Endpoint, transactionId: Uint8Array): Attribute {
  return [turnAttribute.xorPeerAddress, encodeXorAddress(peer, transactionId)];
}

/** Payload and peer of a Data indication. */
export function readData(bytes: Buffer | undefined): { readonly peer: Endpoint; readonly text: string } {
  const message = bytes === undefined ? undefined : parseStun(bytes);
  assert.equal(message?.method, turnMethod.data);
  const peer = readXorAddress(attributeOf(message, turnAttribute.xorPeerAddress)!, message.transactionId);
  return { peer: peer!, text: Buffer.from(attributeOf(message, turnAttribute.data)!).toString() };
}

/** Number and payload of ChannelData. */
export function readChannelData(bytes: Buffer | undefined): {
  readonly channel: number;
  readonly text: string;
} {
  assert.ok(bytes !== undefined && bytes.length >= 4);
  return { channel: bytes.readUInt16BE(0), text: bytes.subarray(4, 4 + bytes.readUInt16BE(2)).toString() };
}

/** A bare Binding request. */
export function bindingRequest(): Uint8Array {
  return new StunBuilder("request", stunMethod.binding, randomBytes(12)).build();
}

/** A peer that sends back what it gets. */
export class EchoPeer {
  readonly place: Endpoint;
  /** Who sent what. */
  readonly heard: { readonly text: string; readonly from: Endpoint }[] = [];
  readonly #socket: UdpSocket;

  private constructor(socket: UdpSocket) {
    this.#socket = socket;
    const { address, port } = socket.address();
    this.place = { ip: address as Endpoint["ip"], port };
    socket.on("message", (bytes, { address: ip, port: from }) => {
      this.heard.push({ text: bytes.toString(), from: { ip: ip as Endpoint["ip"], port: from } });
      socket.send(bytes, from, ip);
    });
  }

  static async open(ip = "127.0.0.1"): Promise<EchoPeer> {
    const socket = createSocket(ip.includes(":") ? "udp6" : "udp4");
    await new Promise<void>((resolve) => {
      socket.bind(0, ip, resolve);
    });
    return new EchoPeer(socket);
  }

  close(): void {
    this.#socket.close();
  }
}

function datagramLink(client: TurnClient, socket: UdpSocket, server: Endpoint): Link {
  socket.on("message", (bytes) => client.take(bytes));
  return {
    isStream: false,
    send: (bytes) => socket.send(bytes, server.port, server.ip),
    pause: () => assert.fail("datagrams cannot be held back"),
    resume: () => undefined,
    close: () => socket.close(),
  };
}

function streamLink(client: TurnClient, socket: Socket): Link {
  const framer = new StreamFramer();
  socket.on("data", (chunk: Buffer) => {
    framer.push(chunk);
    for (let message = framer.next(); message !== undefined; message = framer.next()) client.take(message);
  });
  socket.on("error", () => undefined);
  socket.on("close", () => client.end());
  return {
    isStream: true,
    send: (bytes) => socket.write(bytes),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    close: () => socket.destroy(),
  };
}

function opened(socket: Socket, event: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.once(event, () => {
      socket.off("error", reject);
      resolve();
    });
  });
}
