/** Phones and browsers that speak SRTP and ICE, as far as their bodies go. */
import { Buffer } from "node:buffer";
import type { CertificateSource } from "../../../src/call/dtls-role.ts";
import type { CertificateId, SrtpKey } from "../../../src/core/plan/security.ts";
import { type CryptoAttribute, parseCrypto, printCrypto } from "../../../src/sdp/crypto-attribute.ts";
import { parseSdp } from "../../../src/sdp/parse.ts";
import { type MediaSummary, type SessionSummary, summarise } from "../../../src/sdp/summary.ts";
import { Lab, type LabParts } from "./lab.ts";

const hashBytes = { "sha-1": 20, "sha-224": 28, "sha-256": 32, "sha-384": 48, "sha-512": 64 } as const;

export class FakeCertificates implements CertificateSource {
  newest = 1 as CertificateId;

  current(): CertificateId {
    return this.newest;
  }

  fingerprint(id: CertificateId, hash: keyof typeof hashBytes) {
    return { hash, value: new Uint8Array(hashBytes[hash]).fill(0xc0 + id) };
  }
}

/** A lab whose relay has DTLS. */
export function secureLab(parts: LabParts = {}): Lab {
  return new Lab({ ...parts, options: { certificates: new FakeCertificates(), ...parts.options } });
}

export const peerFingerprint = `sha-256 ${new Array(32).fill("AB").join(":")}`;
export const otherFingerprint = `sha-256 ${new Array(32).fill("CD").join(":")}`;

/** A key that is a function of `seed`. */
export function cryptoLine(tag: number, suite: string, seed: number, rest = ""): string {
  const sizes: Readonly<Record<string, number>> = {
    AEAD_AES_256_GCM: 44,
    AEAD_AES_128_GCM: 28,
    AES_256_CM_HMAC_SHA1_80: 46,
  };
  const sizeBytes = sizes[suite] ?? 30;
  const bytes = Buffer.from(Uint8Array.from({ length: sizeBytes }, (_, at) => (seed * 31 + at) & 255));
  return `a=crypto:${tag} ${suite} inline:${bytes.toString("base64")}${rest}`;
}

export function keyOf(line: string): SrtpKey {
  const parsed = parseCrypto(line.replace(/^a=crypto:/, ""));
  if (parsed === undefined) throw new Error(`not a crypto line: ${line}`);
  return parsed.key;
}

export interface MediaShape {
  readonly kind?: string;
  readonly port?: number;
  readonly protocol?: string;
  readonly types?: string;
  readonly crypto?: readonly string[];
  readonly fingerprint?: string;
  readonly setup?: string;
  readonly ice?: {
    readonly ufrag: string;
    readonly password?: string;
    readonly candidates?: readonly string[];
  };
  readonly hasMux?: boolean;
  readonly mid?: string;
  readonly extra?: readonly string[];
}

export const password = "abcdefghijklmnopqrstuvwx";

export interface BodyShape {
  readonly ip?: string;
  readonly version?: number;
  readonly session?: readonly string[];
  readonly media: readonly MediaShape[];
}

export function body({ ip = "203.0.113.5", version = 1, session = [], media }: BodyShape): string {
  const lines = ["v=0", `o=- 77 ${version} IN IP4 ${ip}`, "s=-", `c=IN IP4 ${ip}`, "t=0 0", ...session];
  for (const one of media) lines.push(...mediaLines(one, ip));
  return `${lines.join("\r\n")}\r\n`;
}

function mediaLines(shape: MediaShape, ip: string): readonly string[] {
  const { kind = "audio", port = 4000, protocol = "RTP/AVP", types = "0" } = shape;
  const lines = [`m=${kind} ${port} ${protocol} ${types}`];
  for (const type of types.split(" ")) {
    if (Number(type) >= 96) lines.push(`a=rtpmap:${type} ${kind === "video" ? "VP8/90000" : "opus/48000/2"}`);
  }
  if (shape.mid !== undefined) lines.push(`a=mid:${shape.mid}`);
  if (shape.hasMux === true) lines.push("a=rtcp-mux");
  lines.push(...(shape.crypto ?? []));
  if (shape.fingerprint !== undefined) lines.push(`a=fingerprint:${shape.fingerprint}`);
  if (shape.setup !== undefined) lines.push(`a=setup:${shape.setup}`);
  if (shape.ice !== undefined) {
    lines.push(`a=ice-ufrag:${shape.ice.ufrag}`, `a=ice-pwd:${shape.ice.password ?? password}`);
    const own = `candidate:1 1 UDP 2130706431 ${ip} ${port} typ host`;
    for (const candidate of shape.ice.candidates ?? [own]) lines.push(`a=${candidate}`);
  }
  return [...lines, ...(shape.extra ?? [])];
}

export function read(text: string): SessionSummary {
  const parsed = parseSdp(text);
  if (!parsed.ok) throw new Error(`not an SDP: ${text}`);
  return summarise(parsed.value);
}

export function mediaOf(text: string, index = 0): MediaSummary {
  const media = read(text).media[index];
  if (media === undefined) throw new Error(`no m-line ${index}`);
  return media;
}

/** The line as a party would write it that takes this one with a key of its own. */
export function answering(line: CryptoAttribute, seed: number): string {
  const ours = { ...line.key, masterKey: line.key.masterKey.map((byte) => byte ^ seed) };
  return `a=${printCrypto({ tag: line.tag, key: ours, lifetime: undefined })}`;
}
