/** What a DTLS association wants done, and what it counts. */
import type { Endpoint } from "../../core/address.ts";
import type { DtlsFailure } from "../../core/plan/plan.ts";
import type { SrtpKey } from "../../core/plan/security.ts";

export type DtlsAction =
  | { readonly kind: "send"; readonly to: Endpoint; readonly bytes: Uint8Array }
  /**
   * The handshake ended with a certificate that SDP named; told once, behind the last flight: without it the peer can
   * make nothing of our media. `source` is proven by it.
   */
  | {
      readonly kind: "connected";
      readonly source: Endpoint;
      readonly receive: SrtpKey;
      readonly send: SrtpKey;
    }
  /**
   * A handshake failed, as client or as server with a source that is vouched for. Told at most once: the association
   * goes on, as server waiting for ClientHellos, as client beginning anew, and `connected` may still follow.
   */
  | { readonly kind: "failed"; readonly reason: DtlsFailure };

/** What happened to datagrams and handshakes; one for a relay, counted up by all its associations. */
export interface DtlsCounts {
  /** Handshakes begun, in either role. */
  handshakes: number;
  /** HelloVerifyRequests sent. */
  cookies: number;
  /** Datagrams that were no DTLS, not from where the association listens, or not fit for its state. */
  ignored: number;
  /** Later fragments of a ClientHello from a source without a handshake: no state is kept for them. */
  fragments: number;
  /** ClientHellos beyond the rates or the number of handshakes under way. */
  limited: number;
  /** Handshakes that failed, were given up or made room for another. */
  failures: number;
}

export function makeDtlsCounts(): DtlsCounts {
  return { handshakes: 0, cookies: 0, ignored: 0, fragments: 0, limited: 0, failures: 0 };
}
