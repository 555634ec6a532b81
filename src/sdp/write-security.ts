/** What secures one m-line and finds its way, as lines: keys, DTLS, ICE; ours, or the other party's as they came. */
import { inheritedLinesSizeBytesMax } from "../core/limits.ts";
import type { Fingerprint } from "../core/plan/security.ts";
import { attributeName, findAttribute } from "./attribute.ts";
import { type AttributeEdits, printAttribute } from "./attribute-edits.ts";
import { type CryptoAttribute, printCrypto } from "./crypto-attribute.ts";
import type { SdpLine } from "./description.ts";
import { printFingerprint, type SetupRole } from "./fingerprint.ts";
import { type LocalCandidate, printCandidate } from "./ice-attributes.ts";

/** What our end of SRTP says of itself. `passed` in its place: the other party's lines go through as they came. */
export interface SecrecyDraft {
  readonly crypto: readonly CryptoAttribute[];
  readonly fingerprint: Fingerprint | undefined;
  /** Written with a fingerprint only, as is `tlsId`. */
  readonly setup: SetupRole | undefined;
  readonly tlsId: string | undefined;
}

/**
 * own: we are the ICE agent. passed: the other party's lines as they came, and candidates of ours behind its own; where
 * ours are of type relay, it has none of that type.
 */
export type IceDraft =
  | {
      readonly kind: "own";
      readonly ufrag: string;
      readonly password: string;
      readonly trickles: boolean;
      readonly isIce2: boolean;
      /** Those of component 2 are left out where `rtcpMux` is settled. */
      readonly candidates: readonly LocalCandidate[];
      readonly hasEnded: boolean;
    }
  | { readonly kind: "passed"; readonly added: readonly LocalCandidate[] };

/** All of ICE that a body can say of a media. */
export const iceAttributes: ReadonlySet<string> = new Set([
  "candidate",
  "end-of-candidates",
  "ice-lite",
  "ice-mismatch",
  "ice-options",
  "ice-pacing",
  "ice-pwd",
  "ice-ufrag",
  "remote-candidates",
]);

const secrecyAttributes: ReadonlySet<string> = new Set(["crypto", "fingerprint", "setup", "tls-id"]);

/** Whose lines pass: the media's own, and those of the session level that they do not replace. */
export interface PassedLines {
  readonly own: readonly SdpLine[];
  readonly session: readonly SdpLine[];
}

/** In rtpengine's order: keys, then DTLS. */
export function printSecrecy(
  secrecy: SecrecyDraft | "passed" | undefined,
  passed: PassedLines,
  edits: AttributeEdits | undefined,
): string {
  if (secrecy === undefined) return "";
  if (secrecy === "passed") {
    return printNamed(passed.own, secrecyAttributes, edits) + printInheritedSecrecy(passed, edits);
  }
  let text = "";
  for (const crypto of secrecy.crypto) text += printAttribute(edits, printCrypto(crypto));
  if (secrecy.fingerprint === undefined) return text;
  if (secrecy.setup !== undefined) text += printAttribute(edits, `setup:${secrecy.setup}`);
  text += printAttribute(edits, printFingerprint(secrecy.fingerprint));
  return secrecy.tlsId === undefined ? text : text + printAttribute(edits, `tls-id:${secrecy.tlsId}`);
}

/** What the session level says of keys and DTLS and the media does not say itself. */
export function printInheritedSecrecy(passed: PassedLines, edits: AttributeEdits | undefined): string {
  return printInherited(passed, secrecyAttributes, edits);
}

export function printIce(
  ice: IceDraft | undefined,
  isMuxSettled: boolean,
  passed: PassedLines,
  edits: AttributeEdits | undefined,
): string {
  if (ice === undefined) return "";
  if (ice.kind === "passed") return printPassedIce(ice.added, passed, edits);
  let text = printAttribute(edits, `ice-ufrag:${ice.ufrag}`);
  text += printAttribute(edits, `ice-pwd:${ice.password}`);
  const options = [...(ice.trickles ? ["trickle"] : []), ...(ice.isIce2 ? ["ice2"] : [])];
  if (options.length > 0) text += printAttribute(edits, `ice-options:${options.join(" ")}`);
  for (const candidate of ice.candidates) {
    if (candidate.component === 2 && isMuxSettled) continue;
    text += printAttribute(edits, printCandidate(candidate));
  }
  return ice.hasEnded ? text + printAttribute(edits, "end-of-candidates") : text;
}

/** Theirs, with candidates of ours behind theirs. */
function printPassedIce(
  added: readonly LocalCandidate[],
  passed: PassedLines,
  edits: AttributeEdits | undefined,
): string {
  const isOnlyRelay = added.some(({ type }) => type === "relay");
  const own = isOnlyRelay ? passed.own.filter((line) => !isRelayCandidate(line)) : passed.own;
  let text = printNamed(own, passedBeforeOurs, edits);
  text += printInherited(passed, inheritedIce, edits);
  for (const candidate of added) text += printAttribute(edits, printCandidate(candidate));
  const hasEnded = [passed.own, passed.session].some(
    (lines) => findAttribute(lines, "end-of-candidates") !== undefined,
  );
  return hasEnded ? text + printAttribute(edits, "end-of-candidates") : text;
}

function isRelayCandidate({ type, value }: SdpLine): boolean {
  return type === "a" && value.startsWith("candidate:") && value.includes(" typ relay");
}

/** a=ice-lite is of the session level (RFC 8839 section 5.3), and whoever writes that decides. */
const passedBeforeOurs: ReadonlySet<string> = new Set(
  [...iceAttributes].filter((name) => name !== "end-of-candidates" && name !== "ice-lite"),
);

/** What of that the session level can say for all its media (RFC 8839 section 5.4 and 5.6). */
const inheritedIce: ReadonlySet<string> = new Set(["ice-options", "ice-pacing", "ice-pwd", "ice-ufrag"]);

/** These lines are repeated in every media section, so they must not be out of all proportion. */
function printInherited(
  { own, session }: PassedLines,
  names: ReadonlySet<string>,
  edits: AttributeEdits | undefined,
): string {
  const missing = new Set(names);
  for (const { type, value } of own) if (type === "a") missing.delete(attributeName(value));
  const lines = session.filter(({ type, value }) => type === "a" && missing.has(attributeName(value)));
  const sizeBytes = lines.reduce((sum, { value }) => sum + value.length, 0);
  return sizeBytes > inheritedLinesSizeBytesMax ? "" : printNamed(lines, missing, edits);
}

function printNamed(
  lines: readonly SdpLine[],
  names: ReadonlySet<string>,
  edits: AttributeEdits | undefined,
): string {
  let text = "";
  for (const { type, value } of lines) {
    if (type === "a" && names.has(attributeName(value))) text += printAttribute(edits, value);
  }
  return text;
}
