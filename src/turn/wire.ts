/**
 * The numbers of TURN on the wire: RFC 8656 sections 17 to 19, RFC 6062 section 6, RFC 8016 section 4, RFC 5780
 * section 7. What STUN itself has is in `stun/wire.ts`.
 */
import type { IpFamily } from "../core/address.ts";
import { knownAttributes, type StunErrorCode, stunError } from "../stun/wire.ts";

/** IANA registry "STUN Methods". */
export const turnMethod = {
  allocate: 0x003,
  refresh: 0x004,
  send: 0x006,
  data: 0x007,
  createPermission: 0x008,
  channelBind: 0x009,
  connect: 0x00a,
  connectionBind: 0x00b,
  connectionAttempt: 0x00c,
} as const;

/** IANA registry "STUN Attributes". */
export const turnAttribute = {
  changeRequest: 0x0003,
  channelNumber: 0x000c,
  lifetime: 0x000d,
  xorPeerAddress: 0x0012,
  data: 0x0013,
  xorRelayedAddress: 0x0016,
  requestedAddressFamily: 0x0017,
  evenPort: 0x0018,
  requestedTransport: 0x0019,
  dontFragment: 0x001a,
  reservationToken: 0x0022,
  padding: 0x0026,
  responsePort: 0x0027,
  connectionId: 0x002a,
  additionalAddressFamily: 0x8000,
  addressErrorCode: 0x8001,
  responseOrigin: 0x802b,
  otherAddress: 0x802c,
  mobilityTicket: 0x8030,
  /** ADDITIONAL-ADDRESS-FAMILY as coturn's clients number it up to version 4.6. */
  additionalAddressFamilyOfCoturn: 0x8032,
} as const;

/** IANA registry "STUN Error Codes", with the reason phrases of the RFCs that name them in the registry. */
export const turnError = {
  ...stunError,
  tryAlternate: { code: 300, reason: "Try Alternate" },
  mobilityForbidden: { code: 405, reason: "Mobility Forbidden" },
  allocationMismatch: { code: 437, reason: "Allocation Mismatch" },
  staleNonce: { code: 438, reason: "Stale Nonce" },
  familyUnsupported: { code: 440, reason: "Address Family not Supported" },
  wrongCredentials: { code: 441, reason: "Wrong Credentials" },
  transportUnsupported: { code: 442, reason: "Unsupported Transport Protocol" },
  peerFamilyMismatch: { code: 443, reason: "Peer Address Family Mismatch" },
  connectionExists: { code: 446, reason: "Connection Already Exists" },
  connectionFailed: { code: 447, reason: "Connection Timeout or Failure" },
  quotaReached: { code: 486, reason: "Allocation Quota Reached" },
  serverError: { code: 500, reason: "Server Error" },
  insufficientCapacity: { code: 508, reason: "Insufficient Capacity" },
} as const satisfies Record<string, StunErrorCode>;

/** Values of REQUESTED-TRANSPORT: protocol numbers of IP. */
export const relayTransportCode = { tcp: 6, udp: 17 } as const;

/** REQUESTED-ADDRESS-FAMILY and its kin (RFC 8656 section 18.6). */
export const familyCode = { v4: 1, v6: 2 } as const;

/** Undefined: neither IPv4 nor IPv6. */
export function familyOfCode(code: number | undefined): IpFamily | undefined {
  if (code === familyCode.v4) return 4;
  return code === familyCode.v6 ? 6 : undefined;
}

export function codeOfFamily(family: IpFamily): number {
  return family === 4 ? familyCode.v4 : familyCode.v6;
}

/** RFC 8656 section 12; the last of RFC 5766, whose clients draw from the whole range, is `channelNumberLegacyMax`. */
export const channelNumberMin = 0x4000;
export const channelNumberMax = 0x4fff;
export const channelNumberLegacyMax = 0x7fff;
export const channelHeaderSizeBytes = 4;

/** The required attributes any request of ours may carry (RFC 8489 section 14). */
export const turnAttributes: ReadonlySet<number> = new Set([
  ...knownAttributes,
  turnAttribute.channelNumber,
  turnAttribute.lifetime,
  turnAttribute.xorPeerAddress,
  turnAttribute.data,
  turnAttribute.xorRelayedAddress,
  turnAttribute.requestedAddressFamily,
  turnAttribute.evenPort,
  turnAttribute.requestedTransport,
  turnAttribute.dontFragment,
  turnAttribute.reservationToken,
  turnAttribute.connectionId,
]);

/** Known as well where behaviour discovery is offered (RFC 5780 section 7). */
export const discoveryAttributes: ReadonlySet<number> = new Set([
  ...turnAttributes,
  turnAttribute.changeRequest,
  turnAttribute.padding,
  turnAttribute.responsePort,
]);
