/**
 * A library context of OpenSSL with what DTLS uses and little else. To read the key of a certificate, OpenSSL 3.0 goes
 * through all decoders there are, forty, and through every algorithm that it has made of any kind, two hundred: 0.17 ms, a
 * sixth of a handshake. With five and seventy it takes 0.05 ms.
 *
 * All algorithms are the default provider's. A provider of ours passes them on and leaves some out (provider-base(7)).
 * OpenSSL asks it by callbacks into JavaScript, some forty times for each SSL_CTX and up to three times for each certificate
 * of a peer, so the context serves main's thread alone.
 */
import koffi from "koffi";
import { messageOf } from "../../core/thrown.ts";
import { Arena } from "./arena.ts";
import { registerCallback } from "./dtls-callbacks.ts";
import { bindOpenSsl } from "./openssl.ts";

/** OpenSSL's own library context. */
export const openSslLibrary = 0;

/** Kinds of operations (openssl/core_dispatch.h). */
const operation = { cipher: 2, keyManagement: 10, encoder: 20, decoder: 21, store: 22 } as const;
/** OSSL_FUNC_PROVIDER_QUERY_OPERATION; OSSL_FUNC_PROVIDER_GET_CAPABILITIES: groups of TLS are capabilities. */
const provides = { algorithms: 1027, capabilities: 1030 } as const;
/** struct ossl_dispatch_st: a number and a function; one of zeros ends a table. */
const dispatch = { function: 8, bytes: 16 } as const;
/** struct ossl_algorithm_st: names, properties, functions, a description; one of zeros ends a table. */
const algorithm = { properties: 8, bytes: 32 } as const;
const hasKnownLayout = process.arch === "x64" || process.arch === "arm64";
const textBytesMax = 16;

/** Of the cipher suites. The random generator takes its own from the default provider's context. */
const ciphers = [
  "AES-128-GCM",
  "AES-256-GCM",
  "ChaCha20-Poly1305",
  "AES-128-CCM",
  "AES-256-CCM",
  "AES-128-CBC",
  "AES-256-CBC",
];
/** Keys that sign in TLS 1.2 (RFC 8422 section 5.10, RFC 5246 section 7.4.1.4.1). */
const signingKeys = ["EC", "RSA", "RSA-PSS", "ED25519", "ED448"];
/** That of the key exchange, and that of a MAC of its own, as with CBC. */
const otherKeys = ["X25519", "HMAC"];

interface Choice {
  /** All have to be there. */
  readonly names: readonly string[];
  /** What the properties of those say that are taken; undefined: all are. */
  readonly properties?: RegExp;
}

/** The operations of which ours offers a part. */
const choices: ReadonlyMap<number, Choice> = new Map<number, Choice>([
  [operation.cipher, { names: ciphers }],
  [operation.keyManagement, { names: [...signingKeys, ...otherKeys] }],
  [
    operation.decoder,
    { names: signingKeys, properties: /\binput=der\b.*\bstructure=SubjectPublicKeyInfo\b/ },
  ],
]);
/** Of a table: more than one may have the same name. */
const chosenMax = 15;

export interface CertificateLibrary {
  /** An OSSL_LIB_CTX, or `openSslLibrary`. */
  readonly library: number;
  /** Why there is none of ours; empty: there is. */
  readonly fault: string;
}

/** One for the process: koffi never gives a callback's memory back. */
let made: CertificateLibrary | undefined;

/** Made when it is first asked for. */
export function certificateLibrary(): CertificateLibrary {
  made ??= makeCertificateLibrary();
  return made;
}

function makeCertificateLibrary(): CertificateLibrary {
  try {
    if (!hasKnownLayout) throw new Error(`structures of OpenSSL on ${process.arch} are not known`);
    return { library: new KeyProvider().makeLibrary(), fault: "" };
  } catch (error) {
    return { library: openSslLibrary, fault: messageOf(error) };
  }
}

function bindProviderSymbols() {
  return bindOpenSsl({
    isAvailable: "int OSSL_PROVIDER_available(uintptr_t, uintptr_t)",
    /** (library, name, whether others are still loaded by default) */
    tryLoad: "uintptr_t OSSL_PROVIDER_try_load(uintptr_t, uintptr_t, int)",
    load: "uintptr_t OSSL_PROVIDER_load(uintptr_t, uintptr_t)",
    addBuiltIn: "int OSSL_PROVIDER_add_builtin(uintptr_t, uintptr_t, uintptr_t)",
    contextOf: "uintptr_t OSSL_PROVIDER_get0_provider_ctx(uintptr_t)",
    /** (provider, kind of operation, where it says that its answer may not be kept) */
    algorithms: "uintptr_t OSSL_PROVIDER_query_operation(uintptr_t, int, uintptr_t)",
    /** (provider, which, whom to tell, an argument for that) */
    capabilities: "int OSSL_PROVIDER_get_capabilities(uintptr_t, uintptr_t, uintptr_t, uintptr_t)",
    newLibrary: "uintptr_t OSSL_LIB_CTX_new()",
    isFips: "int EVP_default_properties_is_fips_enabled(uintptr_t)",
  });
}

class KeyProvider {
  readonly #calls = bindProviderSymbols();
  /** Never given up: OpenSSL reads these tables whenever it looks for an algorithm. */
  readonly #arena = new Arena(2048);
  readonly #text = this.#arena.reserve(textBytesMax);
  readonly #keeping = this.#arena.reserve(4);
  readonly #functions = this.#arena.reserve(3 * dispatch.bytes);
  /** Where the tables of ours are. */
  readonly #chosen = new Map<number, number>();

  /** Throws, saying why, where it cannot be made. */
  makeLibrary(): number {
    const calls = this.#calls;
    // A context of its own would know nothing of that.
    if (calls.isFips(openSslLibrary) === 1) throw new Error("OpenSSL is set to FIPS");
    const isThere = calls.isAvailable(openSslLibrary, this.#textAt("default")) === 1;
    const all = isThere ? calls.tryLoad(openSslLibrary, this.#textAt("default"), 1) : 0;
    if (all === 0) throw new Error("OpenSSL is without its default provider");
    for (const [kind, choice] of choices) this.#chosen.set(kind, this.#choose(all, kind, choice));
    this.#setFunction(0, provides.algorithms, this.#registerAlgorithms(all));
    this.#setFunction(1, provides.capabilities, this.#registerCapabilities(all));
    const library = calls.newLibrary();
    const isMade =
      library !== 0 &&
      calls.addBuiltIn(library, this.#textAt("rtpferry"), this.#registerStart(all)) === 1 &&
      calls.load(library, this.#textAt("rtpferry")) !== 0;
    if (!isMade) throw new Error("OpenSSL refuses a provider");
    return library;
  }

  /** Copies a part of the provider's table. */
  #choose(all: number, kind: number, { names, properties }: Choice): number {
    const { view, address } = this.#arena;
    const table = this.#calls.algorithms(all, kind, address + this.#keeping);
    const start = this.#arena.reserve((chosenMax + 1) * algorithm.bytes);
    const end = start + chosenMax * algorithm.bytes;
    const missing = new Set(names);
    let to = start;
    for (let at = table; at !== 0 && wordAt(at) !== 0n && to < end; at += algorithm.bytes) {
      const [name = ""] = textFrom(at).split(":");
      const isTaken = properties?.test(textFrom(at + algorithm.properties)) ?? true;
      if (!names.includes(name) || !isTaken) continue;
      for (let byte = 0; byte < algorithm.bytes; byte += 8) {
        view.setBigUint64(to + byte, wordAt(at + byte), true);
      }
      missing.delete(name);
      to += algorithm.bytes;
    }
    if (missing.size > 0) throw new Error(`OpenSSL lacks, or names otherwise, ${[...missing].join()}`);
    return address + start;
  }

  #registerAlgorithms(all: number): number {
    const answer = (_context = 0, kind = 0, keeping = 0): number => {
      if (kind === operation.encoder || kind === operation.store) return 0;
      return this.#chosen.get(kind) ?? this.#calls.algorithms(all, kind, keeping);
    };
    return registerCallback("uintptr_t ProviderAlgorithms(uintptr_t, int, uintptr_t)", answer);
  }

  #registerCapabilities(all: number): number {
    const answer = (_context = 0, which = 0, whom = 0, argument = 0): number =>
      this.#calls.capabilities(all, which, whom, argument);
    const prototype = "int ProviderCapabilities(uintptr_t, uintptr_t, uintptr_t, uintptr_t)";
    return registerCallback(prototype, answer);
  }

  /** An OSSL_provider_init_fn: says where the functions are, and in what context of the default provider they run. */
  #registerStart(all: number): number {
    const start = (_handle = 0, _core = 0, functionsAt = 0, contextAt = 0): number => {
      koffi.encode(BigInt(functionsAt), "uint64_t", BigInt(this.#arena.address + this.#functions));
      koffi.encode(BigInt(contextAt), "uint64_t", BigInt(this.#calls.contextOf(all)));
      return 1;
    };
    return registerCallback("int ProviderStart(uintptr_t, uintptr_t, uintptr_t, uintptr_t)", start);
  }

  #setFunction(index: number, number: number, address: number): void {
    const at = this.#functions + index * dispatch.bytes;
    this.#arena.view.setBigUint64(at, BigInt(number), true);
    this.#arena.view.setBigUint64(at + dispatch.function, BigInt(address), true);
  }

  /** A C string, until the next. */
  #textAt(text: string): number {
    this.#arena.bytes.set(Buffer.from(`${text}\0`, "latin1"), this.#text);
    return this.#arena.address + this.#text;
  }
}

function wordAt(address: number): bigint {
  return BigInt(String(koffi.decode(BigInt(address), "uint64_t")));
}

/** The C string that the pointer at the address leads to. */
function textFrom(address: number): string {
  return String(koffi.decode(BigInt(address), "const char *"));
}
