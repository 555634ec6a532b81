/** How often and how long, in milliseconds (RFC 8445 section 14, RFC 7675 section 5.1). */

/**
 * Ta: whatever an agent has to check, to repeat or to nominate, one packet leaves in this time. RFC 8445 section
 * 14.2 allows 5 ms and proposes 50, as browsers have it; with one local candidate a component we have fewer pairs.
 */
export const pacingMs = 20;
/** RTO of a check, at least. */
export const retransmitMsMin = 500;
/** Rc: a check is sent so many times, at doubling distances (RFC 8489 section 6.2.1). */
export const transmissionsMax = 7;
/** Rm: after the last one, so many RTOs are waited. */
export const lastWaitRtos = 16;
/** While a better pair is still being checked, nomination waits for it so long after the first valid pair. */
export const nominationWaitMs = 100;
/** Nobody calls it failed earlier: candidates may trickle, or the peer's checks come first (RFC 8863 section 4). */
export const patienceMs = 39_500;

/** Consent checks are 4 to 6 s apart, by chance. */
export const consentMsMin = 4_000;
export const consentSpreadMs = 2_000;
/** Without an answer for so long we may send no more. */
export const consentExpiryMs = 30_000;

/** When the peer turns up at another address, the selected one has to answer two probes at this distance, or yields. */
export const probeMs = 250;
export const probesMax = 2;
/** An answer so young makes probing needless. */
export const recentMs = 1_000;
/** A pair takes over from a silent one only if it worked so recently. */
export const freshMs = 3_000;
/** Lite agents cannot probe: a selected pair without a check of the peer for so long is silent (RFC 7675 section 5.1: at most 6 s). */
export const liteSilentMs = 6_500;
