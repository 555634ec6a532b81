/** What of the other party's lines goes on, and in which order, beside what we write ourselves. */
import { attributeName } from "./attribute.ts";
import { type AttributeEdits, printAttribute } from "./attribute-edits.ts";
import type { SdpLine } from "./description.ts";
import { iceAttributes } from "./write-security.ts";

/**
 * Attributes that end here: written afresh from what was decided (rtpmap, rtcp, mid, groups ...), or of something this
 * relay terminates (ICE, keys).
 */
const ended = new Set([
  "bundle-only",
  "candidate",
  "crypto",
  "end-of-candidates",
  "extmap",
  "extmap-allow-mixed",
  "fingerprint",
  "fmtp",
  "group",
  "ice-lite",
  "ice-mismatch",
  "ice-options",
  "ice-pacing",
  "ice-pwd",
  "ice-ufrag",
  "inactive",
  "label",
  "maxptime",
  "mid",
  "ptime",
  "recvonly",
  "remote-candidates",
  "rtcp",
  "rtcp-fb",
  "rtcp-mux",
  "rtcp-mux-only",
  "rtpengine",
  "rtpmap",
  "sendonly",
  "sendrecv",
  "setup",
  "tls-id",
  "T38FaxFillBitRemoval",
  "T38FaxMaxBuffer",
  "T38FaxMaxDatagram",
  "T38FaxMaxIFP",
  "T38FaxRateManagement",
  "T38FaxTranscodingJBIG",
  "T38FaxTranscodingMMR",
  "T38FaxUdpEC",
  "T38FaxUdpECDepth",
  "T38FaxUdpFECMaxSpan",
  "T38FaxVersion",
  "T38MaxBitRate",
]);

/** Attributes of RTP media or of the session that are nobody's business but the parties'. */
export function printCarried(lines: readonly SdpLine[], edits: AttributeEdits | undefined): string {
  let text = "";
  for (const { type, value } of lines) {
    if (type === "a" && !ended.has(attributeName(value))) text += printAttribute(edits, value);
  }
  return text;
}

/** All attributes of media that is relayed unread, but for ICE and bundles, which end here all the same. */
export function printUnread(lines: readonly SdpLine[], edits: AttributeEdits | undefined): string {
  let text = "";
  for (const { type, value } of lines) {
    const name = attributeName(value);
    const isOurs = name === "bundle-only" || iceAttributes.has(name);
    if (type === "a" && !isOurs) text += printAttribute(edits, value);
  }
  return text;
}

const modifiers = ["AS", "RR", "RS", "CT", "TIAS"] as const;

/** b= lines (RFC 8866 section 5.8, RFC 3556, RFC 3890) of the kinds above, in that order; the last of a kind counts. */
export function printBandwidth(lines: readonly SdpLine[]): string {
  if (!lines.some((line) => line.type === "b")) return "";
  let text = "";
  for (const modifier of modifiers) {
    const limit = lines.findLast((line) => line.type === "b" && line.value.startsWith(`${modifier}:`));
    const digits = limit === undefined ? null : /^\d{1,15}/.exec(limit.value.slice(modifier.length + 1));
    if (digits !== null) text += `b=${modifier}:${Number(digits[0])}\r\n`;
  }
  return text;
}
