/** What an ICE agent wants done, in this order. */
import type { Endpoint } from "../core/address.ts";
import type { IceComponent } from "./pair.ts";

export type IceAction =
  | {
      readonly kind: "send";
      readonly component: IceComponent;
      readonly to: Endpoint;
      readonly bytes: Uint8Array;
    }
  /**
   * The peer is there and knows what its SDP party knows: it answered our check with its password's integrity, or, where
   * we cannot check (lite, or its answer is still to come), its own check had ours. Said once a source, and once more
   * when it is nominated.
   */
  | {
      readonly kind: "valid";
      readonly component: IceComponent;
      readonly source: Endpoint;
      readonly isNominated: boolean;
    }
  /**
   * Another session has agreed on a pair for that component, after a restart or because another branch of the call
   * answered: of all sources that `valid` was said of only these are.
   */
  | { readonly kind: "superseded"; readonly component: IceComponent; readonly valid: readonly Endpoint[] }
  /** Send there from now on: the nominated pair, or until there is one the best valid one. */
  | { readonly kind: "selected"; readonly component: IceComponent; readonly remote: Endpoint }
  /**
   * Nothing works (yet), or the peer stopped answering: send no more. A later `selected` of the component takes it
   * back. `no-valid-pair` is told of component 1 only: RTP without RTCP is a call.
   */
  | {
      readonly kind: "failed";
      readonly component: IceComponent;
      readonly reason: "no-valid-pair" | "consent-lost";
    };
