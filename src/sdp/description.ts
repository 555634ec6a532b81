/**
 * An SDP body as lines (RFC 8866): what we do not understand passes through untouched.
 *
 * Text is latin1, one character a byte. Views over these lines (origin, addresses, codecs, ...) are functions in files
 * of their own; what goes out is written afresh by `write.ts`.
 */

/** One `type=value` line without its line end. */
export interface SdpLine {
  readonly type: string;
  readonly value: string;
}

export interface MediaSection {
  /** `audio`, `video`, `image`, `application`, ... */
  readonly kind: string;
  /** 0: rejected or removed. */
  readonly port: number;
  /** From `49170/2`; 1 when absent. */
  readonly portCount: number;
  readonly protocol: string;
  readonly formats: readonly string[];
  /** Everything below the m= line. */
  readonly lines: readonly SdpLine[];
}

export interface SessionDescription {
  /** Everything above the first m= line, v= included. */
  readonly session: readonly SdpLine[];
  readonly media: readonly MediaSection[];
}

/** Why a body was refused; `at` is its 1-based line. */
export interface SdpRefusal {
  readonly what:
    | "empty"
    | "too-large"
    | "too-many-lines"
    | "too-many-media"
    | "too-many-formats"
    /** No `x=` at its start, or a letter SDP does not have. */
    | "not-a-line"
    /** v=, o=, s=, t=, u=, e= or p= below an m= line, or a second o= or c=. */
    | "misplaced-line"
    | "bad-media"
    | "bad-origin"
    /** Not an IP address: host names are not resolved. */
    | "bad-connection"
    /** The first line is not `v=0`. */
    | "bad-version";
  readonly at: number;
}
