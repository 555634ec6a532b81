/** Whether a certificate is the one that SDP named. */
import type { Fingerprint, FingerprintHash } from "../../core/plan/security.ts";
import type { CertificateView } from "./engine.ts";

const strongestFirst: readonly FingerprintHash[] = ["sha-512", "sha-384", "sha-256", "sha-224", "sha-1"];

/** Any fingerprint of the strongest hash among them may match; weaker ones do not count then (RFC 8122 section 5). */
export function isNamed(certificate: CertificateView, fingerprints: readonly Fingerprint[]): boolean {
  const hash = strongestFirst.find((name) => fingerprints.some((fingerprint) => fingerprint.hash === name));
  if (hash === undefined) return false;
  const digest = certificate.digest(hash);
  let isAny = false;
  for (const fingerprint of fingerprints) {
    if (fingerprint.hash === hash && isEqual(digest, fingerprint.value)) isAny = true;
  }
  return isAny;
}

/** Takes the same time wherever the two differ. */
function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length || a.length === 0) return false;
  let difference = 0;
  for (let index = 0; index < a.length; index++) difference |= a[index]! ^ b[index]!;
  return difference === 0;
}
