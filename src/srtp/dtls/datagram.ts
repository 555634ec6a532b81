/**
 * A look into DTLS datagrams before any state is made for them (RFC 6347 sections 4.1, 4.2.1 and 4.2.2).
 *
 *     record:    type(1) version(2) epoch(2) sequence(6) size(2)            fragment
 *     handshake: type(1) size(3) message-seq(2) fragment-offset(3) fragment-size(3)   body
 */

const recordHeaderBytes = 13;
const handshakeHeaderBytes = 12;
const randomBytes = 32;

/** ContentType, IANA TLS ContentType registry. */
const contentType = { changeCipherSpec: 20, alert: 21, handshake: 22 } as const;
/** HandshakeType, IANA TLS HandshakeType registry. */
const handshakeType = { clientHello: 1, serverHello: 2, helloVerifyRequest: 3 } as const;
/** HelloVerifyRequest says DTLS 1.0 whatever is negotiated later (RFC 6347 section 4.2.1). */
const dtls10 = 0xfeff;

export interface DtlsDatagram {
  /**
   * What a connection may be given: records without alerts in clear, which anybody can forge to end a handshake, and
   * without data, which nobody reads. A part of the datagram itself where nothing had to go.
   */
  readonly records: Uint8Array;
  /** Encrypted records among these. */
  readonly encryptedCount: number;
  /** An alert in clear was there. */
  readonly hasClearAlert: boolean;
  /** The datagram begins with a ClientHello or a fragment of one. */
  readonly hello: ClientHello | undefined;
  /** The datagram begins with a server's first answer: a ServerHello or a HelloVerifyRequest. */
  readonly isServerAnswer: boolean;
}

export interface ClientHello {
  /** 0, and 1 after a HelloVerifyRequest. */
  readonly messageSeq: number;
  /** Of the record, six bytes. */
  readonly recordSequence: Uint8Array;
  /** Undefined: a later fragment, or the first one is too short to hold them. */
  readonly facts: ClientHelloFacts | undefined;
}

/** What a cookie is made of, and the cookie. */
export interface ClientHelloFacts {
  /** client_version, random and session_id as they stand in the message. */
  readonly identity: Uint8Array;
  /** Empty before a HelloVerifyRequest. */
  readonly cookie: Uint8Array;
}

/** Undefined: no DTLS, or nothing of use in it. */
export function readDatagram(bytes: Uint8Array): DtlsDatagram | undefined {
  const kept: Uint8Array[] = [];
  let encryptedCount = 0;
  let hasClearAlert = false;
  let offset = 0;
  while (offset < bytes.length) {
    const sizeBytes = recordSizeBytes(bytes, offset);
    // What follows a malformed record cannot be told apart any more.
    if (sizeBytes === 0) break;
    const type = bytes[offset]!;
    const epoch = readUint(bytes, offset + 3, 2);
    if (type === contentType.alert && epoch === 0) hasClearAlert = true;
    else if (isOfUse(type, epoch)) {
      kept.push(bytes.subarray(offset, offset + sizeBytes));
      encryptedCount += epoch;
    }
    offset += sizeBytes;
  }
  const first = kept[0];
  if (first === undefined) {
    if (!hasClearAlert) return undefined;
    return { records: emptyBytes, encryptedCount, hasClearAlert, hello: undefined, isServerAnswer: false };
  }
  const records = joined(kept, bytes);
  const message = clearMessageType(first);
  const hello = message === handshakeType.clientHello ? readClientHello(first) : undefined;
  const isServerAnswer =
    message === handshakeType.serverHello || message === handshakeType.helloVerifyRequest;
  return { records, encryptedCount, hasClearAlert, hello, isServerAnswer };
}

/** The answer that makes a client show that it is where it says to be. Never longer than a ClientHello with a cipher. */
export function encodeHelloVerifyRequest(hello: ClientHello, cookie: Uint8Array): Uint8Array {
  const bodyBytes = 3 + cookie.length;
  const bytes = new Uint8Array(recordHeaderBytes + handshakeHeaderBytes + bodyBytes);
  bytes[0] = contentType.handshake;
  writeUint(bytes, 1, 2, dtls10);
  // The record's number is that of the ClientHello, epoch 0 (RFC 6347 section 4.2.1).
  bytes.set(hello.recordSequence, 5);
  writeUint(bytes, 11, 2, handshakeHeaderBytes + bodyBytes);
  const message = recordHeaderBytes;
  bytes[message] = handshakeType.helloVerifyRequest;
  writeUint(bytes, message + 1, 3, bodyBytes);
  writeUint(bytes, message + 4, 2, hello.messageSeq);
  writeUint(bytes, message + 9, 3, bodyBytes);
  const body = message + handshakeHeaderBytes;
  writeUint(bytes, body, 2, dtls10);
  bytes[body + 2] = cookie.length;
  bytes.set(cookie, body + 3);
  return bytes;
}

const emptyBytes = new Uint8Array(0);

/** Size of the record at this offset with its header; 0: there is none. */
function recordSizeBytes(bytes: Uint8Array, offset: number): number {
  if (offset + recordHeaderBytes > bytes.length) return 0;
  // DTLS 1.0 and 1.2 are 254.255 and 254.253; nothing else has 254.
  if (bytes[offset + 1] !== 0xfe) return 0;
  const sizeBytes = readUint(bytes, offset + 11, 2);
  const end = offset + recordHeaderBytes + sizeBytes;
  return sizeBytes === 0 || end > bytes.length ? 0 : recordHeaderBytes + sizeBytes;
}

/** There are two epochs: what is in clear, and what the one handshake's keys protect. */
function isOfUse(type: number, epoch: number): boolean {
  if (type === contentType.handshake) return epoch <= 1;
  if (type === contentType.alert) return epoch === 1;
  return type === contentType.changeCipherSpec && epoch === 0;
}

/** Type of the handshake message a record in clear begins with; 0: none. */
function clearMessageType(record: Uint8Array): number {
  const isClearHandshake = record[0] === contentType.handshake && readUint(record, 3, 2) === 0;
  return isClearHandshake && record.length >= recordHeaderBytes + handshakeHeaderBytes
    ? record[recordHeaderBytes]!
    : 0;
}

function readClientHello(record: Uint8Array): ClientHello {
  const message = recordHeaderBytes;
  return {
    messageSeq: readUint(record, message + 4, 2),
    recordSequence: record.subarray(5, 11),
    facts: readUint(record, message + 6, 3) === 0 ? readFacts(record) : undefined,
  };
}

/** client_version(2) random(32) session_id<0..32> cookie<0..255> ... (RFC 6347 section 4.2.1) */
function readFacts(record: Uint8Array): ClientHelloFacts | undefined {
  const body = recordHeaderBytes + handshakeHeaderBytes;
  const fragmentBytes = readUint(record, recordHeaderBytes + 9, 3);
  const end = Math.min(record.length, body + fragmentBytes);
  const sessionId = body + 2 + randomBytes;
  if (sessionId >= end) return undefined;
  const sessionIdBytes = record[sessionId]!;
  const cookie = sessionId + 1 + sessionIdBytes;
  if (sessionIdBytes > 32 || cookie >= end) return undefined;
  const cookieEnd = cookie + 1 + record[cookie]!;
  if (cookieEnd > end) return undefined;
  return { identity: record.subarray(body, cookie), cookie: record.subarray(cookie + 1, cookieEnd) };
}

function joined(parts: readonly Uint8Array[], whole: Uint8Array): Uint8Array {
  const sizeBytes = parts.reduce((sum, part) => sum + part.length, 0);
  if (sizeBytes === whole.length) return whole;
  const bytes = new Uint8Array(sizeBytes);
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

function readUint(bytes: Uint8Array, offset: number, sizeBytes: number): number {
  let value = 0;
  for (let index = offset; index < offset + sizeBytes; index++) value = value * 256 + (bytes[index] ?? 0);
  return value;
}

function writeUint(bytes: Uint8Array, offset: number, sizeBytes: number, value: number): void {
  for (let index = 0; index < sizeBytes; index++) {
    bytes[offset + index] = (value >>> (8 * (sizeBytes - 1 - index))) & 0xff;
  }
}
