/** a=fingerprint (RFC 8122 section 5), a=setup (RFC 5763 section 5) and a=tls-id (RFC 8842 section 4). */
import { fingerprintsPerMediaMax } from "../core/limits.ts";
import type { Fingerprint, FingerprintHash } from "../core/plan/security.ts";
import type { SdpLine } from "./description.ts";

/** Who sends the ClientHello; `actpass` leaves it to the answerer. */
export type SetupRole = "actpass" | "active" | "passive" | "holdconn";

const hashBytes = new Map<string, number>([
  ["sha-1", 20],
  ["sha-224", 28],
  ["sha-256", 32],
  ["sha-384", 48],
  ["sha-512", 64],
]);

/** undefined where this level has no such line, empty where it has only ones we cannot check. */
export function readFingerprints(lines: readonly SdpLine[]): readonly Fingerprint[] | undefined {
  const found: Fingerprint[] = [];
  let linesCount = 0;
  for (const { type, value } of lines) {
    if (type !== "a" || !value.startsWith("fingerprint:")) continue;
    if (++linesCount > fingerprintsPerMediaMax) break;
    const fingerprint = parseFingerprint(value.slice("fingerprint:".length));
    if (fingerprint !== undefined) found.push(fingerprint);
  }
  return linesCount === 0 ? undefined : found;
}

/** The name of a hash in any case; undefined for MD5 and whatever else shows nothing. */
export function parseHash(text: string): FingerprintHash | undefined {
  const name = text.toLowerCase();
  return hashBytes.has(name) ? (name as FingerprintHash) : undefined;
}

/** `sha-256 AA:BB:...`, in as many bytes as the hash has. */
export function parseFingerprint(text: string): Fingerprint | undefined {
  const [, name = "", digits = ""] = /^ *([A-Za-z0-9-]{1,16}) +([0-9A-Fa-f:]{1,191}) *$/.exec(text) ?? [];
  const hash = parseHash(name);
  if (hash === undefined || !/^[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})*$/.test(digits)) return undefined;
  const value = Uint8Array.from(digits.split(":"), (byte) => Number.parseInt(byte, 16));
  return value.length === hashBytes.get(hash) ? { hash, value } : undefined;
}

/** The attribute without its `a=`, in capitals (RFC 8122 section 5). */
export function printFingerprint({ hash, value }: Fingerprint): string {
  const bytes = Array.from(value, (byte) => byte.toString(16).padStart(2, "0").toUpperCase());
  return `fingerprint:${hash} ${bytes.join(":")}`;
}

export function parseSetup(text: string | undefined): SetupRole | undefined {
  const role = text?.trim().toLowerCase();
  return role === "actpass" || role === "active" || role === "passive" || role === "holdconn"
    ? role
    : undefined;
}

/** A word without spaces, of 20 to 255 characters by the RFC; shorter ones are taken as they come. */
export function parseTlsId(text: string | undefined): string | undefined {
  const word = text?.trim() ?? "";
  return /^[\x21-\x7e]{1,255}$/.test(word) ? word : undefined;
}
