/** The ICE lines of one m-line (RFC 8839 section 5). */
import { type Endpoint, familyOf, ipToWords, isUnspecified, parseIp } from "../core/address.ts";
import { remoteCandidatesPerMediaMax } from "../core/limits.ts";
import type { CandidateType, RemoteCandidate } from "../core/plan/security.ts";
import type { SdpLine } from "./description.ts";

/** ICE as a party describes it; what the media does not say itself is the session's. */
export interface IceDescription {
  readonly ufrag: string;
  readonly password: string;
  /** a=ice-lite: it answers checks and sends none. */
  readonly isLite: boolean;
  /** a=ice-options:trickle, or 0.0.0.0 port 9 without options: candidates may follow (RFC 8840 section 4.1). */
  readonly trickles: boolean;
  /** a=ice-options:ice2: it knows the ICE of RFC 8445 (section 10). */
  readonly isIce2: boolean;
  /** Over UDP and by IP address; host names and TCP are left out. */
  readonly candidates: readonly RemoteCandidate[];
  /** a=end-of-candidates: none will follow. */
  readonly hasEnded: boolean;
}

/** A candidate of ours, as it is to be shown. */
export interface LocalCandidate {
  readonly foundation: string;
  readonly component: 1 | 2;
  readonly priority: number;
  readonly endpoint: Endpoint;
  /** All but `host` are shown with a raddr: their own endpoint, as there is no other. */
  readonly type: CandidateType;
}

/** A candidate line, with the generation it names (RFC 8840 section 4.4). */
export interface CandidateLine {
  readonly candidate: RemoteCandidate;
  /** `ufrag` behind the candidate; undefined: that of the m-line. */
  readonly ufrag: string | undefined;
}

const candidateTypes = ["host", "srflx", "prflx", "relay"] as const;
/** foundation, component, transport, priority, address, port, `typ`, type. */
const candidateWordsMin = 8;
/** Extensions (RFC 8839 section 5.1): raddr, rport, tcptype, generation, ufrag, network-id, network-cost ... */
const candidateWordsMax = 40;

/** The value of a=candidate; undefined unless it is UDP, component 1 or 2, at an IP address one can send to. */
export function parseCandidate(text: string): CandidateLine | undefined {
  const words = text.split(" ", candidateWordsMax).filter((word) => word !== "");
  if (words.length < candidateWordsMin) return undefined;
  const [foundation = "", component, transport = "", priority = "", ip = "", port = "", typ, typeName = ""] =
    words;
  if ((component !== "1" && component !== "2") || typ !== "typ" || foundation.length > 32) return undefined;
  if (transport.toUpperCase() !== "UDP" || !isPriority(priority)) return undefined;
  const type = candidateTypes.find((name) => name === typeName);
  const endpoint = parsePlace(ip, port);
  if (type === undefined || endpoint === undefined) return undefined;
  const candidate = {
    foundation,
    component: component === "1" ? 1 : 2,
    priority: Number(priority),
    endpoint,
    type,
  } as const;
  return { candidate, ufrag: extensionOf(words, "ufrag") };
}

/** 1 to 2^31 - 1 by the RFC; up to 2^32 - 1 is what STUN can carry. */
function isPriority(text: string): boolean {
  return /^\d{1,10}$/.test(text) && Number(text) >= 1 && Number(text) <= 0xffff_ffff;
}

/** No host names (mDNS ones included), no zones, no IPv4-mapped addresses (RFC 8445 section 5.1.1.1). */
function parsePlace(ipText: string, portText: string): Endpoint | undefined {
  const ip = parseIp(ipText);
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : 0;
  if (ip === undefined || isUnspecified(ip) || port < 1 || port > 65_535) return undefined;
  if (familyOf(ip) === 6) {
    const [w0, w1, w2] = ipToWords(ip);
    if (w0 === 0 && w1 === 0 && w2 === 0xffff) return undefined;
  }
  return { ip, port };
}

function extensionOf(words: readonly string[], name: string): string | undefined {
  for (let at = candidateWordsMin; at + 1 < words.length; at += 2) {
    if (words[at] === name) return words[at + 1];
  }
  return undefined;
}

/**
 * Of one generation: those that name another one are left out, and of equal ones the later. Where it is not known,
 * only those that name none.
 */
export function readCandidates(
  lines: readonly SdpLine[],
  ufrag: string | undefined,
): readonly RemoteCandidate[] {
  const found: RemoteCandidate[] = [];
  for (const { type, value } of lines) {
    if (type !== "a" || !value.startsWith("candidate:")) continue;
    if (found.length === remoteCandidatesPerMediaMax) break;
    const line = parseCandidate(value.slice("candidate:".length));
    if (line === undefined || (line.ufrag ?? ufrag) !== ufrag) continue;
    const { candidate } = line;
    if (!found.some((known) => isSamePlace(known, candidate))) found.push(candidate);
  }
  return found;
}

function isSamePlace(a: RemoteCandidate, b: RemoteCandidate): boolean {
  return (
    a.component === b.component && a.endpoint.port === b.endpoint.port && a.endpoint.ip === b.endpoint.ip
  );
}

/**
 * a=ice-ufrag or a=ice-pwd: 4 or 22 to 256 characters by RFC 8839 section 5.4; shorter ones are taken. A colon would
 * split the STUN user name elsewhere.
 */
export function parseCredential(text: string | undefined): string | undefined {
  return text !== undefined && /^[\x21-\x39\x3b-\x7e]{1,256}$/.test(text) ? text : undefined;
}

/** The attribute without its `a=`. */
export function printCandidate({ foundation, component, priority, endpoint, type }: LocalCandidate): string {
  const place = `${endpoint.ip} ${endpoint.port}`;
  const text = `candidate:${foundation} ${component} UDP ${priority} ${place} typ ${type}`;
  // RFC 8839 section 5.1 wants a related address for these.
  return type === "host" ? text : `${text} raddr ${endpoint.ip} rport ${endpoint.port}`;
}
