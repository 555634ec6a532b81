/** A request on its way through the server, and the replies it may get. */
import { formatEndpoint } from "../core/address.ts";
import type { Digests } from "../core/digests.ts";
import { type IntegrityHash, StunBuilder } from "../stun/builder.ts";
import type { StunMessage } from "../stun/message.ts";
import { encodeErrorCode, encodeText } from "../stun/values.ts";
import { type StunErrorCode, stunAttribute } from "../stun/wire.ts";
import type { TurnClient, TurnMoment } from "./actions.ts";

/** How an answer is sealed: as the request was (RFC 8489 section 9.2.4). */
export interface Seal {
  readonly key: Uint8Array;
  readonly hash: IntegrityHash;
}

/** Who asks, once it is proven. Without a seal: nobody in particular, where that is allowed. */
export interface Caller {
  readonly username: string;
  readonly account: string;
  readonly seal: Seal | undefined;
}

/** What an answer needs of its request; outlives the packet. */
export interface ReplyAddress {
  readonly client: TurnClient;
  readonly clientKey: string;
  readonly method: number;
  readonly transactionId: Uint8Array;
  readonly hasFingerprint: boolean;
}

export interface TurnRequest extends ReplyAddress {
  readonly moment: TurnMoment;
  readonly message: StunMessage;
}

export type Attribute = readonly [type: number, value: Uint8Array];

/** The 5-tuple as text. */
export function clientKeyOf({ transport, local, remote }: TurnClient): string {
  return `${transport} ${formatEndpoint(local)} ${formatEndpoint(remote)}`;
}

/** The part of a request that an answer much later needs, free of the packet's memory. */
export function replyAddressOf(request: TurnRequest): ReplyAddress {
  const { client, clientKey, method, transactionId, hasFingerprint } = request;
  return { client, clientKey, method, transactionId: new Uint8Array(transactionId), hasFingerprint };
}

/** Attributes in their order, then the seal, then a fingerprint if the request had one. */
export function encodeSuccess(
  to: ReplyAddress,
  attributes: readonly Attribute[],
  seal: Seal | undefined,
  digests: Digests,
): Uint8Array {
  const builder = new StunBuilder("success", to.method, to.transactionId);
  return finish(builder, to, attributes, { seal, digests });
}

export function encodeRefusal(
  to: ReplyAddress,
  refusal: { readonly error: StunErrorCode; readonly attributes: readonly Attribute[] },
  seal: Seal | undefined,
  digests: Digests,
): Uint8Array {
  const builder = new StunBuilder("error", to.method, to.transactionId);
  builder.add(stunAttribute.errorCode, encodeErrorCode(refusal.error));
  return finish(builder, to, refusal.attributes, { seal, digests });
}

function finish(
  builder: StunBuilder,
  to: ReplyAddress,
  attributes: readonly Attribute[],
  { seal, digests }: { readonly seal: Seal | undefined; readonly digests: Digests },
): Uint8Array {
  for (const [type, value] of attributes) builder.add(type, value);
  if (seal !== undefined) builder.addIntegrity(digests, seal.key, seal.hash);
  if (to.hasFingerprint) builder.addFingerprint();
  return builder.build();
}

export function textAttribute(type: number, text: string): Attribute {
  return [type, encodeText(text)];
}
