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
