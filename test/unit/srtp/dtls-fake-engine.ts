/**
 * An engine whose handshake has the shape of DTLS on the wire and no cryptography: ClientHello, ServerHello, the
 * client's certificate, the server's Finished. Lost flights are sent again after `fakeTimerMs` of the rig's clock.
 */
import type { FingerprintHash } from "../../../src/core/plan/security.ts";
import type {
  DtlsCertificate,
  DtlsConnection,
  DtlsEngine,
  DtlsOptions,
  DtlsOutcome,
  DtlsProgress,
} from "../../../src/srtp/dtls/engine.ts";

export const fakeTimerMs = 400;
const profile = 1;
const keyingBytes = 60;

/** A record with one whole handshake message, or a fragment of it. */
export function handshakeRecord(parts: {
  readonly type: number;
  readonly body: Uint8Array;
  readonly epoch?: number;
  readonly messageSeq?: number;
  readonly recordSequence?: number;
  readonly fragmentOffset?: number;
  readonly messageBytes?: number;
}): Buffer {
  const { type, body, epoch = 0, messageSeq = 0, recordSequence = 0, fragmentOffset = 0 } = parts;
  const bytes = Buffer.alloc(25 + body.length);
  bytes[0] = 22;
  bytes.writeUInt16BE(0xfefd, 1);
  bytes.writeUInt16BE(epoch, 3);
  bytes.writeUIntBE(recordSequence, 5, 6);
  bytes.writeUInt16BE(12 + body.length, 11);
  bytes[13] = type;
  bytes.writeUIntBE(parts.messageBytes ?? body.length, 14, 3);
  bytes.writeUInt16BE(messageSeq, 17);
  bytes.writeUIntBE(fragmentOffset, 19, 3);
  bytes.writeUIntBE(body.length, 22, 3);
  bytes.set(body, 25);
  return bytes;
}

/** Body of a ClientHello; random is one number repeated, and so tells clients apart. */
export function clientHelloBody(random: number, cookie: Uint8Array = new Uint8Array(0)): Buffer {
  return Buffer.concat([
    Buffer.from([0xfe, 0xfd]),
    Buffer.alloc(32, random),
    Buffer.from([0, cookie.length]),
    cookie,
    Buffer.from([0, 2, 0xc0, 0x2b, 1, 0]),
  ]);
}

export function clientHello(random: number, cookie: Uint8Array = new Uint8Array(0)): Buffer {
  const messageSeq = cookie.length > 0 ? 1 : 0;
  return handshakeRecord({
    type: 1,
    body: clientHelloBody(random, cookie),
    messageSeq,
    recordSequence: messageSeq,
  });
}

/** The cookie in a HelloVerifyRequest. */
export function cookieIn(bytes: Uint8Array): Uint8Array {
  return bytes.slice(28, 28 + bytes[27]!);
}

export class FakeCertificate implements DtlsCertificate {
  readonly number: number;
  isOpen = true;

  constructor(number: number) {
    this.number = number;
  }

  digest(hash: FingerprintHash): Uint8Array {
    return new Uint8Array(20).fill(this.number).fill(hash.length, 19);
  }

  close(): void {
    this.isOpen = false;
  }
}

export class FakeEngine implements DtlsEngine {
  nowMs = 0;
  readonly connections: FakeConnection[] = [];
  #certificates = 0;
  readonly #first: number;

  /** Certificates are numbered from `first`. */
  constructor(first: number) {
    this.#first = first;
  }

  createCertificate(): FakeCertificate {
    return new FakeCertificate(this.#first + this.#certificates++);
  }

  open(options: DtlsOptions): DtlsConnection {
    const connection = new FakeConnection(this, options);
    this.connections.push(connection);
    return connection;
  }
}

const message = { clientHello: 1, serverHello: 2, helloVerifyRequest: 3, certificate: 11, finished: 20 };

export class FakeConnection implements DtlsConnection {
  readonly options: DtlsOptions;
  readonly #engine: FakeEngine;
  readonly #number: number;
  #flight: readonly Uint8Array[] = [];
  #dueAtMs: number | undefined;
  #recordSequence = 0;
  #outcome: DtlsOutcome = { kind: "handshaking" };

  constructor(engine: FakeEngine, options: DtlsOptions) {
    this.#engine = engine;
    this.options = options;
    const { certificate } = options;
    this.#number = certificate instanceof FakeCertificate ? certificate.number : 0;
  }

  start(): DtlsProgress {
    return this.#give([clientHello(this.#number)]);
  }

  receive(datagram: Uint8Array): DtlsProgress {
    const type = datagram[13];
    if (this.#outcome.kind === "connected") return this.#retransmitted(type === message.certificate);
    if (this.options.role === "server") return this.#serve(type, datagram);
    if (type === message.helloVerifyRequest) {
      return this.#give([clientHello(this.#number, cookieIn(datagram))]);
    }
    if (type === message.serverHello) {
      if (!this.#accepts(datagram[25]!)) return this.#fail();
      return this.#give([this.#record(message.certificate, 0)]);
    }
    if (type === message.finished) return this.#connect([]);
    return this.#retransmitted(false);
  }

  handleTimeout(): DtlsProgress {
    const isDue = this.#dueAtMs !== undefined && this.#engine.nowMs >= this.#dueAtMs;
    if (isDue) this.#dueAtMs = this.#engine.nowMs + fakeTimerMs;
    return this.#retransmitted(isDue);
  }

  timeoutMs(): number | undefined {
    return this.#dueAtMs === undefined ? undefined : Math.max(0, this.#dueAtMs - this.#engine.nowMs);
  }

  close(): void {
    const at = this.#engine.connections.indexOf(this);
    if (at >= 0) this.#engine.connections.splice(at, 1);
  }

  #serve(type: number | undefined, datagram: Uint8Array): DtlsProgress {
    if (type === message.clientHello) return this.#give([this.#record(message.serverHello, 0)]);
    if (type === message.certificate && this.#flight.length > 0) {
      if (!this.#accepts(datagram[25]!)) return this.#fail();
      return this.#connect([this.#record(message.finished, 1)]);
    }
    return this.#retransmitted(false);
  }

  #accepts(number: number): boolean {
    return this.options.accepts(new FakeCertificate(number));
  }

  #record(type: number, epoch: number): Uint8Array {
    const recordSequence = this.#recordSequence++;
    return handshakeRecord({ type, body: Buffer.of(this.#number), epoch, recordSequence });
  }

  #give(flight: readonly Uint8Array[]): DtlsProgress {
    this.#flight = flight;
    this.#dueAtMs = this.#engine.nowMs + fakeTimerMs;
    return { datagrams: flight, outcome: this.#outcome };
  }

  #connect(flight: readonly Uint8Array[]): DtlsProgress {
    this.#flight = flight;
    this.#dueAtMs = undefined;
    const bytes = Uint8Array.from({ length: keyingBytes }, (_, index) => index);
    this.#outcome = { kind: "connected", keying: { profile, bytes } };
    return { datagrams: flight, outcome: this.#outcome };
  }

  #fail(): DtlsProgress {
    this.#outcome = { kind: "failed", reason: "wrong-certificate" };
    return { datagrams: [], outcome: this.#outcome };
  }

  #retransmitted(isDue: boolean): DtlsProgress {
    return { datagrams: isDue ? this.#flight : [], outcome: this.#outcome };
  }
}
