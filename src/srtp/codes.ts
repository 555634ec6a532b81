/** Why a packet was not protected or not accepted. All are negative, as sizes are not. */
export const srtpCode = {
  /** The slot has no key for this. */
  noKey: -1,
  /** Not a packet of its kind, or too short for what its keys add. */
  malformed: -2,
  /** The tag is not that of any key. */
  failed: -3,
  /** A packet of this index was there before (RFC 3711 section 3.3.2). */
  replayed: -4,
  /** Further behind the newest than the replay window reaches. */
  tooOld: -5,
  /** The key has served for as many packets as it may (RFC 3711 section 9.2). */
  exhausted: -6,
  /** The key has not protected this SSRC before, and may take no new one now. */
  newSsrc: -7,
} as const;
