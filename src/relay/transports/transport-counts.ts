/** Sums over the life of the daemon: what came of handshakes and of ICE. */
import type { DtlsFailure, RelayEvent } from "../../core/plan/plan.ts";

export type IceFailure = Extract<RelayEvent, { kind: "ice-failed" }>["reason"];

export interface TransportCounts {
  /** DTLS associations made with the certificate that SDP named. */
  handshakes: number;
  readonly handshakesFailed: Record<DtlsFailure, number>;
  /** Times ICE chose where to send, one a socket and choice. */
  iceSelected: number;
  readonly iceFailed: Record<IceFailure, number>;
  /** Packets of handshakes and checks that found no room on their way to a worker. */
  unsent: number;
}

export function noTransports(): TransportCounts {
  return {
    handshakes: 0,
    handshakesFailed: {
      "wrong-certificate": 0,
      "no-common-profile": 0,
      handshake: 0,
      timeout: 0,
      unavailable: 0,
    },
    iceSelected: 0,
    iceFailed: { "no-valid-pair": 0, "consent-lost": 0 },
    unsent: 0,
  };
}
