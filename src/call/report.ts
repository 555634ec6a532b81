/** What the call model tells about a call; control joins it with the relay's counters into its own statistics. */
import type { Endpoint, IpAddress } from "../core/address.ts";
import type { DtlsFailure, PairId } from "../core/plan/plan.ts";
import type { SrtpSuite } from "../core/plan/security.ts";
import type { MonotonicMs, UnixMs } from "../core/time.ts";

export interface CallReport {
  readonly callId: string;
  readonly createdAt: UnixMs;
  /** Last offer, answer, U or L. */
  readonly lastSignalAt: UnixMs;
  readonly ageMs: number;
  readonly isDeleted: boolean;
  readonly legs: readonly LegReport[];
}

export interface LegReport {
  /** Stable within the call. */
  readonly legId: number;
  /** undefined: a branch that has not answered. */
  readonly tag: string | undefined;
  readonly viaBranch: string | undefined;
  readonly aliases: readonly string[];
  readonly label: string | undefined;
  readonly createdAt: UnixMs;
  /** Legs this one exchanges offers and answers with. */
  readonly peers: readonly number[];
  readonly media: readonly MediaReport[];
}

export interface MediaReport {
  /** 0-based m-line. */
  readonly index: number;
  /** audio, video, image, application, ... */
  readonly type: string;
  readonly protocol: string;
  /** First codec in SDP notation, e.g. `PCMU/8000`; undefined for formats that are none. */
  readonly codec: string | undefined;
  readonly isActive: boolean;
  readonly direction: "sendrecv" | "sendonly" | "recvonly" | "inactive";
  readonly rtcpMux: boolean;
  readonly isAsymmetric: boolean;
  readonly isStrict: boolean;
  readonly followsAnySource: boolean;
  /** undefined for a rejected or removed m-line. */
  readonly pair: PairId | undefined;
  readonly local:
    | { readonly ip: IpAddress; readonly advertisedIp: IpAddress; readonly port: number }
    | undefined;
  /** The address signalling gave for this party. */
  readonly advertised: Endpoint | undefined;
  /** The same for RTCP; equals `advertised` under rtcp-mux. */
  readonly advertisedRtcp: Endpoint | undefined;
  /** What protects this party's media; undefined: nothing does. */
  readonly security?: SecurityReport | undefined;
  /** Undefined: no ICE with this party. */
  readonly ice?: IceReport | undefined;
  /** m-line of this leg whose transport serves this one; undefined: its own. */
  readonly carrier?: number | undefined;
}

/** Never the keys themselves. */
export interface SecurityReport {
  /** pending: nothing is agreed yet. passed: the parties' own affair, we have no keys. */
  readonly kind: "pending" | "sdes" | "dtls" | "passed";
  /** Suite of what this party is sent; undefined until it is agreed. */
  readonly suite: SrtpSuite | undefined;
  /** DTLS: the handshake ended with the certificate that SDP named. */
  readonly isVerified: boolean;
  /** Why the last handshake failed. */
  readonly failure: DtlsFailure | undefined;
}

export interface IceReport {
  readonly isControlling: boolean;
  readonly isLite: boolean;
  /** Where RTP is sent by the candidates; undefined until one was chosen. */
  readonly selected: Endpoint | undefined;
  readonly failure: "no-valid-pair" | "consent-lost" | undefined;
}

/** Where in its call a pair stands; legs and m-lines are numbered from 1, as they joined. */
export interface PairPlace {
  readonly callId: string;
  readonly leg: number;
  readonly tag: string | undefined;
  readonly media: number;
  /** audio, video, image, application, ... */
  readonly type: string;
}

export interface CallSummary {
  readonly callId: string;
  readonly createdAt: UnixMs;
}

/** Why a call came to its end. */
export type EndReason =
  | "deleted"
  | "timeout"
  | "silent-timeout"
  | "offer-timeout"
  | "final-timeout"
  | "killed"
  | "shutdown";

export interface EndedCall {
  readonly report: CallReport;
  readonly reason: EndReason;
  readonly endedAt: MonotonicMs;
  /** rtpproxy notification, if a U asked for one. */
  readonly notify: { readonly socket: string; readonly tag: string } | undefined;
}
