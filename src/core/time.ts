/**
 * Three kinds of time, never mixed.
 *
 * Pure rooms receive a time with every input and never read a clock themselves; `Clock` exists for the edges.
 */

/** CLOCK_MONOTONIC of the process in milliseconds; for deadlines and ages. May carry a fraction. */
export type MonotonicMs = number & { readonly __unit: "monotonic-ms" };

/** Milliseconds since the Unix epoch; for what people and other machines read. */
export type UnixMs = number & { readonly __unit: "unix-ms" };

/** The 32-bit media clock of an RTP stream (RFC 3550 section 5.1). */
export type RtpTimestamp = number & { readonly __unit: "rtp-timestamp" };

export interface Clock {
  monotonicMs(): MonotonicMs;
  unixMs(): UnixMs;
}

/** A later point on the same monotonic clock. */
export function addMs(time: MonotonicMs, durationMs: number): MonotonicMs {
  return (time + durationMs) as MonotonicMs;
}
