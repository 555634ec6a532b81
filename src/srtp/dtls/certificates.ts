/**
 * Certificates of ours by number: one is made at start and then daily, so that a key that leaks opens one day's calls.
 * Associations keep the one they were offered with.
 */
import assert from "node:assert/strict";
import { dtlsCertificatesKeptMin, dtlsCertificatesMax } from "../../core/limits.ts";
import type { CertificateId, Fingerprint, FingerprintHash } from "../../core/plan/security.ts";
import { addMs, type MonotonicMs } from "../../core/time.ts";
import type { DtlsCertificate, DtlsEngine } from "./engine.ts";

const rotationMs = 24 * 60 * 60 * 1000;

interface Entry {
  readonly certificate: DtlsCertificate;
  /** Associations that name it. */
  users: number;
}

export class Certificates {
  readonly #engine: DtlsEngine;
  /** Oldest first. */
  readonly #entries = new Map<CertificateId, Entry>();
  #current: CertificateId;
  #rotateAtMs: MonotonicMs;

  constructor(parts: { readonly engine: DtlsEngine; readonly nowMs: MonotonicMs }) {
    this.#engine = parts.engine;
    this.#current = 1 as CertificateId;
    this.#add(this.#current);
    this.#rotateAtMs = addMs(parts.nowMs, rotationMs);
  }

  /** The newest; what a new association is offered with. */
  current(): CertificateId {
    return this.#current;
  }

  /** Whether this certificate can still be used: it is among the newest, or an association names it. */
  has(id: CertificateId): boolean {
    return this.#entries.has(id);
  }

  /** What SDP says of it (RFC 8122 section 5). The certificate must be there. */
  fingerprint(id: CertificateId, hash: FingerprintHash): Fingerprint {
    return { hash, value: this.#entry(id).certificate.digest(hash) };
  }

  /** The certificate stays until it is released as often. It must be there. */
  retain(id: CertificateId): DtlsCertificate {
    const entry = this.#entry(id);
    entry.users++;
    return entry.certificate;
  }

  release(id: CertificateId): void {
    const entry = this.#entry(id);
    assert(entry.users > 0);
    entry.users--;
    this.#dropOld();
  }

  nextDeadlineMs(): MonotonicMs {
    return this.#rotateAtMs;
  }

  handleTimeout(nowMs: MonotonicMs): void {
    if (nowMs < this.#rotateAtMs) return;
    this.#rotateAtMs = addMs(nowMs, rotationMs);
    // With so many in use the newest serves on.
    if (this.#entries.size >= dtlsCertificatesMax) return;
    this.#current = (this.#current + 1) as CertificateId;
    this.#add(this.#current);
    this.#dropOld();
  }

  close(): void {
    for (const entry of this.#entries.values()) entry.certificate.close();
    this.#entries.clear();
  }

  #add(id: CertificateId): void {
    this.#entries.set(id, { certificate: this.#engine.createCertificate(), users: 0 });
  }

  #entry(id: CertificateId): Entry {
    const entry = this.#entries.get(id);
    assert(entry !== undefined, `no certificate ${id}`);
    return entry;
  }

  #dropOld(): void {
    for (const [id, entry] of this.#entries) {
      if (id > this.#current - dtlsCertificatesKeptMin) return;
      if (entry.users > 0) continue;
      entry.certificate.close();
      this.#entries.delete(id);
    }
  }
}
