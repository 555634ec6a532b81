/** What an Allocate request asks for, judged by itself (RFC 8656 section 7.2, RFC 6062 section 5.1, RFC 8016 section 3.1). */
import { Buffer } from "node:buffer";
import type { IpFamily } from "../core/address.ts";
import { attributeOf, type StunMessage } from "../stun/message.ts";
import { readNumber } from "../stun/values.ts";
import type { StunErrorCode } from "../stun/wire.ts";
import type { TurnClient } from "./actions.ts";
import type { TurnSettings } from "./settings.ts";
import { familyOfCode, relayTransportCode, turnAttribute, turnError } from "./wire.ts";

export interface AllocateDemand {
  readonly transport: "udp" | "tcp";
  /** The families wanted; those we cannot have are told in ADDRESS-ERROR-CODE, unless none is left. */
  readonly families: readonly IpFamily[];
  readonly port: "any" | "even" | "pair";
  /** The RESERVATION-TOKEN, as text. */
  readonly token: string | undefined;
  readonly lifetimeSec: number | undefined;
  readonly isMobile: boolean;
}

type Checked<Value> = Value | { readonly error: StunErrorCode };

const refused = (error: StunErrorCode): { readonly error: StunErrorCode } => ({ error });

export function readDemand(
  message: StunMessage,
  client: TurnClient,
  settings: TurnSettings,
): Checked<AllocateDemand> {
  const transport = readTransport(message, client, settings);
  if (typeof transport !== "string") return transport;
  const port = readEvenPort(message);
  if (typeof port !== "string") return port;
  const token = attributeOf(message, turnAttribute.reservationToken);
  const families = readFamilies(message);
  if ("error" in families) return families;
  const hasFamily = has(message, turnAttribute.requestedAddressFamily);
  const isDual = additionalFamilyOf(message) !== undefined;
  if (token !== undefined && (token.length !== 8 || port !== "any" || hasFamily || isDual)) {
    return refused(turnError.badRequest);
  }
  if (port === "pair" && isDual) return refused(turnError.badRequest);
  const isPlain = token === undefined && port === "any" && !has(message, turnAttribute.dontFragment);
  if (transport === "tcp" && !isPlain) return refused(turnError.badRequest);
  const lifetime = readLifetime(message);
  if (lifetime !== undefined && typeof lifetime !== "number") return lifetime;
  const ticket = attributeOf(message, turnAttribute.mobilityTicket);
  if (ticket !== undefined && (!settings.hasMobility || transport === "tcp")) {
    return refused(turnError.mobilityForbidden);
  }
  if (ticket !== undefined && ticket.length > 0) return refused(turnError.badRequest);
  return {
    transport,
    families: families.list,
    port,
    token: token === undefined ? undefined : Buffer.from(token).toString("hex"),
    lifetimeSec: lifetime,
    isMobile: ticket !== undefined,
  };
}

/** LIFETIME; undefined: there is none. */
export function readLifetime(message: StunMessage): Checked<number> | undefined {
  const value = attributeOf(message, turnAttribute.lifetime);
  return value === undefined ? undefined : (readNumber(value) ?? refused(turnError.badRequest));
}

function has(message: StunMessage, type: number): boolean {
  return attributeOf(message, type) !== undefined;
}

function readTransport(
  message: StunMessage,
  client: TurnClient,
  settings: TurnSettings,
): Checked<"udp" | "tcp"> {
  const value = attributeOf(message, turnAttribute.requestedTransport);
  if (value?.length !== 4) return refused(turnError.badRequest);
  if (value[0] === relayTransportCode.udp) return "udp";
  if (value[0] !== relayTransportCode.tcp || !settings.hasTcpRelays) {
    return refused(turnError.transportUnsupported);
  }
  const isStream = client.transport === "tcp" || client.transport === "tls";
  return isStream ? "tcp" : refused(turnError.badRequest);
}

function readEvenPort(message: StunMessage): Checked<"any" | "even" | "pair"> {
  const value = attributeOf(message, turnAttribute.evenPort);
  if (value === undefined) return "any";
  if (value.length !== 1) return refused(turnError.badRequest);
  return ((value[0] ?? 0) & 0x80) === 0 ? "even" : "pair";
}

function additionalFamilyOf(message: StunMessage): Uint8Array | undefined {
  return (
    attributeOf(message, turnAttribute.additionalAddressFamily) ??
    attributeOf(message, turnAttribute.additionalAddressFamilyOfCoturn)
  );
}

function readFamilies(message: StunMessage): Checked<{ readonly list: readonly IpFamily[] }> {
  const requested = attributeOf(message, turnAttribute.requestedAddressFamily);
  const additional = additionalFamilyOf(message);
  if (requested !== undefined && additional !== undefined) return refused(turnError.badRequest);
  if (additional !== undefined) {
    const isV6 = additional.length === 4 && familyOfCode(additional[0]) === 6;
    return isV6 ? { list: [4, 6] } : refused(turnError.badRequest);
  }
  if (requested === undefined) return { list: [4] };
  if (requested.length !== 4) return refused(turnError.badRequest);
  const family = familyOfCode(requested[0]);
  return family === undefined ? refused(turnError.familyUnsupported) : { list: [family] };
}
