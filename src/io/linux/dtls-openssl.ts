/**
 * DTLS by the OpenSSL inside the node binary, over memory BIOs: datagrams are written to one and read from the other.
 *
 * OpenSSL checks neither chains nor names here, but asks us about the peer's certificate (`DtlsOptions.accepts`), whose
 * private key it makes the peer prove. Its three callbacks come only while one of our calls runs, so the connection
 * they belong to is the one kept in `current`.
 */
import assert from "node:assert/strict";
import koffi from "koffi";
import { dtlsCertificatesSizeBytesMax, jumboSizeBytesMax } from "../../core/limits.ts";
import type { FingerprintHash } from "../../core/plan/security.ts";
import { messageOf } from "../../core/thrown.ts";
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
import { DtlsChannel, type DtlsShared, ioBytes, makeDtlsContext, textAt } from "./dtls-channel.ts";
import { certificateLibrary, openSslLibrary } from "./dtls-library.ts";
import { dtlsFault } from "./dtls-self-test.ts";
import { bindDtlsSymbols, certificateRejected, control, demandCertificate } from "./dtls-symbols.ts";

/** RFC 5764 section 4.2 */
const exporterLabel = "EXTRACTOR-dtls_srtp";

export interface DtlsEngineChoice {
  /** Has passed its self test. Undefined: this process cannot do DTLS. */
  readonly engine: DtlsEngine | undefined;
  /** What is wrong with the ways that come before the engine's. */
  readonly faults: readonly string[];
}

/** Takes a few milliseconds. */
export function openDtlsEngine(): DtlsEngineChoice {
  const own = certificateLibrary();
  const faults = own.fault === "" ? [] : [own.fault];
  for (const library of new Set([own.library, openSslLibrary])) {
    try {
      const engine = new OpenSslDtls(library);
      const fault = dtlsFault(engine);
      if (fault === undefined) return { engine, faults };
      faults.push(fault);
    } catch (error) {
      faults.push(messageOf(error));
    }
  }
  return { engine: undefined, faults };
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

  constructor(library: number) {
    const arena = new Arena(3 * ioBytes);
    const calls = bindDtlsSymbols();
    const certificates = new CertificateMaker(arena);
    callbacks ??= registerCallbacks();
    const peerAddress = Number(calls.addressNew());
    this.#shared = { arena, calls, library, certificates, callbacks, peerAddress };
  }

  createCertificate(): DtlsCertificate {
    return new Certificate(this.#shared);
  }

  open(options: DtlsOptions): DtlsConnection {
    return new Connection(this.#shared, options);
  }
}

interface Shared extends DtlsShared {
  /** OSSL_LIB_CTX of the SSL_CTXs. */
  readonly library: number;
  readonly certificates: CertificateMaker;
  readonly callbacks: Callbacks;
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
  const context = makeDtlsContext(shared, shared.library);
  const profiles = dtlsProfiles.map(({ name }) => name).join(":");
  // This one returns 0 when all is well.
  assert.equal(calls.contextSetProfiles(context, textAt(shared, profiles)), 0, "OpenSSL lacks a profile");
  calls.contextControl(context, control.setCertificatesSizeMax, dtlsCertificatesSizeBytesMax, 0);
  calls.contextSetVerify(context, demandCertificate, 0);
  calls.contextSetCertificateCheck(context, shared.callbacks.certificate, 0);
  return context;
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
  readonly #channel: DtlsChannel;
  #isListening: boolean;
  #hasPeer = false;
  #isPeerWrong = false;
  #outcome: DtlsOutcome = handshaking;

  constructor(shared: Shared, options: DtlsOptions) {
    const { calls } = shared;
    assert(options.certificate instanceof Certificate);
    this.#shared = shared;
    this.#accepts = options.accepts;
    this.#isListening = options.hasCookie;
    this.#channel = new DtlsChannel(shared, options.certificate.context);
    if (options.role === "server") calls.setAccepting(this.#channel.handle);
    else calls.setConnecting(this.#channel.handle);
  }

  start(): DtlsProgress {
    return this.#run(() => this.#handshake());
  }

  receive(datagram: Uint8Array): DtlsProgress {
    if (datagram.length > jumboSizeBytesMax) return { datagrams: [], outcome: this.#outcome };
    return this.#run(() => this.#channel.feed(datagram, () => this.#take()));
  }

  handleTimeout(): DtlsProgress {
    return this.#run(() => {
      if (this.#outcome.kind === "handshaking" && !this.#channel.handleTimeout()) this.#fail();
    });
  }

  timeoutMs(): number | undefined {
    return this.#outcome.kind === "handshaking" ? this.#channel.timeoutMs() : undefined;
  }

  close(): void {
    this.#channel.free();
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

  #run(step: () => void): DtlsProgress {
    assert(current === undefined);
    current = this;
    try {
      this.#channel.run(() => {
        if (this.#outcome.kind !== "failed") step();
      });
    } finally {
      current = undefined;
    }
    return { datagrams: this.#channel.flush(), outcome: this.#outcome };
  }

  #take(): void {
    const { arena, calls } = this.#shared;
    if (this.#outcome.kind === "connected") {
      // Answers what has to be answered; what comes out is dropped, be it data or the peer's farewell.
      calls.read(this.#channel.handle, arena.address, ioBytes);
      calls.freeBuffers(this.#channel.handle);
      return;
    }
    if (this.#isListening && !this.#channel.acceptCookie()) {
      this.#fail();
      return;
    }
    this.#isListening = false;
    this.#handshake();
  }

  #handshake(): void {
    const result = this.#channel.handshake();
    if (result === "done") this.#finish();
    if (result === "failed") this.#fail();
  }

  #fail(): void {
    this.#outcome = { kind: "failed", reason: this.#isPeerWrong ? "wrong-certificate" : "handshake" };
  }

  #finish(): void {
    const keying = this.#hasPeer ? this.#exportKeying() : undefined;
    if (keying !== undefined) {
      this.#outcome = { kind: "connected", keying };
      // Two thirds of its memory, which reading takes anew in the rare case.
      this.#shared.calls.freeBuffers(this.#channel.handle);
      return;
    }
    // Says farewell, so that the peer does not believe itself connected.
    this.#shared.calls.shutdown(this.#channel.handle);
    this.#outcome = { kind: "failed", reason: this.#hasPeer ? "no-common-profile" : "handshake" };
  }

  #exportKeying(): KeyingMaterial | undefined {
    const { arena, calls } = this.#shared;
    const chosen = Number(calls.profile(this.#channel.handle));
    if (chosen === 0) return undefined;
    const profile = profileAt(chosen);
    if (profile === undefined) return undefined;
    const sizeBytes = keyingSizeBytes(profile);
    const label = textAt(this.#shared, exporterLabel);
    const at = 64;
    const result = calls.exportKeying(
      this.#channel.handle,
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
}
