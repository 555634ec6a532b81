/** What protects a media and how its way was found, as `rtpferry ctl show` has it. No key material. */
import { type Endpoint, formatEndpoint } from "../core/address.ts";
import type { IceView, TransportView } from "../relay/transports/pair-transport.ts";
import type { HandshakeState } from "../relay/transports/socket-handshake.ts";
import { dtlsFailureTexts } from "./security-texts.ts";

export interface SecurityDetail {
  /** `passed`: the keys are the parties' own. */
  readonly kind: "plain" | "passed" | "sdes" | "dtls";
  /** SRTP crypto suite by its SDES name; null where none is agreed on yet. */
  readonly suite: string | null;
  /** DTLS alone: by socket `connected` (the certificate is the one SDP named), `waiting`, or why it failed. */
  readonly dtls: { readonly rtp: string; readonly rtcp: string | null } | null;
  readonly ice: {
    readonly state: IceView["state"];
    /** Where it sends, by socket. */
    readonly rtp: string | null;
    readonly rtcp: string | null;
  } | null;
}

export function securityDetail(view: TransportView | undefined): SecurityDetail {
  if (view === undefined) return { kind: "plain", suite: null, dtls: null, ice: null };
  const { kind, ice, handshakes } = view;
  const { rtp, rtcp } = handshakes;
  const agreed = rtp?.kind === "connected" ? rtp.suite : view.suite;
  return {
    kind: kind === "none" ? "plain" : kind,
    suite: agreed ?? null,
    dtls:
      rtp === undefined ? null : { rtp: stateText(rtp), rtcp: rtcp === undefined ? null : stateText(rtcp) },
    ice:
      ice === undefined
        ? null
        : { state: ice.state, rtp: place(ice.selected.rtp), rtcp: place(ice.selected.rtcp) },
  };
}

function stateText(state: HandshakeState): string {
  return state.kind === "failed" ? `failed: ${dtlsFailureTexts[state.reason]}` : state.kind;
}

function place(endpoint: Endpoint | undefined): string | null {
  return endpoint === undefined ? null : formatEndpoint(endpoint);
}
