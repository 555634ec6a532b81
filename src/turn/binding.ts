/** Binding (RFC 8489 section 2), and with two addresses the discovery of a NAT's behaviour (RFC 5780 section 6). */
import type { Endpoint } from "../core/address.ts";
import { attributeOf } from "../stun/message.ts";
import { encodeAddress, encodeXorAddress, readNumber } from "../stun/values.ts";
import { readUint16, type StunErrorCode, stunAttribute } from "../stun/wire.ts";
import type { TurnClient } from "./actions.ts";
import { type Attribute, encodeSuccess, type TurnRequest } from "./request.ts";
import type { DiscoverySettings } from "./settings.ts";
import type { Refusal, TurnState } from "./state.ts";
import { turnAttribute, turnError } from "./wire.ts";

/** Bits of CHANGE-REQUEST (RFC 5780 section 7.2). */
const changeIpBit = 4;
const changePortBit = 2;

/** An Ethernet frame's worth: RFC 5780 section 7.6 wants the interface's MTU. */
const paddingSizeBytesMax = 1_500;

/** True if this client may use the attributes of behaviour discovery: UDP, at one of the four sockets. */
export function hasDiscovery(discovery: DiscoverySettings | undefined, client: TurnClient): boolean {
  return (
    discovery !== undefined && client.transport === "udp" && placeOf(discovery, client.local) !== undefined
  );
}

/** True if the answer is to go another way than the question came, which a forged source could aim with. */
export function wantsDetour({ message }: TurnRequest): boolean {
  return (
    attributeOf(message, turnAttribute.changeRequest) !== undefined ||
    attributeOf(message, turnAttribute.responsePort) !== undefined
  );
}

/** Needs no credentials, and the answer is hardly longer than the question. A refusal is given back. */
export function handleBinding(state: TurnState, request: TurnRequest): Refusal | undefined {
  const { client, message } = request;
  const mapped: Attribute = [
    stunAttribute.xorMappedAddress,
    encodeXorAddress(client.remote, message.transactionId),
  ];
  const { discovery } = state.settings;
  const place = discovery === undefined ? undefined : placeOf(discovery, client.local);
  if (discovery === undefined || place === undefined || client.transport !== "udp") {
    state.succeed(request, [mapped], undefined);
    return undefined;
  }
  const wish = readWish(request);
  if ("error" in wish) return wish;
  const other = { ipAt: 1 - place.ipAt, portAt: 1 - place.portAt };
  const origin = {
    ipAt: wish.changesIp ? other.ipAt : place.ipAt,
    portAt: wish.changesPort ? other.portAt : place.portAt,
  };
  const attributes: Attribute[] = [
    mapped,
    [stunAttribute.mappedAddress, encodeAddress(client.remote)],
    [turnAttribute.responseOrigin, encodeAddress(advertisedOf(discovery, origin))],
    [turnAttribute.otherAddress, encodeAddress(advertisedOf(discovery, other))],
  ];
  // No more than came, though RFC 5780 section 7.6 wants a full MTU: a forged source must gain nothing by it.
  if (wish.paddingSizeBytes > 0) {
    attributes.push([turnAttribute.padding, new Uint8Array(wish.paddingSizeBytes)]);
  }
  state.counts.successes++;
  const bytes = encodeSuccess(request, attributes, undefined, state.parts.digests);
  const from = localOf(discovery, origin);
  const to = wish.port === undefined ? client.remote : { ip: client.remote.ip, port: wish.port };
  state.emit({ kind: "reply", client, bytes, from, to });
  return undefined;
}

interface DiscoveryWish {
  readonly changesIp: boolean;
  readonly changesPort: boolean;
  /** Where the answer goes instead of the port the request came from. */
  readonly port: number | undefined;
  readonly paddingSizeBytes: number;
}

function readWish({ message }: TurnRequest): DiscoveryWish | { readonly error: StunErrorCode } {
  const change = attributeOf(message, turnAttribute.changeRequest);
  const responsePort = attributeOf(message, turnAttribute.responsePort);
  const padding = attributeOf(message, turnAttribute.padding);
  const bits = change === undefined ? 0 : readNumber(change);
  const isPort =
    responsePort === undefined || (responsePort.length >= 2 && readUint16(responsePort, 0) !== 0);
  // RFC 5780 section 6.1: the two do not go together.
  const isBoth = responsePort !== undefined && padding !== undefined;
  if (bits === undefined || !isPort || isBoth) return { error: turnError.badRequest };
  return {
    changesIp: (bits & changeIpBit) !== 0,
    changesPort: (bits & changePortBit) !== 0,
    port: responsePort === undefined ? undefined : readUint16(responsePort, 0),
    paddingSizeBytes: Math.min(padding?.length ?? 0, paddingSizeBytesMax),
  };
}

interface Place {
  readonly ipAt: number;
  readonly portAt: number;
}

function placeOf(discovery: DiscoverySettings, local: Endpoint): Place | undefined {
  const ipAt = discovery.addresses.findIndex(({ ip }) => ip === local.ip);
  const portAt = discovery.ports.indexOf(local.port);
  return ipAt < 0 || portAt < 0 ? undefined : { ipAt, portAt };
}

function localOf({ addresses, ports }: DiscoverySettings, { ipAt, portAt }: Place): Endpoint {
  return { ip: (addresses[ipAt] ?? addresses[0]).ip, port: ports[portAt] ?? ports[0] };
}

function advertisedOf({ addresses, ports }: DiscoverySettings, { ipAt, portAt }: Place): Endpoint {
  return { ip: (addresses[ipAt] ?? addresses[0]).advertisedIp, port: ports[portAt] ?? ports[0] };
}
