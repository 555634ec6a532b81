/** A DTLS connection of OpenSSL between two memory BIOs: datagrams are written to one and read from the other. */
import assert from "node:assert/strict";
import { dtlsDatagramSizeBytesMax, jumboSizeBytesMax } from "../../core/limits.ts";
import type { Arena } from "./arena.ts";
import type { SharedCallbacks } from "./dtls-callbacks.ts";
import { cutDatagrams } from "./dtls-records.ts";
import { bioControl, contextOptions, control, type DtlsSymbols, dtls12, sslError } from "./dtls-symbols.ts";

/** Where calls find and leave bytes, from the start of the arena: a record and its header. */
export const ioBytes = 18_432;

/**
 * Forward secrecy alone, with keys of either kind. First those that hash with SHA-256, for which processors have
 * instructions: a handshake hashes more than it enciphers.
 */
const cipherNames = "ECDHE+AES128+AESGCM:ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES";
const groupNames = "X25519:P-256:P-384";

/** What the connections of an engine share. */
export interface DtlsShared {
  readonly arena: Arena;
  readonly calls: DtlsSymbols;
  readonly callbacks: SharedCallbacks;
  /** BIO_ADDR that DTLSv1_listen fills and nobody reads. */
  readonly peerAddress: number;
}

/** An SSL_CTX of DTLS 1.2, to be freed by the caller; cookies are ours and count as checked. `library`: an OSSL_LIB_CTX. */
export function makeDtlsContext(shared: DtlsShared, library: number): number {
  const { calls, callbacks } = shared;
  const context = Number(calls.contextNew(library, 0, Number(calls.dtlsMethod())));
  assert(context !== 0, "OpenSSL makes no SSL_CTX");
  const isMade =
    calls.contextControl(context, control.setVersionMin, dtls12, 0) === 1 &&
    calls.contextControl(context, control.setVersionMax, dtls12, 0) === 1 &&
    calls.contextControl(context, control.setGroups, 0, textAt(shared, groupNames)) === 1 &&
    calls.contextSetCiphers(context, textAt(shared, cipherNames)) === 1;
  assert(isMade, "OpenSSL refuses the settings of DTLS");
  calls.contextControl(context, control.setSessionCache, 0, 0);
  calls.contextSetOptions(context, contextOptions);
  calls.contextSetCookieCheck(context, callbacks.cookie);
  return context;
}

/** Puts a C string at the start of the arena, until the next call that uses it. */
export function textAt({ arena }: DtlsShared, text: string): number {
  const sizeBytes = Buffer.from(arena.bytes.buffer).write(text, 0, "latin1");
  arena.bytes[sizeBytes] = 0;
  return arena.address;
}

export class DtlsChannel {
  /** The SSL object. */
  readonly handle: number;
  readonly #shared: DtlsShared;
  readonly #input: number;
  readonly #output: number;
  #isOpen = true;

  constructor(shared: DtlsShared, context: number) {
    const { calls } = shared;
    this.#shared = shared;
    this.handle = Number(calls.connectionNew(context));
    this.#input = Number(calls.bioNew(Number(calls.bioMemory())));
    this.#output = Number(calls.bioNew(Number(calls.bioMemory())));
    assert(this.handle !== 0 && this.#input !== 0 && this.#output !== 0, "OpenSSL is out of memory");
    // An empty BIO means "later", not the end.
    calls.bioControl(this.#input, bioControl.setEndOfData, -1, 0);
    calls.bioControl(this.#output, bioControl.setEndOfData, -1, 0);
    calls.setBios(this.handle, this.#input, this.#output);
    calls.setTimer(this.handle, shared.callbacks.timer);
    calls.connectionControl(this.handle, control.setMtu, dtlsDatagramSizeBytesMax, 0);
  }

  /** Runs what calls OpenSSL: its errors wait in a queue of the thread that node's crypto reads too, and are taken away. */
  run(step: () => void): void {
    assert(this.#isOpen);
    const { calls } = this.#shared;
    calls.clearErrors();
    try {
      step();
    } finally {
      calls.clearErrors();
    }
  }

  /** Lets `take` call OpenSSL while a datagram waits for it. */
  feed(datagram: Uint8Array, take: () => void): void {
    assert(datagram.length <= jumboSizeBytesMax);
    const { arena, calls } = this.#shared;
    arena.bytes.set(datagram, 0);
    calls.bioWrite(this.#input, arena.address, datagram.length);
    take();
    // OpenSSL reads a datagram in one go; were it not so, the next one would begin in the middle of this one.
    calls.bioControl(this.#input, bioControl.reset, 0, 0);
  }

  /** Tells OpenSSL that the cookie was asked for, so that it counts messages from one; false: this is no such hello. */
  acceptCookie(): boolean {
    return this.#shared.calls.listen(this.handle, this.#shared.peerAddress) === 1;
  }

  handshake(): "done" | "waiting" | "failed" {
    const result = this.#shared.calls.handshake(this.handle);
    if (result === 1) return "done";
    return this.isWaiting(result) ? "waiting" : "failed";
  }

  /** Whether a call that returned this only needs more datagrams. */
  isWaiting(result: number): boolean {
    const error = this.#shared.calls.errorOf(this.handle, result);
    return error === sslError.wantRead || error === sslError.wantWrite;
  }

  /** Sends again what is due; false: the peer was given up. */
  handleTimeout(): boolean {
    return this.#shared.calls.connectionControl(this.handle, control.handleTimeout, 0, 0) >= 0;
  }

  /** Until `handleTimeout` is due; undefined: nothing is waited for. */
  timeoutMs(): number | undefined {
    const { arena, calls } = this.#shared;
    if (calls.connectionControl(this.handle, control.getTimeout, 0, arena.address) !== 1) return undefined;
    // struct timeval: seconds and microseconds, 64 bits each, of which few are used.
    return arena.view.getInt32(0, true) * 1_000 + arena.view.getInt32(8, true) / 1_000;
  }

  /** What OpenSSL wrote since the last time. */
  flush(): readonly Uint8Array[] {
    const { arena, calls } = this.#shared;
    const sizeBytes = calls.bioRead(this.#output, arena.address, ioBytes);
    if (sizeBytes <= 0) return [];
    calls.bioControl(this.#output, bioControl.reset, 0, 0);
    return cutDatagrams(arena, sizeBytes);
  }

  /** May be called again. */
  free(): void {
    // It frees the BIOs too.
    if (this.#isOpen) this.#shared.calls.connectionFree(this.handle);
    this.#isOpen = false;
  }
}
