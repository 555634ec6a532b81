/**
 * Listeners for clients over DTLS (RFC 7350 section 4): UDP sockets whose datagrams are told apart by their source.
 *
 * Nothing is kept for a source before it has returned a cookie (RFC 6347 section 4.2.1). Associations are bounded, of
 * all and of one source, and closed when they fall silent without an allocation.
 */
import type { Socket } from "node:dgram";
import { type Endpoint, formatEndpoint, parseIp } from "../../core/address.ts";
import { Allowance } from "../../core/allowance.ts";
import {
  dtlsHandshakeMsMax,
  turnAssociationsMax,
  turnAssociationsPerSourceMax,
  turnCookiesPerSecMax,
  turnHandshakesBurstMax,
  turnHandshakesPerSecMax,
  turnHandshakesPerSourcePerSecMax,
} from "../../core/limits.ts";
import type { Random } from "../../core/random.ts";
import type { Clock, MonotonicMs } from "../../core/time.ts";
import { CookieJar } from "../../srtp/dtls/cookies.ts";
import { type ClientHello, encodeHelloVerifyRequest, readDatagram } from "../../srtp/dtls/datagram.ts";
import type { TurnClient } from "../../turn/actions.ts";
import { ChallengeRate } from "../../turn/challenge-rate.ts";
import { systemDigests } from "../digests.ts";
import { listenAtEach, wildcardEndpoints } from "../host-addresses.ts";
import type { StreamHub } from "./contract.ts";
import { DtlsClient } from "./dtls-client.ts";
import type { DtlsServerEngine } from "./dtls-server.ts";
import { bindMedia, listenerBufferBytes } from "./media-socket.ts";
import { sourceName } from "./source-name.ts";
import type { Certificate } from "./stream-listener.ts";

export interface DtlsListenersParts {
  readonly engine: DtlsServerEngine;
  readonly hub: StreamHub;
  readonly onEnd: (client: TurnClient) => void;
  readonly clock: Clock;
  readonly random: Random;
}

export interface DtlsListenerCounts {
  accepted: number;
  /** Too many, of all or of one source, or too many handshakes at once. */
  refused: number;
  /** Handshakes that came to nothing. */
  failed: number;
  /** First answers that made a source show that it is where it says. */
  cookies: number;
  /** What was no DTLS, or belonged to nobody. */
  ignored: number;
}

interface Listener {
  readonly socket: Socket;
  readonly local: Endpoint;
  readonly clients: Map<string, DtlsClient>;
}

const sweepEveryMs = 2_000;
/** ContentType of handshake records (IANA TLS ContentType registry). */
const handshakeRecord = 22;

export class DtlsListeners {
  readonly counts: DtlsListenerCounts = { accepted: 0, refused: 0, failed: 0, cookies: 0, ignored: 0 };
  readonly #parts: DtlsListenersParts;
  readonly #listeners: Listener[] = [];
  readonly #cookies: CookieJar;
  readonly #cookieRate = new Allowance(1, turnCookiesPerSecMax, turnCookiesPerSecMax);
  readonly #handshakeRate = new Allowance(1, turnHandshakesPerSecMax, turnHandshakesBurstMax);
  readonly #sourceRate: ChallengeRate;
  readonly #sources = new Map<string, number>();
  readonly #sweep: NodeJS.Timeout;

  constructor(parts: DtlsListenersParts) {
    this.#parts = parts;
    const { random, clock } = parts;
    this.#sourceRate = new ChallengeRate(random, turnHandshakesPerSourcePerSecMax);
    this.#cookies = new CookieJar({ random, digests: systemDigests, nowMs: clock.monotonicMs() });
    this.#sweep = setInterval(() => this.#closeStuck(), sweepEveryMs);
    this.#sweep.unref();
  }

  get openCount(): number {
    return this.#listeners.reduce((sum, { clients }) => sum + clients.size, 0);
  }

  /** Rejects with the system's error. */
  listen(endpoint: Endpoint): Promise<readonly Endpoint[]> {
    return listenAtEach(wildcardEndpoints(endpoint), async (wanted) => {
      const socket = await bindMedia(wanted, listenerBufferBytes);
      const local = { ip: wanted.ip, port: socket.address().port };
      const listener: Listener = { socket, local, clients: new Map() };
      this.#listeners.push(listener);
      socket.on("message", (bytes, { address, port: from }) => {
        const source = parseIp(address);
        if (source !== undefined && from !== 0) this.#receive(listener, { ip: source, port: from }, bytes);
      });
      return local;
    });
  }

  /** For associations from now on. */
  renew(certificate: Certificate): void {
    this.#parts.engine.renew(certificate);
  }

  async close(): Promise<void> {
    clearInterval(this.#sweep);
    for (const { socket, clients } of this.#listeners.splice(0)) {
      for (const client of [...clients.values()]) client.close();
      await new Promise<void>((done) => socket.close(done));
    }
  }

  #receive(listener: Listener, source: Endpoint, bytes: Uint8Array): void {
    const client = listener.clients.get(formatEndpoint(source));
    const isHandshake = bytes[0] === handshakeRecord;
    if (client?.isConnected === true && !isHandshake) {
      client.receive(bytes);
      return;
    }
    const datagram = readDatagram(bytes);
    if (datagram === undefined) {
      this.counts.ignored++;
      return;
    }
    const { hello, records } = datagram;
    if (hello === undefined || client?.isBegunBy(hello) === true) {
      if (client === undefined) this.counts.ignored++;
      else if (client.isConnected) client.receive(bytes);
      else if (records.length > 0) client.receive(records);
    } else this.#greet(listener, source, hello, records);
  }

  /** Somebody new, or somebody who has lost what there was between us. */
  #greet(listener: Listener, source: Endpoint, hello: ClientHello, records: Uint8Array): void {
    const nowMs = this.#parts.clock.monotonicMs();
    const { facts } = hello;
    if (facts === undefined || hello.messageSeq > 1) {
      this.counts.ignored++;
      return;
    }
    if (hello.messageSeq === 1 && this.#cookies.isGood(nowMs, source, facts)) {
      this.#open(listener, source, hello, records);
      return;
    }
    if (!this.#cookieRate.take(0, nowMs)) {
      this.counts.refused++;
      return;
    }
    this.counts.cookies++;
    const answer = encodeHelloVerifyRequest(hello, this.#cookies.bake(nowMs, source, facts));
    listener.socket.send(answer, source.port, source.ip, () => undefined);
  }

  #open(listener: Listener, source: Endpoint, hello: ClientHello, records: Uint8Array): void {
    const key = formatEndpoint(source);
    listener.clients.get(key)?.close();
    const name = sourceName(source.ip);
    const ofSource = this.#sources.get(name) ?? 0;
    const isFull = this.openCount >= turnAssociationsMax || ofSource >= turnAssociationsPerSourceMax;
    const nowMs = this.#parts.clock.monotonicMs();
    // One source must not use up what all have together.
    const mayBegin = this.#sourceRate.take(nowMs, source.ip) && this.#handshakeRate.take(0, nowMs);
    if (isFull || !mayBegin) {
      this.counts.refused++;
      return;
    }
    const { hub, onEnd, engine } = this.#parts;
    this.#sources.set(name, ofSource + 1);
    const client = new DtlsClient({
      client: { transport: "dtls", remote: source, local: listener.local },
      connection: engine.open(),
      hello,
      hub,
      transmit: (bytes, done) => listener.socket.send(bytes, source.port, source.ip, done),
      onEnd: (turnClient, wasConnected) => {
        listener.clients.delete(key);
        const left = (this.#sources.get(name) ?? 1) - 1;
        if (left === 0) this.#sources.delete(name);
        else this.#sources.set(name, left);
        if (wasConnected) onEnd(turnClient);
        else this.counts.failed++;
      },
    });
    this.counts.accepted++;
    listener.clients.set(key, client);
    client.receive(records);
  }

  #closeStuck(): void {
    const nowMs = performance.now() as MonotonicMs;
    for (const { clients } of this.#listeners) {
      for (const client of [...clients.values()]) client.closeIfStuck(nowMs, dtlsHandshakeMsMax);
    }
  }
}
