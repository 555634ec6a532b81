/** Self-signed ECDSA P-256 certificates (RFC 8827 section 6.5), made and read with OpenSSL. */
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import type { FingerprintHash } from "../../core/plan/security.ts";
import type { Arena } from "./arena.ts";
import { bindOpenSsl } from "./openssl.ts";

const prototypes = {
  keyContextNew: "uintptr_t EVP_PKEY_CTX_new_id(int, uintptr_t)",
  keyContextFree: "void EVP_PKEY_CTX_free(uintptr_t)",
  keyGenInit: "int EVP_PKEY_keygen_init(uintptr_t)",
  keyGenCurve: "int EVP_PKEY_CTX_set_ec_paramgen_curve_nid(uintptr_t, int)",
  keyGen: "int EVP_PKEY_keygen(uintptr_t, uintptr_t)",
  keyFree: "void EVP_PKEY_free(uintptr_t)",
  sha256: "uintptr_t EVP_sha256()",
  certificateNew: "uintptr_t X509_new()",
  certificateFree: "void X509_free(uintptr_t)",
  setVersion: "int X509_set_version(uintptr_t, long)",
  serial: "uintptr_t X509_get_serialNumber(uintptr_t)",
  setInteger: "int ASN1_INTEGER_set_uint64(uintptr_t, uint64_t)",
  notBefore: "uintptr_t X509_getm_notBefore(uintptr_t)",
  notAfter: "uintptr_t X509_getm_notAfter(uintptr_t)",
  adjustTime: "uintptr_t X509_gmtime_adj(uintptr_t, long)",
  subject: "uintptr_t X509_get_subject_name(uintptr_t)",
  addNameEntry: "int X509_NAME_add_entry_by_NID(uintptr_t, int, int, uintptr_t, int, int, int)",
  setIssuer: "int X509_set_issuer_name(uintptr_t, uintptr_t)",
  setPublicKey: "int X509_set_pubkey(uintptr_t, uintptr_t)",
  sign: "int X509_sign(uintptr_t, uintptr_t, uintptr_t)",
  encode: "int i2d_X509(uintptr_t, uintptr_t)",
  /** (bytes, sizeBytes, digest) */
  "sha-1": "uintptr_t SHA1(uintptr_t, size_t, uintptr_t)",
  "sha-224": "uintptr_t SHA224(uintptr_t, size_t, uintptr_t)",
  "sha-256": "uintptr_t SHA256(uintptr_t, size_t, uintptr_t)",
  "sha-384": "uintptr_t SHA384(uintptr_t, size_t, uintptr_t)",
  "sha-512": "uintptr_t SHA512(uintptr_t, size_t, uintptr_t)",
} as const;

const digestBytes: Readonly<Record<FingerprintHash, number>> = {
  "sha-1": 20,
  "sha-224": 28,
  "sha-256": 32,
  "sha-384": 48,
  "sha-512": 64,
};

/** Numbers of OpenSSL's object table (openssl/obj_mac.h). */
const nid = { commonName: 13, ecPublicKey: 408, prime256v1: 415 } as const;
/** MBSTRING_ASC */
const asciiString = 0x1001;
/** X.509 version 3 is written as 2 (RFC 5280 section 4.1.2.1). */
const version3 = 2;
const daySec = 24 * 60 * 60;
/** Clocks of peers that look at all may be off by a day. */
const validBeforeSec = daySec;
/** Longer than a certificate is in use, since some calls outlive its day. */
const validAfterSec = 90 * daySec;
const commonName = "rtpferry";

/** Offsets in the arena: what OpenSSL writes a pointer to, a digest, and bytes. */
const pointerOffset = 0;
const digestOffset = 64;
const bytesOffset = 128;

export interface KeyedCertificate {
  /** EVP_PKEY and X509; the owner frees them. */
  readonly key: number;
  readonly certificate: number;
}

export class CertificateMaker {
  readonly #calls = bindOpenSsl(prototypes);
  readonly #arena: Arena;

  /** Uses the arena during calls alone. Throws when the node binary lacks a symbol. */
  constructor(arena: Arena) {
    this.#arena = arena;
  }

  make(): KeyedCertificate {
    const calls = this.#calls;
    const key = this.#makeKey();
    const certificate = Number(calls.certificateNew());
    const subject = Number(calls.subject(certificate));
    Buffer.from(this.#arena.bytes.buffer).write(commonName, bytesOffset, "latin1");
    const name = this.#arena.address + bytesOffset;
    const isMade =
      calls.setVersion(certificate, version3) === 1 &&
      calls.setInteger(Number(calls.serial(certificate)), randomInt(1, 2 ** 48 - 1)) === 1 &&
      Number(calls.adjustTime(Number(calls.notBefore(certificate)), -validBeforeSec)) !== 0 &&
      Number(calls.adjustTime(Number(calls.notAfter(certificate)), validAfterSec)) !== 0 &&
      calls.addNameEntry(subject, nid.commonName, asciiString, name, commonName.length, -1, 0) === 1 &&
      calls.setIssuer(certificate, subject) === 1 &&
      calls.setPublicKey(certificate, key) === 1 &&
      calls.sign(certificate, key, Number(calls.sha256())) > 0;
    assert(isMade, "OpenSSL made no certificate");
    return { key, certificate };
  }

  free(made: KeyedCertificate): void {
    this.#calls.certificateFree(made.certificate);
    this.#calls.keyFree(made.key);
  }

  /** Hash of an X509's DER encoding; undefined if that is larger than the arena. */
  digest(certificate: number, hash: FingerprintHash): Uint8Array | undefined {
    const calls = this.#calls;
    const { bytes, view, address } = this.#arena;
    const sizeBytes = calls.encode(certificate, 0);
    if (sizeBytes <= 0 || sizeBytes > bytes.length - bytesOffset) return undefined;
    view.setBigUint64(pointerOffset, BigInt(address + bytesOffset), true);
    calls.encode(certificate, address + pointerOffset);
    // In one call: an object of node:crypto costs more than the hash.
    calls[hash](address + bytesOffset, sizeBytes, address + digestOffset);
    return bytes.slice(digestOffset, digestOffset + digestBytes[hash]);
  }

  #makeKey(): number {
    const calls = this.#calls;
    const { view, address } = this.#arena;
    const context = Number(calls.keyContextNew(nid.ecPublicKey, 0));
    view.setBigUint64(pointerOffset, 0n, true);
    const isMade =
      calls.keyGenInit(context) === 1 &&
      calls.keyGenCurve(context, nid.prime256v1) === 1 &&
      calls.keyGen(context, address + pointerOffset) === 1;
    calls.keyContextFree(context);
    assert(isMade, "OpenSSL made no key");
    return Number(view.getBigUint64(pointerOffset, true));
  }
}
