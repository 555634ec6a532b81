/**
 * The server's end of DTLS with application data, by the OpenSSL inside the node binary over memory BIOs: a certificate
 * from PEM files, none demanded of the client, no SRTP (RFC 7350 section 4).
 */
import assert from "node:assert/strict";
import { jumboSizeBytesMax } from "../../core/limits.ts";
import type { DtlsServerConnection, DtlsServerEngine, DtlsServerProgress } from "../turn/dtls-server.ts";
import type { Certificate } from "../turn/stream-listener.ts";
import { Arena } from "./arena.ts";
import { sharedCallbacks } from "./dtls-callbacks.ts";
import { DtlsChannel, type DtlsShared, ioBytes, makeDtlsContext } from "./dtls-channel.ts";
import { openSslLibrary } from "./dtls-library.ts";
import { bindDtlsSymbols } from "./dtls-symbols.ts";
import { bindOpenSsl } from "./openssl.ts";

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

interface Shared extends DtlsShared {
  readonly pem: ReturnType<typeof bindPemSymbols>;
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
  const { calls } = shared;
  const context = makeDtlsContext(shared, openSslLibrary);
  try {
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

class Connection implements DtlsServerConnection {
  readonly #shared: Shared;
  readonly #channel: DtlsChannel;
  #isListening = true;
  #state: DtlsServerProgress["state"] = "handshaking";

  constructor(shared: Shared, context: number) {
    this.#shared = shared;
    this.#channel = new DtlsChannel(shared, context);
    shared.calls.setAccepting(this.#channel.handle);
  }

  receive(datagram: Uint8Array): DtlsServerProgress {
    const messages: Uint8Array[] = [];
    if (datagram.length <= jumboSizeBytesMax) {
      this.#run(() => this.#channel.feed(datagram, () => this.#take(messages)));
    }
    return { datagrams: this.#channel.flush(), messages, state: this.#state };
  }

  send(message: Uint8Array): Uint8Array | undefined {
    if (this.#state !== "connected" || message.length === 0 || message.length > plaintextSizeBytesMax)
      return undefined;
    const { arena, pem } = this.#shared;
    this.#run(() => {
      arena.bytes.set(message, 0);
      pem.write(this.#channel.handle, arena.address, message.length);
    });
    return this.#channel.flush()[0];
  }

  handleTimeout(): DtlsServerProgress {
    this.#run(() => {
      if (this.#state === "handshaking" && !this.#channel.handleTimeout()) this.#state = "over";
    });
    return { datagrams: this.#channel.flush(), messages: [], state: this.#state };
  }

  timeoutMs(): number | undefined {
    return this.#state === "handshaking" ? this.#channel.timeoutMs() : undefined;
  }

  shutdown(): readonly Uint8Array[] {
    if (this.#state !== "connected") return [];
    this.#run(() => this.#shared.calls.shutdown(this.#channel.handle));
    return this.#channel.flush();
  }

  free(): void {
    this.#channel.free();
  }

  #run(step: () => void): void {
    this.#channel.run(() => {
      if (this.#state !== "over") step();
    });
  }

  #take(messages: Uint8Array[]): void {
    if (this.#isListening && !this.#channel.acceptCookie()) {
      this.#state = "over";
      return;
    }
    this.#isListening = false;
    if (this.#state === "handshaking") this.#handshake();
    if (this.#state === "connected") this.#read(messages);
  }

  #handshake(): void {
    const result = this.#channel.handshake();
    if (result === "done") this.#state = "connected";
    if (result === "failed") this.#state = "over";
  }

  #read(messages: Uint8Array[]): void {
    const { arena, calls } = this.#shared;
    // Its buffers stay: OpenSSL 3.0 to 3.1 writes into those that SSL_free_buffers has taken from a DTLS connection.
    for (;;) {
      const sizeBytes = calls.read(this.#channel.handle, arena.address, ioBytes);
      if (sizeBytes <= 0) {
        if (!this.#channel.isWaiting(sizeBytes)) this.#state = "over";
        break;
      }
      messages.push(arena.bytes.slice(0, sizeBytes));
    }
  }
}
