/** Long-term credentials, as the server checks them (RFC 8489 section 9.2.4), in the order of that section. */
import type { Digests } from "../core/digests.ts";
import { turnUsernameSizeBytesMax } from "../core/limits.ts";
import { hasIntegrity, integrityOf } from "../stun/integrity.ts";
import { attributeOf, type StunMessage } from "../stun/message.ts";
import { readText } from "../stun/values.ts";
import { readUint16, type StunErrorCode, stunAttribute, writeUint16 } from "../stun/wire.ts";
import { type Credentials, type PasswordAlgorithm, passwordAlgorithmCode } from "./credentials.ts";
import { featuresOf, type Nonces, securityFeature } from "./nonces.ts";
import { type Attribute, type Caller, type Seal, type TurnRequest, textAttribute } from "./request.ts";
import type { TurnSettings } from "./settings.ts";
import { turnError } from "./wire.ts";

export type AuthVerdict =
  | { readonly kind: "proven"; readonly caller: Caller }
  | {
      readonly kind: "refused";
      readonly error: StunErrorCode;
      readonly attributes: readonly Attribute[];
      /** Only who knows the password gets a sealed refusal, and more of them than the rate allows. */
      readonly seal: Seal | undefined;
    };

export interface AuthParts {
  readonly digests: Digests;
  readonly nonces: Nonces;
  readonly credentials: Credentials;
  readonly settings: TurnSettings;
  /** Other 5-tuples whose nonces are good here as well. */
  readonly nonceHolders: readonly string[];
}

export function authenticate(request: TurnRequest, parts: AuthParts): AuthVerdict {
  const { settings, credentials } = parts;
  const { message } = request;
  const hash = integrityOf(message);
  if (hash === undefined) {
    if (settings.isAnonymous)
      return { kind: "proven", caller: { username: "", account: "", seal: undefined } };
    return refuse(turnError.unauthenticated, challenge(request, parts));
  }
  const name = attributeOf(message, stunAttribute.username);
  const userhash = attributeOf(message, stunAttribute.userhash);
  const nonce = attributeOf(message, stunAttribute.nonce);
  const realm = attributeOf(message, stunAttribute.realm);
  if ((name ?? userhash) === undefined || nonce === undefined || realm === undefined) {
    return refuse(turnError.badRequest);
  }
  const nonceText = readText(nonce);
  const algorithm = algorithmOf(message, nonceText, credentials.algorithms);
  if (algorithm === undefined) return refuse(turnError.badRequest);
  const username = usernameOf(name, userhash, credentials);
  const isOurRealm = readText(realm) === settings.realm;
  const keys = credentials.keysOf(isOurRealm ? username : "", algorithm, request.moment.unixMs);
  const key = keys.find((candidate) => hasIntegrity(message, hash, candidate, parts.digests));
  if (key === undefined) return refuse(turnError.unauthenticated, challenge(request, parts));
  credentials.remember(username, algorithm, key);
  const seal = { key, hash };
  const lifetimeMs = settings.nonceSec * 1_000;
  const { nowMs } = request.moment;
  const isFresh = [request.clientKey, ...parts.nonceHolders].some((holder) =>
    parts.nonces.isFresh(nowMs, holder, nonceText, lifetimeMs),
  );
  if (!isFresh) {
    return refuse(turnError.staleNonce, challenge(request, parts), seal);
  }
  return { kind: "proven", caller: { username, account: credentials.accountOf(username), seal } };
}

function refuse(error: StunErrorCode, attributes: readonly Attribute[] = [], seal?: Seal): AuthVerdict {
  return { kind: "refused", error, attributes, seal };
}

/** An empty name is nobody's. */
function usernameOf(
  name: Uint8Array | undefined,
  userhash: Uint8Array | undefined,
  credentials: Credentials,
): string {
  if (name === undefined) return credentials.nameOf(userhash ?? new Uint8Array()) ?? "";
  return name.length > turnUsernameSizeBytesMax ? "" : readText(name);
}

/** What a client needs in order to try (again): realm, a fresh nonce, and what passwords may be hashed with. */
function challenge(request: TurnRequest, parts: AuthParts): readonly Attribute[] {
  const { credentials, settings, nonces } = parts;
  const features =
    securityFeature.passwordAlgorithms | (credentials.hasAnonymity ? securityFeature.usernameAnonymity : 0);
  return [
    textAttribute(stunAttribute.realm, settings.realm),
    textAttribute(stunAttribute.nonce, nonces.mint(request.moment.nowMs, request.clientKey, features)),
    [stunAttribute.passwordAlgorithms, encodeAlgorithms(credentials.algorithms)],
  ];
}

/**
 * Undefined: the client was lied to about our algorithms, or took one we did not offer. Somebody in between who strikes
 * out the better one changes the list that the client seals.
 */
function algorithmOf(
  message: StunMessage,
  nonce: string,
  offered: readonly PasswordAlgorithm[],
): PasswordAlgorithm | undefined {
  if ((featuresOf(nonce) & securityFeature.passwordAlgorithms) === 0) return "md5";
  const chosen = attributeOf(message, stunAttribute.passwordAlgorithm);
  const list = attributeOf(message, stunAttribute.passwordAlgorithms);
  if (chosen === undefined && list === undefined) return "md5";
  if (chosen === undefined || list === undefined) return undefined;
  const expected = encodeAlgorithms(offered);
  if (list.length !== expected.length || list.some((byte, at) => byte !== expected[at])) return undefined;
  // None of ours has parameters.
  if (chosen.length !== 4 || readUint16(chosen, 2) !== 0) return undefined;
  return offered.find((name) => passwordAlgorithmCode[name] === readUint16(chosen, 0));
}

/** Four bytes each: the number, and how many bytes of parameters follow (RFC 8489 section 14.11). */
function encodeAlgorithms(algorithms: readonly PasswordAlgorithm[]): Uint8Array {
  const bytes = new Uint8Array(4 * algorithms.length);
  for (const [index, name] of algorithms.entries())
    writeUint16(bytes, 4 * index, passwordAlgorithmCode[name]);
  return bytes;
}
