/** a=crypto (RFC 4568 section 9.1): one master key of SDES, offered or answered. */
import { Buffer } from "node:buffer";
import { cryptoLinesPerMediaMax } from "../core/limits.ts";
import type { SrtpKey } from "../core/plan/security.ts";
import { type SuiteSizes, suiteSizes } from "../core/srtp-suites.ts";
import { parseSuite } from "./crypto-suites.ts";
import type { SdpLine } from "./description.ts";

export interface CryptoAttribute {
  /** Names the line in the answer; up to nine digits. */
  readonly tag: number;
  readonly key: SrtpKey;
  /** Packets the key may protect, as written; undefined: the suite's own maximum. */
  readonly lifetime: number | undefined;
}

/** Of a=crypto on the wire; a longer one could not be told from the packet (RFC 4568 section 6.1). */
const mkiBytesMax = 128;
/** 2^48 packets (RFC 3711 section 9.2). */
const lifetimeMax = 2 ** 48;

/** All lines that can be read, in their order; of equal tags the first. */
export function readCrypto(lines: readonly SdpLine[]): readonly CryptoAttribute[] {
  const found: CryptoAttribute[] = [];
  let linesCount = 0;
  for (const { type, value } of lines) {
    if (type !== "a" || !value.startsWith("crypto:")) continue;
    if (++linesCount > cryptoLinesPerMediaMax) break;
    const crypto = parseCrypto(value.slice("crypto:".length));
    if (crypto !== undefined && !found.some(({ tag }) => tag === crypto.tag)) found.push(crypto);
  }
  return found;
}

/**
 * The value of the attribute. Of several keys of one line the first counts. Undefined for what is malformed, for
 * suites we do not have, and for session parameters that we would have to follow and cannot (RFC 4568 section 6.3.7).
 */
export function parseCrypto(text: string): CryptoAttribute | undefined {
  const [tagText = "", suiteName = "", keyText = "", ...parameters] = text
    .split(" ")
    .filter((word) => word !== "");
  const suite = parseSuite(suiteName);
  if (suite === undefined || !/^\d{1,9}$/.test(tagText)) return undefined;
  const sizes = suiteSizes(suite);
  const keying = parseKeying(keyText, sizes);
  const uses = parseParameters(parameters);
  if (keying === undefined || uses === undefined) return undefined;
  if (sizes.isAead && !uses.authenticatesRtp) return undefined;
  const { masterKey, masterSalt, mki, lifetime } = keying;
  return { tag: Number(tagText), key: { suite, masterKey, masterSalt, mki, ...uses }, lifetime };
}

interface Keying {
  readonly masterKey: Uint8Array;
  readonly masterSalt: Uint8Array;
  readonly mki: Uint8Array | undefined;
  readonly lifetime: number | undefined;
}

/** `inline:KEY|LIFETIME|MKI:LENGTH`, the last two each optional (RFC 4568 section 6.1). */
function parseKeying(text: string, { keyBytes, saltBytes }: SuiteSizes): Keying | undefined {
  const [first = ""] = text.split(";", 1);
  if (first.slice(0, 7).toLowerCase() !== "inline:") return undefined;
  const [encoded = "", ...rest] = first.slice(7).split("|", 4);
  const bytes = decodeBase64(encoded, keyBytes + saltBytes);
  if (bytes === undefined || rest.length > 2) return undefined;
  const [mkiText] = rest.slice(-1).filter((part) => part.includes(":"));
  const lifetimeText = rest.length === 2 || mkiText === undefined ? rest[0] : undefined;
  if (rest.length === 2 && mkiText === undefined) return undefined;
  const lifetime = lifetimeText === undefined ? undefined : parseLifetime(lifetimeText);
  const mki = mkiText === undefined ? undefined : parseMki(mkiText);
  if (lifetime === "malformed" || mki === "malformed") return undefined;
  return { masterKey: bytes.slice(0, keyBytes), masterSalt: bytes.slice(keyBytes), mki, lifetime };
}

/** Exactly that many bytes; `=` at the end may be there or not, as devices have it both ways. */
function decodeBase64(text: string, sizeBytes: number): Uint8Array | undefined {
  const [, digits = ""] = /^([A-Za-z0-9+/]{1,128})={0,2}$/.exec(text) ?? [];
  if (digits.length !== Math.ceil((sizeBytes * 4) / 3)) return undefined;
  return Uint8Array.from(Buffer.from(digits, "base64"));
}

/** Empty, as in `inline:KEY||1:4`, is no lifetime at all. */
function parseLifetime(text: string): number | undefined | "malformed" {
  if (text === "") return undefined;
  const [, power] = /^2\^(\d{1,2})$/.exec(text) ?? [];
  if (power === undefined && !/^\d{1,15}$/.test(text)) return "malformed";
  const lifetime = power === undefined ? Number(text) : 2 ** Number(power);
  return lifetime >= 1 && lifetime <= lifetimeMax ? lifetime : "malformed";
}

/** `VALUE:LENGTH`: a decimal number in that many bytes; of length 0 there is none. */
function parseMki(text: string): Uint8Array | undefined | "malformed" {
  // 128 bytes have at most 309 digits.
  const [, valueText = "", lengthText = ""] = /^(\d{1,309}):(\d{1,3})$/.exec(text) ?? [];
  const sizeBytes = Number(lengthText);
  if (valueText === "" || sizeBytes > mkiBytesMax) return "malformed";
  if (sizeBytes === 0) return undefined;
  const mki = new Uint8Array(sizeBytes);
  let value = BigInt(valueText);
  for (let at = sizeBytes - 1; at >= 0; at--) {
    mki[at] = Number(value & 255n);
    value >>= 8n;
  }
  return value === 0n ? mki : "malformed";
}

type Uses = Pick<SrtpKey, "encryptsRtp" | "encryptsRtcp" | "authenticatesRtp">;

function parseParameters(words: readonly string[]): Uses | undefined {
  let encryptsRtp = true;
  let encryptsRtcp = true;
  let authenticatesRtp = true;
  for (const word of words) {
    const name = word.toUpperCase();
    if (name === "UNENCRYPTED_SRTP") encryptsRtp = false;
    else if (name === "UNENCRYPTED_SRTCP") encryptsRtcp = false;
    else if (name === "UNAUTHENTICATED_SRTP") authenticatesRtp = false;
    else if (!mayIgnore(name)) return undefined;
  }
  return { encryptsRtp, encryptsRtcp, authenticatesRtp };
}

/**
 * FEC is not done, WSH is advice, and `-` marks what may be ignored. A key derivation rate would change the keys as
 * the call goes on, so only `KDR=0`, none, can be taken.
 */
function mayIgnore(name: string): boolean {
  return name.startsWith("-") || /^(?:KDR=0|FEC_ORDER=.+|FEC_KEY=.+|WSH=\d+)$/.test(name);
}

/** The attribute without its `a=`. Base64 is always padded: some cannot read it otherwise. */
export function printCrypto({ tag, key, lifetime }: CryptoAttribute): string {
  const bytes = Buffer.concat([key.masterKey, key.masterSalt]);
  let text = `crypto:${tag} ${key.suite} inline:${bytes.toString("base64")}`;
  if (lifetime !== undefined) text += `|${printLifetime(lifetime)}`;
  if (key.mki !== undefined) text += `|${printMki(key.mki)}`;
  if (!key.encryptsRtp) text += " UNENCRYPTED_SRTP";
  if (!key.encryptsRtcp) text += " UNENCRYPTED_SRTCP";
  if (!key.authenticatesRtp) text += " UNAUTHENTICATED_SRTP";
  return text;
}

function printLifetime(lifetime: number): string {
  const power = Math.log2(lifetime);
  return Number.isInteger(power) && power > 0 && 2 ** power === lifetime ? `2^${power}` : `${lifetime}`;
}

function printMki(mki: Uint8Array): string {
  let value = 0n;
  for (const byte of mki) value = (value << 8n) | BigInt(byte);
  return `${value}:${mki.length}`;
}
