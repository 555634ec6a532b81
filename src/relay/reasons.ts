/**
 * Every way a datagram can end in a worker, each a counter of the same name: the verdicts of the handover policy
 * first, under their own codes, then the relay's own.
 */
import { verdict } from "../handover/contract.ts";

export const reason = {
  ...verdict,
  /** Nothing that RFC 7983 section 7 knows, or a header that does not fit its datagram. */
  malformed: 12,
  /** Longer than the largest datagram carried. */
  tooLarge: 13,
  stun: 14,
  dtls: 15,
  /** RTP that came to an RTCP port. */
  rtpOnRtcpPort: 16,
  /** Accepted, but the pair has no peer, or the peer is closed. */
  noPeer: 17,
  /** Accepted, but nobody knows yet where the peer is. */
  noTarget: 18,
  /** Accepted, but the peer is on hold. */
  peerOnHold: 19,
  /** Accepted, but this party's media is blocked. */
  mediaBlocked: 20,
  /** A pending ICMP error was met and the send repeated; not an end of a packet. */
  sendRetried: 21,
  /** The kernel's queue was full. */
  sendQueueFull: 22,
  sendFailed: 23,
  /** Held packets that were never released: store full, too large for it, too old, given up. */
  heldStoreFull: 24,
  heldTooLarge: 25,
  heldExpired: 26,
  heldDropped: 27,
  heldReleased: 28,
  /** A send target that is one of our own listening sockets, the sending pair or its peer, or multicast; refused. */
  forbiddenTarget: 29,
  /** A wake-up for a socket that is closed by now. */
  staleWakeup: 30,
  receiveFailed: 31,
  /** Accepted, but the peer is another leg of ours that already gets all it may (`ownTargetPacketsPerSecMax`). */
  ownTargetLimit: 32,
  /** A socket the kernel would not watch (fs.epoll.max_user_watches): it hears nothing; not an end of a packet. */
  unwatched: 33,
  /** A packet on a secure leg whose tag is that of none of its keys: also one that came in clear. */
  authFailed: 34,
  /** A packet that came before, by its index in the stream (RFC 3711 section 3.3.2). */
  replayed: 35,
  /** Too far behind the newest to tell whether it came before. */
  tooOld: 36,
  /** A key has served for all the packets it may (RFC 3711 section 9.2). */
  keyExhausted: 37,
  /** Accepted, but the peer's leg is secure and has no key yet: nothing goes out in clear. */
  noSendKey: 38,
  /** Its tag was not looked at: sources not proven may ask for so many a second (`strangerVerificationsPerSecMax`). */
  verificationLimit: 39,
  /** STUN on a leg with ICE that is no check for its user name fragment and no answer. */
  stunRefused: 40,
  /** STUN and DTLS beyond what a socket or a worker passes up. */
  packetsUpLimit: 41,
  /** STUN and DTLS that main has no room for. */
  packetsUpFull: 42,
  /** A datagram of main's for a socket that is closed by now; not an end of a packet that came in. */
  packetsDownStale: 43,
  /** RTP on the transport of a bundle that belongs to no m-line (RFC 8843 section 9.2). */
  unroutable: 44,
  /** What cannot be protected on a secure leg, or was protected and would go out in clear on one that shall be. */
  unsecured: 45,
  /** STUN or DTLS that main was given: no refusal. */
  passedUp: 46,
  /** Accepted, but the key of the way out has not protected its SSRC yet, and may take no new one now (`srtpNewSsrcsPerSecMax`). */
  newSsrcLimit: 47,
} as const;

export type ReasonName = keyof typeof reason;
export const reasonNames = Object.keys(reason) as readonly ReasonName[];
/** Room for codes; more than are in use. */
export const reasonCount = 64;
