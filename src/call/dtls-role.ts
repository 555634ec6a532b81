/**
 * DTLS-SRTP towards one party: who is the client, and when a new association begins (RFC 5763 section 5, RFC 8842
 * section 5). An ICE restart alone begins none: browsers go on with the association they have.
 */
import { Buffer } from "node:buffer";
import type { CertificateId, Fingerprint, FingerprintHash } from "../core/plan/security.ts";
import type { Random } from "../core/random.ts";
import type { SetupRole } from "../sdp/fingerprint.ts";
import type { MediaSummary } from "../sdp/summary.ts";
import type { DtlsSide, DtlsWords } from "./security-state.ts";
import { ownText } from "./text.ts";

/** Our certificates, as the process that has DTLS made them. */
export interface CertificateSource {
  /** The newest; associations keep the one they were offered with. */
  current(): CertificateId;
  fingerprint(id: CertificateId, hash: FingerprintHash): Fingerprint;
}

export interface DtlsTools {
  readonly certificates: CertificateSource;
  readonly random: Random;
}

export function newDtls({ certificates, random }: DtlsTools): DtlsSide {
  return {
    heard: undefined,
    settled: undefined,
    prefersServer: false,
    certificate: certificates.current(),
    hash: "sha-256",
    association: 1,
    ownTlsId: newTlsId(random),
  };
}

/** 160 bits; RFC 8842 section 4 wants at least 120, in 20 to 255 characters. */
function newTlsId(random: Random): string {
  return Buffer.from(random.bytes(20)).toString("hex");
}

/** What the body says, in copies that may live as long as the call. */
export function dtlsWordsOf({ fingerprints, setup, tlsId }: MediaSummary): DtlsWords {
  return {
    fingerprints: fingerprints.map(({ hash, value }) => ({ hash, value: Uint8Array.from(value) })),
    setup,
    tlsId: tlsId === undefined ? undefined : ownText(tlsId),
  };
}

/** This party answered our `actpass`. Without a=setup an answerer is passive (RFC 4145 section 4). */
export function settleAnswered(side: DtlsSide, words: DtlsWords): void {
  side.heard = words;
  if (words.setup === "holdconn") return;
  settle(side, words.setup === "active" ? "server" : "client");
}

/** Our answer to this party's offer is on its way; `side.heard` is that offer. */
export function settleOffered(side: DtlsSide, tools: DtlsTools): void {
  const { heard } = side;
  if (heard === undefined) return;
  const theirs = heard.fingerprints[0]?.hash ?? side.hash;
  // While an association goes on, so does the fingerprint he was shown (RFC 8842 section 4).
  if (side.settled === undefined) side.hash = theirs;
  if (heard.setup === "holdconn") return;
  const isNew = settle(side, roleAsAnswerer(side, heard.setup));
  if (!isNew) return;
  // The offerer knows nothing of our end yet, so the newest certificate may serve, in the hash he has.
  side.certificate = tools.certificates.current();
  side.hash = theirs;
  side.ownTlsId = newTlsId(tools.random);
}

/** Without a=setup an offerer is active (RFC 4145 section 4). Where both are left to us, an earlier role stays. */
function roleAsAnswerer(side: DtlsSide, setup: SetupRole | undefined): "client" | "server" {
  if (setup === "passive") return "client";
  if (setup !== "actpass") return "server";
  return side.settled?.role ?? (side.prefersServer ? "server" : "client");
}

/** True when another association than the one so far is to be made. */
function settle(side: DtlsSide, role: "client" | "server"): boolean {
  const { heard, settled } = side;
  if (heard === undefined) return false;
  const { fingerprints, tlsId } = heard;
  side.settled = { role, fingerprints, tlsId };
  if (settled === undefined) return false;
  // A party that names a tls-id for the first time says nothing about the association there is.
  const isSameId = settled.tlsId === undefined || settled.tlsId === tlsId;
  const isSame = settled.role === role && isSameId && isSameSet(settled.fingerprints, fingerprints);
  if (!isSame) side.association++;
  return !isSame;
}

function isSameSet(a: readonly Fingerprint[], b: readonly Fingerprint[]): boolean {
  return a.length === b.length && a.every((one) => b.some((other) => isSameFingerprint(one, other)));
}

function isSameFingerprint(a: Fingerprint, b: Fingerprint): boolean {
  return a.hash === b.hash && a.value.every((byte, index) => byte === b.value[index]);
}

/** What our answer says of our own role. */
export function setupToAnswer({ heard, settled }: DtlsSide): SetupRole {
  if (heard?.setup === "holdconn" || settled === undefined) return "holdconn";
  return settled.role === "client" ? "active" : "passive";
}
