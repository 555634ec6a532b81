/**
 * The server's end of DTLS with application data, by the OpenSSL inside the node binary over memory BIOs: a certificate
 * from PEM files, none demanded of the client, no SRTP (RFC 7350 section 4).
 */
import assert from "node:assert/strict";
import { dtlsDatagramSizeBytesMax, jumboSizeBytesMax } from "../../core/limits.ts";
import type { DtlsServerConnection, DtlsServerEngine, DtlsServerProgress } from "../turn/dtls-server.ts";
import type { Certificate } from "../turn/stream-listener.ts";
import { Arena } from "./arena.ts";
import { type SharedCallbacks, sharedCallbacks } from "./dtls-callbacks.ts";
import { cutDatagrams } from "./dtls-records.ts";
import { bindDtlsSymbols, bioControl, contextOptions, control, dtls12, sslError } from "./dtls-symbols.ts";
import { bindOpenSsl } from "./openssl.ts";

/** Forward secrecy alone, with keys of either kind. */
const cipherNames = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES";
const groupNames = "X25519:P-256:P-384";

/** Where calls find and leave bytes. */
const ioBytes = 18_432;
/** A TLS record's payload (RFC 6347 section 4.1). */
const plaintextSizeBytesMax = 16_384;

/** SSL_CTRL_CHAIN_CERT (openssl/ssl.h). */
const addChainCertificate = 89;

/** Throws when the node binary lacks what it takes. */
export function openDtlsServerEngine(): DtlsServerEngine {
  return new OpenSslServers();
}

function bindPemSymbols() {
  return bindOpenSsl({
    readCertificate: "uintptr_t PEM_read_bio_X509(uintptr_t, uintptr_t, uintptr_t, uintptr_t)",
    readKey: "uintptr_t PEM_read_bio_PrivateKey(uintptr_t, uintptr_t, uintptr_t, uintptr_t)",
    certificateFree: "void X509_free(uintptr_t)",
    keyFree: "void EVP_PKEY_free(uintptr_t)",
    bioFree: "int BIO_free(uintptr_t)",
    write: "int SSL_write(uintptr_t, uintptr_t, int)",
    checkKey: "int SSL_CTX_check_private_key(uintptr_t)",
  });
}

interface Shared {
  readonly arena: Arena;
  readonly calls: ReturnType<typeof bindDtlsSymbols>;
  readonly pem: ReturnType<typeof bindPemSymbols>;
  readonly callbacks: SharedCallbacks;
  /** BIO_ADDR that DTLSv1_listen fills and nobody reads. */
  readonly peerAddress: number;
}

class OpenSslServers implements DtlsServerEngine {
  readonly #shared: Shared;
  #context = 0;

  constructor() {
    const calls = bindDtlsSymbols();
    this.#shared = {
      arena: new Arena(ioBytes),
      calls,
      pem: bindPemSymbols(),
      callbacks: sharedCallbacks(),
      peerAddress: Number(calls.addressNew()),
    };
  }

  renew(certificate: Certificate): void {
    const context = makeContext(this.#shared, certificate);
    // Connections that use the former one keep it alive.
    if (this.#context !== 0) this.#shared.calls.contextFree(this.#context);
    this.#context = context;
  }

  open(): DtlsServerConnection {
    assert(this.#context !== 0, "a DTLS server has no certificate");
    return new Connection(this.#shared, this.#context);
  }
}

function makeContext(shared: Shared, certificate: Certificate): number {
  const { calls, callbacks } = shared;
  const context = Number(calls.contextNew(Number(calls.dtlsMethod())));
  assert(context !== 0, "OpenSSL makes no SSL_CTX");
  try {
    const isMade =
      calls.contextControl(context, control.setVersionMin, dtls12, 0) === 1 &&
      calls.contextControl(context, control.setVersionMax, dtls12, 0) === 1 &&
      calls.contextControl(context, control.setGroups, 0, textAt(shared, groupNames)) === 1 &&
      calls.contextSetCiphers(context, textAt(shared, cipherNames)) === 1;
    assert(isMade, "OpenSSL refuses the settings of DTLS");
    calls.contextControl(context, control.setSessionCache, 0, 0);
    calls.contextSetOptions(context, contextOptions);
    calls.contextSetCookieCheck(context, callbacks.cookie);
    useCertificate(shared, context, certificate);
  } catch (error) {
    calls.contextFree(context);
    throw error;
  } finally {
    calls.clearErrors();
  }
  return context;
}

/** The first certificate is ours, the others its chain. */
function useCertificate(shared: Shared, context: number, { cert, key }: Certificate): void {
  const { calls, pem } = shared;
  const certificates = readPem(shared, cert, (bio) => Number(pem.readCertificate(bio, 0, 0, 0)));
  const [privateKey = 0] = readPem(shared, key, (bio) => Number(pem.readKey(bio, 0, 0, 0)));
  let isRight = certificates.length > 0 && privateKey !== 0;
  for (const [index, each] of certificates.entries()) {
    const result =
      index === 0
        ? calls.contextUseCertificate(context, each)
        : calls.contextControl(context, addChainCertificate, 1, each);
    isRight = isRight && result === 1;
  }
  isRight = isRight && calls.contextUseKey(context, privateKey) === 1 && pem.checkKey(context) === 1;
  for (const each of certificates) pem.certificateFree(each);
  if (privateKey !== 0) pem.keyFree(privateKey);
  if (!isRight) throw new Error("OpenSSL cannot use the certificate and key");
}

/** All objects of a PEM text, to be freed by the caller. */
function readPem(
  { arena, calls, pem }: Shared,
  text: Uint8Array,
  readNext: (bio: number) => number,
): readonly number[] {
  const bio = Number(calls.bioNew(Number(calls.bioMemory())));
  for (let at = 0; at < text.length; at += ioBytes) {
    const part = text.subarray(at, at + ioBytes);
    arena.bytes.set(part, 0);
    calls.bioWrite(bio, arena.address, part.length);
  }
  arena.bytes.fill(0, 0, Math.min(text.length, ioBytes));
  const found: number[] = [];
  for (let each = readNext(bio); each !== 0; each = readNext(bio)) found.push(each);
  pem.bioFree(bio);
  return found;
}

/** Puts a C string at the start of the arena, until the next call that uses it. */
function textAt({ arena }: Shared, text: string): number {
  const sizeBytes = Buffer.from(arena.bytes.buffer).write(text, 0, "latin1");
  arena.bytes[sizeBytes] = 0;
  return arena.address;
}

class Connection implements DtlsServerConnection {
  readonly #shared: Shared;
  readonly #connection: number;
  readonly #input: number;
  readonly #output: number;
  #isListening = true;
  #isOpen = true;
  #state: DtlsServerProgress["state"] = "handshaking";

  constructor(shared: Shared, context: number) {
    const { calls } = shared;
    this.#shared = shared;
    this.#connection = Number(calls.connectionNew(context));
    this.#input = Number(calls.bioNew(Number(calls.bioMemory())));
    this.#output = Number(calls.bioNew(Number(calls.bioMemory())));
    assert(this.#connection !== 0 && this.#input !== 0 && this.#output !== 0, "OpenSSL is out of memory");
    // An empty BIO means "later", not the end.
    calls.bioControl(this.#input, bioControl.setEndOfData, -1, 0);
    calls.bioControl(this.#output, bioControl.setEndOfData, -1, 0);
    calls.setBios(this.#connection, this.#input, this.#output);
    calls.setTimer(this.#connection, shared.callbacks.timer);
    calls.connectionControl(this.#connection, control.setMtu, dtlsDatagramSizeBytesMax, 0);
    calls.setAccepting(this.#connection);
  }

  receive(datagram: Uint8Array): DtlsServerProgress {
    const messages: Uint8Array[] = [];
    if (datagram.length <= Math.min(ioBytes, jumboSizeBytesMax)) {
      this.#run(() => {
        const { arena, calls } = this.#shared;
        arena.bytes.set(datagram, 0);
        calls.bioWrite(this.#input, arena.address, datagram.length);
        this.#take(messages);
        // OpenSSL reads a datagram in one go; were it not so, the next one would begin in the middle of this one.
        calls.bioControl(this.#input, bioControl.reset, 0, 0);
      });
    }
    return { datagrams: this.#flush(), messages, state: this.#state };
  }

  send(message: Uint8Array): Uint8Array | undefined {
    if (this.#state !== "connected" || message.length === 0 || message.length > plaintextSizeBytesMax)
      return undefined;
    const { arena, pem } = this.#shared;
    this.#run(() => {
      arena.bytes.set(message, 0);
      pem.write(this.#connection, arena.address, message.length);
    });
    return this.#flush()[0];
  }

  handleTimeout(): DtlsServerProgress {
    this.#run(() => {
      if (this.#state !== "handshaking") return;
      const result = this.#shared.calls.connectionControl(this.#connection, control.handleTimeout, 0, 0);
      if (result < 0) this.#state = "over";
    });
    return { datagrams: this.#flush(), messages: [], state: this.#state };
  }

  timeoutMs(): number | undefined {
    if (this.#state !== "handshaking") return undefined;
    const { arena, calls } = this.#shared;
    if (calls.connectionControl(this.#connection, control.getTimeout, 0, arena.address) !== 1)
      return undefined;
    // struct timeval: seconds and microseconds, 64 bits each.
    const seconds = Number(arena.view.getBigInt64(0, true));
    return seconds * 1_000 + Number(arena.view.getBigInt64(8, true)) / 1_000;
  }

  shutdown(): readonly Uint8Array[] {
    if (this.#state !== "connected") return [];
    this.#run(() => this.#shared.calls.shutdown(this.#connection));
    return this.#flush();
  }

  free(): void {
    // It frees the BIOs too.
    if (this.#isOpen) this.#shared.calls.connectionFree(this.#connection);
    this.#isOpen = false;
  }

  /** OpenSSL's errors wait in a queue of the thread that node's crypto reads too: it is left empty. */
  #run(step: () => void): void {
    assert(this.#isOpen);
    const { calls } = this.#shared;
    calls.clearErrors();
    try {
      if (this.#state !== "over") step();
    } finally {
      calls.clearErrors();
    }
  }

  #take(messages: Uint8Array[]): void {
    const { calls, peerAddress } = this.#shared;
    if (this.#isListening) {
      // Tells OpenSSL that the cookie was asked for, so that it counts messages from one.
      if (calls.listen(this.#connection, peerAddress) !== 1) {
        this.#state = "over";
        return;
      }
      this.#isListening = false;
    }
    if (this.#state === "handshaking") this.#handshake();
    if (this.#state === "connected") this.#read(messages);
  }

  #handshake(): void {
    const { calls } = this.#shared;
    const result = calls.handshake(this.#connection);
    if (result === 1) {
      this.#state = "connected";
      return;
    }
    const error = calls.errorOf(this.#connection, result);
    if (error !== sslError.wantRead && error !== sslError.wantWrite) this.#state = "over";
  }

  #read(messages: Uint8Array[]): void {
    const { arena, calls } = this.#shared;
    // Its buffers stay: OpenSSL 3.0 to 3.1 writes into those that SSL_free_buffers has taken from a DTLS connection.
    for (;;) {
      const sizeBytes = calls.read(this.#connection, arena.address, ioBytes);
      if (sizeBytes <= 0) {
        const error = calls.errorOf(this.#connection, sizeBytes);
        if (error !== sslError.wantRead && error !== sslError.wantWrite) this.#state = "over";
        break;
      }
      messages.push(arena.bytes.slice(0, sizeBytes));
    }
  }

  #flush(): readonly Uint8Array[] {
    const { arena, calls } = this.#shared;
    const sizeBytes = calls.bioRead(this.#output, arena.address, ioBytes);
    if (sizeBytes <= 0) return [];
    calls.bioControl(this.#output, bioControl.reset, 0, 0);
    return cutDatagrams(arena, sizeBytes);
  }
}
