/**
 * DTLS by the OpenSSL inside the node binary, over memory BIOs: datagrams are written to one and read from the other.
 *
 * OpenSSL checks neither chains nor names here, but asks us about the peer's certificate (`DtlsOptions.accepts`), whose
 * private key it makes the peer prove. Its three callbacks come only while one of our calls runs, so the connection
 * they belong to is the one kept in `current`.
 */
import assert from "node:assert/strict";
import koffi from "koffi";
import {
  dtlsCertificatesSizeBytesMax,
  dtlsDatagramSizeBytesMax,
  jumboSizeBytesMax,
} from "../../core/limits.ts";
import type { FingerprintHash } from "../../core/plan/security.ts";
import type {
  DtlsCertificate,
  DtlsConnection,
  DtlsEngine,
  DtlsOptions,
  DtlsOutcome,
  DtlsProgress,
  KeyingMaterial,
} from "../../srtp/dtls/engine.ts";
import { type DtlsProfile, dtlsProfiles, keyingSizeBytes, profileOf } from "../../srtp/dtls/profiles.ts";
import { Arena } from "./arena.ts";
import { CertificateMaker, type KeyedCertificate } from "./certificate-openssl.ts";
import { registerCallback, type SharedCallbacks, sharedCallbacks } from "./dtls-callbacks.ts";
import { cutDatagrams } from "./dtls-records.ts";
import { dtlsFault } from "./dtls-self-test.ts";
import {
  bindDtlsSymbols,
  bioControl,
  certificateRejected,
  contextOptions,
  control,
  type DtlsSymbols,
  demandCertificate,
  dtls12,
  sslError,
} from "./dtls-symbols.ts";

/** Forward secrecy alone; ECDSA is our own certificate's, RSA that of some servers. */
const cipherNames = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES";
const groupNames = "X25519:P-256:P-384";
/** RFC 5764 section 4.2 */
const exporterLabel = "EXTRACTOR-dtls_srtp";

/** Where calls find and leave bytes. */
const ioBytes = 16_384;

/** An engine that has passed its self test (a few milliseconds); undefined: this process cannot do DTLS, and why. */
export function openDtlsEngine(): { readonly engine: DtlsEngine | undefined; readonly why: string } {
  try {
    const engine = new OpenSslDtls();
    const fault = dtlsFault(engine);
    return fault === undefined ? { engine, why: "" } : { engine: undefined, why: fault };
  } catch (error) {
    return { engine: undefined, why: error instanceof Error ? error.message : String(error) };
  }
}

/** The connection whose call runs. */
let current: Connection | undefined;

type Callbacks = SharedCallbacks & { readonly certificate: number };
/** Made once a process: koffi never gives the memory back while they are registered. */
let callbacks: Callbacks | undefined;

function registerCallbacks(): Callbacks {
  const check = (store: number): number => (current?.checkPeer(Number(store)) === true ? 1 : 0);
  const prototype = "int DtlsCertificateCheck(uintptr_t, uintptr_t)";
  return { ...sharedCallbacks(), certificate: registerCallback(prototype, check) };
}

class OpenSslDtls implements DtlsEngine {
  readonly #shared: Shared;

  constructor() {
    const arena = new Arena(3 * ioBytes);
    const calls = bindDtlsSymbols();
    const certificates = new CertificateMaker(arena);
    callbacks ??= registerCallbacks();
    this.#shared = { arena, calls, certificates, callbacks, peerAddress: Number(calls.addressNew()) };
  }

  createCertificate(): DtlsCertificate {
    return new Certificate(this.#shared);
  }

  open(options: DtlsOptions): DtlsConnection {
    return new Connection(this.#shared, options);
  }
}

interface Shared {
  readonly arena: Arena;
  readonly calls: DtlsSymbols;
  readonly certificates: CertificateMaker;
  readonly callbacks: Callbacks;
  /** BIO_ADDR that DTLSv1_listen fills and nobody reads. */
  readonly peerAddress: number;
}

/** A certificate of ours in its SSL_CTX. */
class Certificate implements DtlsCertificate {
  readonly context: number;
  readonly #shared: Shared;
  readonly #made: KeyedCertificate;
  /** Every offer and answer asks for one. */
  readonly #digests = new Map<FingerprintHash, Uint8Array>();
  #isOpen = true;

  constructor(shared: Shared) {
    const { calls, certificates } = shared;
    this.#shared = shared;
    this.context = makeContext(shared);
    this.#made = certificates.make();
    const isUsable =
      calls.contextUseCertificate(this.context, this.#made.certificate) === 1 &&
      calls.contextUseKey(this.context, this.#made.key) === 1;
    assert(isUsable, "OpenSSL takes no certificate of its own");
  }

  digest(hash: FingerprintHash): Uint8Array {
    const known = this.#digests.get(hash);
    if (known !== undefined) return known;
    assert(this.#isOpen);
    const made = this.#shared.certificates.digest(this.#made.certificate, hash);
    assert(made !== undefined, "OpenSSL encodes no certificate of its own");
    this.#digests.set(hash, made);
    return made;
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#shared.calls.contextFree(this.context);
    this.#shared.certificates.free(this.#made);
  }
}

function makeContext(shared: Shared): number {
  const { calls } = shared;
  const context = Number(calls.contextNew(Number(calls.dtlsMethod())));
  assert(context !== 0, "OpenSSL makes no SSL_CTX");
  const profiles = dtlsProfiles.map(({ name }) => name).join(":");
  const isMade =
    calls.contextControl(context, control.setVersionMin, dtls12, 0) === 1 &&
    calls.contextControl(context, control.setVersionMax, dtls12, 0) === 1 &&
    calls.contextControl(context, control.setGroups, 0, textAt(shared, groupNames)) === 1 &&
    calls.contextSetCiphers(context, textAt(shared, cipherNames)) === 1 &&
    // This one returns 0 when all is well.
    calls.contextSetProfiles(context, textAt(shared, profiles)) === 0;
  assert(isMade, "OpenSSL refuses the settings of DTLS");
  calls.contextControl(context, control.setSessionCache, 0, 0);
  calls.contextControl(context, control.setCertificatesSizeMax, dtlsCertificatesSizeBytesMax, 0);
  calls.contextSetOptions(context, contextOptions);
  calls.contextSetVerify(context, demandCertificate, 0);
  calls.contextSetCertificateCheck(context, shared.callbacks.certificate, 0);
  calls.contextSetCookieCheck(context, shared.callbacks.cookie);
  return context;
}

/** Puts a C string at the start of the arena, until the next call that uses it. */
function textAt(shared: Shared, text: string): number {
  const { bytes, address } = shared.arena;
  const sizeBytes = Buffer.from(bytes.buffer).write(text, 0, "latin1");
  bytes[sizeBytes] = 0;
  return address;
}

/** Equal to none. */
const noDigest = new Uint8Array(0);

/** By address: they are entries of a table in OpenSSL. */
const profiles = new Map<number, DtlsProfile | undefined>();

function profileAt(address: number): DtlsProfile | undefined {
  if (!profiles.has(address)) {
    // struct srtp_protection_profile_st { const char *name; unsigned long id; }
    profiles.set(address, profileOf(Number(koffi.decode(BigInt(address) + 8n, "unsigned long"))));
  }
  return profiles.get(address);
}

const handshaking: DtlsOutcome = { kind: "handshaking" };

class Connection implements DtlsConnection {
  readonly #shared: Shared;
  readonly #accepts: DtlsOptions["accepts"];
  readonly #connection: number;
  readonly #input: number;
  readonly #output: number;
  #isListening: boolean;
  #hasPeer = false;
  #isPeerWrong = false;
  #isOpen = true;
  #outcome: DtlsOutcome = handshaking;

  constructor(shared: Shared, options: DtlsOptions) {
    const { calls } = shared;
    assert(options.certificate instanceof Certificate);
    this.#shared = shared;
    this.#accepts = options.accepts;
    this.#isListening = options.hasCookie;
    this.#connection = Number(calls.connectionNew(options.certificate.context));
    this.#input = Number(calls.bioNew(Number(calls.bioMemory())));
    this.#output = Number(calls.bioNew(Number(calls.bioMemory())));
    assert(this.#connection !== 0 && this.#input !== 0 && this.#output !== 0, "OpenSSL is out of memory");
    // An empty BIO means "later", not the end.
    calls.bioControl(this.#input, bioControl.setEndOfData, -1, 0);
    calls.bioControl(this.#output, bioControl.setEndOfData, -1, 0);
    calls.setBios(this.#connection, this.#input, this.#output);
    calls.setTimer(this.#connection, shared.callbacks.timer);
    calls.connectionControl(this.#connection, control.setMtu, dtlsDatagramSizeBytesMax, 0);
    if (options.role === "server") calls.setAccepting(this.#connection);
    else calls.setConnecting(this.#connection);
  }

  start(): DtlsProgress {
    return this.#run(() => this.#handshake());
  }

  receive(datagram: Uint8Array): DtlsProgress {
    if (datagram.length > Math.min(ioBytes, jumboSizeBytesMax))
      return { datagrams: [], outcome: this.#outcome };
    return this.#run(() => {
      const { arena, calls } = this.#shared;
      arena.bytes.set(datagram, 0);
      calls.bioWrite(this.#input, arena.address, datagram.length);
      this.#take();
      // OpenSSL reads a datagram in one go; were it not so, the next one would begin in the middle of this one.
      calls.bioControl(this.#input, bioControl.reset, 0, 0);
    });
  }

  handleTimeout(): DtlsProgress {
    return this.#run(() => {
      if (this.#outcome.kind !== "handshaking") return;
      const result = this.#shared.calls.connectionControl(this.#connection, control.handleTimeout, 0, 0);
      if (result < 0) this.#fail();
    });
  }

  timeoutMs(): number | undefined {
    if (this.#outcome.kind !== "handshaking") return undefined;
    const { arena, calls } = this.#shared;
    if (calls.connectionControl(this.#connection, control.getTimeout, 0, arena.address) !== 1)
      return undefined;
    // struct timeval: seconds and microseconds, 64 bits each, of which few are used.
    return arena.view.getInt32(0, true) * 1000 + arena.view.getInt32(8, true) / 1000;
  }

  close(): void {
    // It frees the BIOs too.
    if (this.#isOpen) this.#shared.calls.connectionFree(this.#connection);
    this.#isOpen = false;
  }

  /** Called back by OpenSSL with its X509_STORE_CTX when the peer has shown its certificate. */
  checkPeer(store: number): boolean {
    const { calls } = this.#shared;
    this.#hasPeer = this.#isAccepted(Number(calls.storeCertificate(store)));
    this.#isPeerWrong = !this.#hasPeer;
    if (!this.#hasPeer) calls.storeSetError(store, certificateRejected);
    return this.#hasPeer;
  }

  /** An exception must not cross OpenSSL's frames: whoever cannot be judged is refused. */
  #isAccepted(certificate: number): boolean {
    if (certificate === 0) return false;
    const { certificates } = this.#shared;
    try {
      return this.#accepts({ digest: (hash) => certificates.digest(certificate, hash) ?? noDigest });
    } catch {
      return false;
    }
  }

  /** OpenSSL's errors wait in a queue of the thread that node's crypto reads too: it is left empty. */
  #run(step: () => void): DtlsProgress {
    assert(this.#isOpen && current === undefined);
    const { calls } = this.#shared;
    calls.clearErrors();
    current = this;
    try {
      if (this.#outcome.kind !== "failed") step();
    } finally {
      current = undefined;
      calls.clearErrors();
    }
    return { datagrams: this.#flush(), outcome: this.#outcome };
  }

  #take(): void {
    const { arena, calls, peerAddress } = this.#shared;
    if (this.#outcome.kind === "connected") {
      // Answers what has to be answered; what comes out is dropped, be it data or the peer's farewell.
      calls.read(this.#connection, arena.address, ioBytes);
      calls.freeBuffers(this.#connection);
      return;
    }
    if (this.#isListening) {
      // Tells OpenSSL that the cookie was asked for, so that it counts messages from one.
      if (calls.listen(this.#connection, peerAddress) !== 1) {
        this.#fail();
        return;
      }
      this.#isListening = false;
    }
    this.#handshake();
  }

  #handshake(): void {
    const { calls } = this.#shared;
    const result = calls.handshake(this.#connection);
    if (result === 1) {
      this.#finish();
      return;
    }
    const error = calls.errorOf(this.#connection, result);
    if (error !== sslError.wantRead && error !== sslError.wantWrite) this.#fail();
  }

  #fail(): void {
    this.#outcome = { kind: "failed", reason: this.#isPeerWrong ? "wrong-certificate" : "handshake" };
  }

  #finish(): void {
    const keying = this.#hasPeer ? this.#exportKeying() : undefined;
    if (keying !== undefined) {
      this.#outcome = { kind: "connected", keying };
      // Two thirds of its memory, which reading takes anew in the rare case.
      this.#shared.calls.freeBuffers(this.#connection);
      return;
    }
    // Says farewell, so that the peer does not believe itself connected.
    this.#shared.calls.shutdown(this.#connection);
    this.#outcome = { kind: "failed", reason: this.#hasPeer ? "no-common-profile" : "handshake" };
  }

  #exportKeying(): KeyingMaterial | undefined {
    const { arena, calls } = this.#shared;
    const chosen = Number(calls.profile(this.#connection));
    if (chosen === 0) return undefined;
    const profile = profileAt(chosen);
    if (profile === undefined) return undefined;
    const sizeBytes = keyingSizeBytes(profile);
    const label = textAt(this.#shared, exporterLabel);
    const at = 64;
    const result = calls.exportKeying(
      this.#connection,
      arena.address + at,
      sizeBytes,
      label,
      exporterLabel.length,
      0,
      0,
      0,
    );
    if (result !== 1) return undefined;
    const bytes = arena.bytes.slice(at, at + sizeBytes);
    arena.bytes.fill(0, at, at + sizeBytes);
    return { profile: profile.number, bytes };
  }

  /** What OpenSSL wrote, cut into datagrams: it writes records one after another, none larger than the MTU. */
  #flush(): readonly Uint8Array[] {
    const { arena, calls } = this.#shared;
    const sizeBytes = calls.bioRead(this.#output, arena.address, ioBytes);
    if (sizeBytes <= 0) return [];
    calls.bioControl(this.#output, bioControl.reset, 0, 0);
    return cutDatagrams(arena, sizeBytes);
  }
}
