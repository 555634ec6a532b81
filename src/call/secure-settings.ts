/** What the relay is told of keys, DTLS, ICE and bundles for a pair. */
import {
  type BundleSettings,
  type IceSettings,
  noSecurity,
  type PairSecurity,
} from "../core/plan/security.ts";
import { transportProtocol } from "../sdp/protocol.ts";
import { carrierIndex } from "./carrier.ts";
import { iceSettings } from "./ice-side.ts";
import type { SecurityState } from "./security-state.ts";
import type { LegState, MediaState } from "./state.ts";

/** Nothing is received and nothing sent: keys are to come, or another pair has them. */
const closed: PairSecurity = { kind: "sdes", receive: [], send: undefined };
const passed: PairSecurity = { kind: "passed" };

export interface TransportSettings {
  readonly security: PairSecurity;
  readonly ice: IceSettings | undefined;
  readonly bundle: BundleSettings | undefined;
}

const plain: TransportSettings = { security: noSecurity, ice: undefined, bundle: undefined };
const shut: TransportSettings = { security: closed, ice: undefined, bundle: undefined };

export function transportSettings(leg: LegState, index: number): TransportSettings {
  const media = leg.media[index];
  if (media === undefined) return plain;
  if ((media.security ?? media.ice ?? media.bundle) === undefined) return isSecure(media) ? shut : plain;
  const bundle = bundleSettings(leg, index, media);
  if (bundle !== undefined && bundle.carrier !== media.pair?.id) {
    // Its own sockets serve nothing; what runs on the carrier's is the carrier's.
    return { security: closed, ice: undefined, bundle };
  }
  return {
    security: securityOf(media),
    ice: media.ice === undefined || media.transport === "udptl" ? undefined : iceSettings(media.ice),
    bundle,
  };
}

/** A secure profile that nobody agreed keys for: an m-line out of turn. */
function isSecure({ protocol, transport }: MediaState): boolean {
  return transport === "rtp" && transportProtocol(protocol).isSecure;
}

function securityOf(media: MediaState): PairSecurity {
  const { security, transport } = media;
  if (transport !== "rtp") return noSecurity;
  if (security === undefined) return isSecure(media) ? closed : noSecurity;
  switch (security.kind) {
    case "none":
      return noSecurity;
    case "passed":
      return passed;
    case "sdes":
      return sdesSecurity(security);
    case "dtls":
      return dtlsSecurity(security);
    case "pending":
      // The party we offered to may begin its handshake before its answer is here.
      return security.told.includes("dtls") ? dtlsSecurity(security) : closed;
  }
}

function sdesSecurity({ sdes }: SecurityState): PairSecurity {
  return sdes === undefined ? closed : { kind: "sdes", receive: sdes.receive, send: sdes.send };
}

function dtlsSecurity({ dtls }: SecurityState): PairSecurity {
  if (dtls === undefined) return closed;
  const { certificate, association, settled } = dtls;
  const role = settled?.role ?? "server";
  return { kind: "dtls", role, fingerprints: settled?.fingerprints ?? [], certificate, association };
}

/** Undefined for an m-line that has its transport for itself, or in a bundle that passes whole. */
function bundleSettings(leg: LegState, index: number, media: MediaState): BundleSettings | undefined {
  const { bundle } = media;
  if (bundle?.carrier === undefined || media.security?.kind === "passed") return undefined;
  const at = carrierIndex(leg, index);
  const carrier = leg.media[at]?.pair?.id;
  if (carrier === undefined) return undefined;
  const isAlone = leg.media.every((_, other) => other === index || carrierIndex(leg, other) !== at);
  if (isAlone && at === index) return undefined;
  return { carrier, mid: media.mid, midExtension: bundle.midExtension, ssrcs: bundle.ssrcs };
}
