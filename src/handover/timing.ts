/** The times, counts and ranks of the source policy (docs/handover.md). All times in milliseconds. */

/** A first speaker is believed after this many consistent packets, or after this long with two of them. */
export const firstSpeakerPackets = 5;
export const firstSpeakerMs = 100;
/** Packets that must agree before a stream counts as one. */
export const plausiblePackets = 2;
/**
 * A leg whose signalled address is usable believes an unknown address only after it was alone so long, and a first
 * speaker may be replaced by better evidence for so long (`settle-time`).
 */
export const settleMsDefault = 3_000;
/**
 * A provisional source that kept quiet so long may be replaced by one of its own rank; less than what is held of that
 * one, so that nothing it said since is lost.
 */
export const provisionalSilenceMs = 900;
/** A rival heard within this time keeps a first speaker of equal rank from being believed. */
export const rivalMs = 500;
/** Several ports of one signalled address: after this long the better one is taken. */
export const portContestMs = 500;
/** A source counts as speaking while it was heard within this time. */
export const speakingMs = 200;
/** After a party's SDP changed, its addresses are judged anew for so long. */
export const newGenerationMs = 5_000;
/** A source that only a superseded hint proved keeps its proof so long. */
export const supersededMs = 3_000;
/** Media for a party whose SDP address is doubtful waits so long for its first packets. */
export const doubtfulTargetMs = 300;
/**
 * A place that signalling names exactly is sent to after so long, though the source before speaks on; as long as what was
 * sent can be sent again.
 */
export const namedTargetMs = 200;
/** Same place, new SSRC: the old source has been silent for so long, or the party signalled within `signalledLatelyMs`. */
export const samePlaceSilenceMs = 2_000;
export const signalledLatelyMs = 3_000;
/** After a switch the source before is still read for so long. */
export const latePacketsMs = 500;
/** Two paths of one phone differ by no more than this. */
export const pathDelayMs = 200;
/**
 * A single packet without a second one so soon is a stray, and gives way where there is no room: long enough for the next
 * packet of a phone, short enough for a flood of 200 packets a second to keep nobody out.
 */
export const strayPacketMs = 40;
/** A candidate that was not heard for so long is forgotten. */
export const candidateIdleMs = 1_000;
/**
 * Hold time: bounds, and the inter-arrival time assumed before it is measured, with so much jitter that the hold time is
 * the longest at first: a stream of 60 ms packets must not look silent between its first two.
 */
export const holdMsMin = 20;
export const holdMsMax = 120;
export const interArrivalMsDefault = 20;
export const jitterMsDefault = 25;
/** A tag of so many bits may be hit by chance: two packets are asked for. */
export const weakTagBitsMax = 32;
/**
 * Switches without signalled or cryptographic evidence: so many in so long. Further ones wait for `doubtfulSilenceMs`, so
 * that nobody can use them up and lock the phone out.
 */
export const switchesMax = 5;
export const switchWindowMs = 10_000;
/** A strike lasts so long. */
export const strikeMs = 10_000;
/** A struck source, or a switch beyond the limit, waits for this silence of the present source. */
export const doubtfulSilenceMs = 500;
/** A twin that was not heard for so long is none. */
export const twinIdleMs = 10_000;
/** What went out is sent again from so long before the old path's last packet on, and at most once in `replayPauseMs`. */
export const replayBeforeMs = 40;
export const replayPauseMs = 2_000;
/**
 * A listener that shows by a receipt that it moved is believed when its old place was silent for so long: one that is
 * still there reports every 6.2 s at the latest (RFC 3550 section 6.3.1, for the usual 5 s).
 */
export const receiptSilenceMs = 8_000;
/** After `switchesMax` switches an override moves the leg at most once in so long. */
export const overridePauseMs = 100;
/** `endpoint-learning`: how long after signalling sources may still be exchanged. */
export const learningWindowMs = 3_000;

/** Continuity: sequence numbers a stream may be ahead, and time its timestamp may run ahead of the clock. */
export const sequenceAheadMax = 3_000;
export const sequenceAheadMin = 16;
export const timestampSlackMs = 1_000;
/** Timestamps of video, whose frames may be sent in another order than they are shown, go back by some frames. */
export const timestampBackMs = 500;
/** The clock of video (RFC 3551 section 5). */
export const videoClockHz = 90_000;
/** Sequence numbers a packet may be behind its predecessor and still belong to the same run. */
export const reorderMax = 100;

/** How near a candidate is to what is known of the party; the higher wins. */
export const rank = {
  anything: 0,
  trustedMedia: 1,
  sibling: 2,
  sameNetwork: 3,
  signalled: 4,
  /** It carries the proven stream on, wherever it comes from. */
  continuous: 5,
} as const;
