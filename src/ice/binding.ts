/** Connectivity checks and their answers as STUN messages (RFC 8445 sections 7.1 to 7.3, RFC 8489 section 9.1). */
import type { Endpoint } from "../core/address.ts";
import type { Digests } from "../core/digests.ts";
import { type IntegrityHash, StunBuilder } from "../stun/builder.ts";
import { hasIntegrity, integrityOf } from "../stun/integrity.ts";
import { attributeOf, type StunMessage, unknownRequired } from "../stun/message.ts";
import {
  encodeErrorCode,
  encodeNumber,
  encodeText,
  encodeTypes,
  encodeXorAddress,
  readNumber,
  readText,
} from "../stun/values.ts";
import { knownAttributes, type StunErrorCode, stunAttribute, stunError, stunMethod } from "../stun/wire.ts";
import type { IceComponent } from "./pair.ts";
import type { IceRole, RoleClaim } from "./role.ts";

/** What a check of the peer says, once its integrity is proven. */
export interface PeerCheck {
  /** The peer's own ufrag, the second half of USERNAME. */
  readonly ufrag: string;
  /** Of the peer-reflexive candidate this would be. */
  readonly priority: number;
  readonly usesCandidate: boolean;
  readonly claim: RoleClaim | undefined;
  /** The answer is sealed the same way. */
  readonly integrity: IntegrityHash;
}

export interface Refusal {
  readonly error: StunErrorCode;
  /** Undefined: the peer did not prove who it is, the answer is not sealed. */
  readonly integrity: IntegrityHash | undefined;
  readonly unknown: readonly number[];
}

export type RequestVerdict =
  | { readonly kind: "check"; readonly check: PeerCheck }
  | { readonly kind: "refused"; readonly refusal: Refusal };

/** Ufrag and password of one side. */
export interface IceCredentials {
  readonly ufrag: string;
  readonly key: Uint8Array;
}

/** Our ufrag in the USERNAME of a check to us, or undefined (RFC 8445 section 7.2.2: LFRAG:RFRAG seen from here). */
export function addressedUfrag(message: StunMessage): string | undefined {
  return splitUsername(message)?.[0];
}

/** Judges a binding request in the order of RFC 8489 section 9.1.3, then 6.3.1, then RFC 8445 section 7.3. */
export function judgeRequest(message: StunMessage, local: IceCredentials, digests: Digests): RequestVerdict {
  const integrity = integrityOf(message);
  if (integrity === undefined || attributeOf(message, stunAttribute.username) === undefined) {
    return refuse(stunError.badRequest, undefined);
  }
  const [ours, theirs] = splitUsername(message) ?? [];
  const isOurs = ours === local.ufrag && theirs !== undefined;
  if (!isOurs || !hasIntegrity(message, integrity, local.key, digests)) {
    return refuse(stunError.unauthenticated, undefined);
  }
  const unknown = unknownRequired(message, knownAttributes);
  if (unknown.length > 0) return refuse(stunError.unknownAttribute, integrity, unknown);
  const priority = readNumber(attributeOf(message, stunAttribute.priority) ?? new Uint8Array());
  const claim = readClaim(message);
  if (priority === undefined || claim === "malformed") return refuse(stunError.badRequest, integrity);
  const usesCandidate = attributeOf(message, stunAttribute.useCandidate) !== undefined;
  return { kind: "check", check: { ufrag: theirs, priority, usesCandidate, claim, integrity } };
}

/** True if an answer was made by the peer and says nothing we would have to understand and do not. */
export function isTrustedAnswer(message: StunMessage, remote: IceCredentials, digests: Digests): boolean {
  const integrity = integrityOf(message);
  if (integrity === undefined || !hasIntegrity(message, integrity, remote.key, digests)) return false;
  return unknownRequired(message, knownAttributes).length === 0;
}

export function encodeSuccess(
  request: StunMessage,
  source: Endpoint,
  seal: { digests: Digests; key: Uint8Array; integrity: IntegrityHash },
): Uint8Array {
  return new StunBuilder("success", stunMethod.binding, request.transactionId)
    .add(stunAttribute.xorMappedAddress, encodeXorAddress(source, request.transactionId))
    .addIntegrity(seal.digests, seal.key, seal.integrity)
    .addFingerprint()
    .build();
}

/**
 * Undefined where the request proves nothing and its answer would be larger: whoever forged the source must not get
 * more sent than he sends.
 */
export function encodeRefusal(
  request: StunMessage,
  refusal: Refusal,
  seal: { digests: Digests; key: Uint8Array },
): Uint8Array | undefined {
  const { error, integrity, unknown } = refusal;
  const builder = new StunBuilder("error", stunMethod.binding, request.transactionId);
  builder.add(stunAttribute.errorCode, encodeErrorCode(error));
  if (unknown.length > 0) builder.add(stunAttribute.unknownAttributes, encodeTypes(unknown));
  if (integrity !== undefined) builder.addIntegrity(seal.digests, seal.key, integrity);
  const bytes = builder.addFingerprint().build();
  return integrity === undefined && bytes.length > request.bytes.length ? undefined : bytes;
}

export function encodeCheck(check: {
  readonly transactionId: Uint8Array;
  readonly component: IceComponent;
  readonly localUfrag: string;
  readonly remote: IceCredentials;
  readonly role: IceRole;
  readonly nominates: boolean;
  readonly digests: Digests;
}): Uint8Array {
  const { remote, role } = check;
  const builder = new StunBuilder("request", stunMethod.binding, check.transactionId)
    .add(stunAttribute.username, encodeText(`${remote.ufrag}:${check.localUfrag}`))
    .add(stunAttribute.priority, encodeNumber(reflexivePriority(check.component)))
    .add(role.isControlling ? stunAttribute.iceControlling : stunAttribute.iceControlled, role.tieBreaker);
  if (check.nominates) builder.add(stunAttribute.useCandidate, new Uint8Array());
  return builder.addIntegrity(check.digests, remote.key, "sha1").addFingerprint().build();
}

/** RFC 8445 section 7.1.1: what our candidate's priority would be were it peer-reflexive (type preference 110). */
function reflexivePriority(component: IceComponent): number {
  return 110 * 2 ** 24 + 65_535 * 2 ** 8 + (256 - component);
}

function refuse(
  error: StunErrorCode,
  integrity: IntegrityHash | undefined,
  unknown: readonly number[] = [],
): RequestVerdict {
  return { kind: "refused", refusal: { error, integrity, unknown } };
}

function splitUsername(message: StunMessage): readonly [ours: string, theirs: string] | undefined {
  const username = attributeOf(message, stunAttribute.username);
  if (username === undefined) return undefined;
  const text = readText(username);
  const colon = text.indexOf(":");
  if (colon < 1 || colon === text.length - 1) return undefined;
  return [text.slice(0, colon), text.slice(colon + 1)];
}

/** Undefined: the peer claims nothing (RFC 8445 section 7.3.1.1 lets it pass). */
function readClaim(message: StunMessage): RoleClaim | undefined | "malformed" {
  const controlling = attributeOf(message, stunAttribute.iceControlling);
  const controlled = attributeOf(message, stunAttribute.iceControlled);
  const tieBreaker = controlling ?? controlled;
  if (tieBreaker === undefined) return undefined;
  if (tieBreaker.length !== 8 || (controlling !== undefined && controlled !== undefined)) return "malformed";
  return { isControlling: controlling !== undefined, tieBreaker };
}
