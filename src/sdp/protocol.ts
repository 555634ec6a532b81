/** The transport protocols of m= lines (RFC 8866 section 5.14), in the classes the relay knows. */

/** rtp: RTP and RTCP of any profile; udptl: T.38; raw: relayed without a look inside. */
export type TransportClass = "rtp" | "udptl" | "raw";

export interface TransportProtocol {
  /** As registered; for unknown ones as received. */
  readonly name: string;
  readonly transport: TransportClass;
  /** SRTP, by whatever keys. */
  readonly isSecure: boolean;
  /** AVPF: early RTCP feedback (RFC 4585 section 3). */
  readonly hasFeedback: boolean;
  /** Keys come from DTLS (RFC 5764 section 8), so there are no a=crypto lines. */
  readonly isDtls: boolean;
  readonly isKnown: boolean;
}

function row(name: string, transport: TransportClass, traits = ""): TransportProtocol {
  return {
    name,
    transport,
    isSecure: traits.includes("s"),
    hasFeedback: traits.includes("f"),
    isDtls: traits.includes("d"),
    isKnown: true,
  };
}

const known = new Map<string, TransportProtocol>(
  [
    row("RTP/AVP", "rtp"),
    row("RTP/AVPF", "rtp", "f"),
    row("RTP/SAVP", "rtp", "s"),
    row("RTP/SAVPF", "rtp", "sf"),
    row("UDP/TLS/RTP/SAVP", "rtp", "sd"),
    row("UDP/TLS/RTP/SAVPF", "rtp", "sdf"),
    row("udptl", "udptl"),
  ].map((protocol) => [protocol.name.toUpperCase(), protocol] as const),
);

/** Names are compared without regard to case (`UDPTL` is as common as `udptl`). */
export function transportProtocol(name: string): TransportProtocol {
  const found = known.get(name) ?? known.get(name.toUpperCase());
  if (found !== undefined) return found;
  return { name, transport: "raw", isSecure: false, hasFeedback: false, isDtls: false, isKnown: false };
}

/** How media is keyed: not at all, by a=crypto, by DTLS. */
export type Keying = "none" | "sdes" | "dtls";

/** The profile of RTP with these traits: `RTP/AVP`, `UDP/TLS/RTP/SAVPF`, ... */
export function rtpProfile(keying: Keying, hasFeedback: boolean): string {
  const prefix = { none: "RTP/AVP", sdes: "RTP/SAVP", dtls: "UDP/TLS/RTP/SAVP" }[keying];
  return hasFeedback ? `${prefix}F` : prefix;
}

/** The same profile under other keys, feedback as it was; what is no RTP stays. */
export function withKeying(name: string, keying: Keying): string {
  const { transport, hasFeedback } = transportProtocol(name);
  return transport === "rtp" ? rtpProfile(keying, hasFeedback) : name;
}

/** The same profile with or without feedback, its keys as they were; what is no RTP stays. */
export function withFeedback(name: string, hasFeedback: boolean): string {
  const { transport, isSecure, isDtls } = transportProtocol(name);
  if (transport !== "rtp") return name;
  return rtpProfile(isDtls ? "dtls" : isSecure ? "sdes" : "none", hasFeedback);
}
