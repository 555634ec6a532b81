/**
 * What secures an m-line towards one party, as plain data: SDES keys, DTLS, ICE and BUNDLE. None of it is there for
 * plain RTP. Key material is in here: it goes to the relay and into SDP, never into a report or a log.
 */
import type {
  CertificateId,
  Fingerprint,
  FingerprintHash,
  RemoteCandidate,
  SrtpKey,
} from "../core/plan/security.ts";
import type { MonotonicMs } from "../core/time.ts";
import type { CryptoAttribute } from "../sdp/crypto-attribute.ts";
import type { SetupRole } from "../sdp/fingerprint.ts";

/**
 * none: plain. pending: nothing is settled yet and nothing may pass. passed: the parties' own business, we hold no key.
 */
export type SecurityKind = "none" | "pending" | "sdes" | "dtls" | "passed";

export interface SecurityState {
  /** In force: what offer and answer settled last. */
  kind: SecurityKind;
  /** What our answer to this party's running offer will take. */
  wanted: Exclude<SecurityKind, "pending">;
  /** What our last offer left this party to choose from; empty: plain RTP alone. */
  told: readonly ("sdes" | "dtls" | "passed")[];
  /** The profile of that offer was a secure one: an answer in clear is no answer to it (RFC 3264 section 6). */
  isToldSecure: boolean;
  /** Keys under a plain profile (RFC 8643 section 3): refusing them leaves plain RTP. */
  isOpportunistic: boolean;
  /** `OSRTP=accept`: this party's opportunistic offer is taken up even if the other party declines. */
  acceptsAnyway: boolean;
  sdes: SdesSide | undefined;
  dtls: DtlsSide | undefined;
}

/** A line of ours, as a party was told it. */
export interface SdesLine extends CryptoAttribute {
  /**
   * We made its key. False: it is the other party's, which protects with it itself, so it serves as long as that party
   * names it and is never kept beyond that: one key must not protect two versions of a packet.
   */
  readonly isOurs: boolean;
}

export interface SdesSide {
  /** Lines of this party's offer, the one we like best first. */
  offered: readonly CryptoAttribute[];
  /** `offerer_pref` put them in order: the first one is taken, even if another could pass untouched. */
  isRanked: boolean;
  /** Lines of our last offer to this party; every branch that answers takes one of them. */
  told: readonly SdesLine[];
  /** An answer has taken one of them, or the party's own offer came between; false while the offer waits. */
  isAnswered: boolean;
  /** Ours in force: the one that an answer took, or that we answered with; whoever offers next, it stays. */
  used: SdesLine | undefined;
  /** The line we answered this party's last offer with. */
  answered: SdesLine | undefined;
  /** Those with a key of ours that answers to it had, one a suite: another branch's may have come after. */
  answers: readonly SdesLine[];
  /** What this party may protect its media with, the latest first. */
  receive: readonly SrtpKey[];
  /** When all of them but the latest go; undefined: there are no others. */
  formerUntilMs: MonotonicMs | undefined;
  /** What we protect with towards this party. */
  send: SrtpKey | undefined;
}

/** What a party last said of its end of DTLS. */
export interface DtlsWords {
  readonly fingerprints: readonly Fingerprint[];
  readonly setup: SetupRole | undefined;
  readonly tlsId: string | undefined;
}

export interface DtlsSide {
  heard: DtlsWords | undefined;
  /** The association that was settled; undefined before the first answer. */
  settled:
    | {
        readonly role: "client" | "server";
        readonly fingerprints: readonly Fingerprint[];
        readonly tlsId: string | undefined;
      }
    | undefined;
  /** `DTLS=passive` stood in the offer of this party. */
  prefersServer: boolean;
  certificate: CertificateId;
  /** Of the fingerprint this party is shown. */
  hash: FingerprintHash;
  association: number;
  /** Our tls-id for the association. */
  ownTlsId: string;
}

export interface IceCredentials {
  readonly ufrag: string;
  readonly password: string;
  readonly isLite: boolean;
}

export interface IceSide {
  localUfrag: string;
  localPassword: string;
  remote: IceCredentials | undefined;
  candidates: readonly RemoteCandidate[];
  /** The party says that candidates may follow its SDP. */
  peerTrickles: boolean;
  /** We say so to it: `trickle-ICE`, or as it does. */
  trickles: boolean;
  /** We say `ice2` to it (RFC 8445 section 10): by `ICE=ice2`, or as it does. */
  isIce2: boolean;
  /** We are lite towards this party. */
  isLite: boolean;
  isControlling: boolean;
  restart: number;
  /** This party's running offer restarts ICE; in force with our answer. */
  next: { readonly remote: IceCredentials; readonly candidates: readonly RemoteCandidate[] } | undefined;
  /** Candidates that came before the SDP they belong to (RFC 8840 section 4.4). */
  early: { readonly ufrag: string | undefined; readonly candidates: readonly RemoteCandidate[] } | undefined;
}

/** An m-line's place in a bundle with this party (RFC 8843 section 7). */
export interface BundleSide {
  /** m-line of the same leg whose transport serves this one, itself included; undefined: not settled, or none. */
  readonly carrier: number | undefined;
  /** The m-lines offered as one, by this party or to it, in the order of the group; empty: it stands alone. */
  readonly offered: readonly number[];
  /** The party itself offered that, and is to be answered; false: it was offered to it. */
  readonly isOwn: boolean;
  /** Offered without a transport of its own. */
  readonly isOnly: boolean;
  readonly midExtension: number | undefined;
  readonly ssrcs: readonly number[];
}

export function newSecurity(kind: SecurityKind): SecurityState {
  return {
    kind,
    wanted: "none",
    told: [],
    isToldSecure: false,
    isOpportunistic: false,
    acceptsAnyway: false,
    sdes: undefined,
    dtls: undefined,
  };
}
