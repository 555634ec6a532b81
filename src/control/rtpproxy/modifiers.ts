/**
 * The letters behind U and L: how a leg wants its port and what it may send from.
 *
 * They are read from left to right, so the error is that of the first letter that is wrong, as rtpproxy does it.
 */
import type { StreamOptions } from "../../call/requests.ts";
import { familyOf, type IpAddress, type IpFamily, parseIp } from "../../core/address.ts";
import { ok, type Result, refused } from "../../core/result.ts";
import { type ErrorCode, errorCode } from "./errors.ts";

/** What the daemon knows of its own media addresses. */
export interface LocalAddresses {
  /** There is a second interface to bridge to. */
  readonly hasBridge: boolean;
  has(ip: IpAddress): boolean;
  hasFamily(family: IpFamily): boolean;
  /** Address of a named interface. */
  labelled(name: string, family: IpFamily): IpAddress | undefined;
  /** The address packets to `remote` would leave from. */
  towards(remote: IpAddress): IpAddress | undefined;
}

type Side = "internal" | "external";

interface Draft {
  isAsymmetric: boolean;
  isSymmetric: boolean;
  isWeak: boolean;
  wantsNewPort: boolean;
  hasCodecs: boolean;
  family: IpFamily;
  readonly sides: Side[];
  localIp: IpAddress | undefined;
  label: string | undefined;
}

/** Characters read, the letter included, or the error. */
type Step = Result<number, ErrorCode>;

const one: Step = ok(1);

export function parseModifiers(text: string, local: LocalAddresses): Result<StreamOptions, ErrorCode> {
  const draft: Draft = {
    isAsymmetric: false,
    isSymmetric: false,
    isWeak: false,
    wantsNewPort: false,
    hasCodecs: false,
    family: 4,
    sides: [],
    localIp: undefined,
    label: undefined,
  };
  for (let at = 0; at < text.length; ) {
    const step = readModifier(draft, text.slice(at), local);
    if (!step.ok) return step;
    at += step.value;
  }
  return finish(draft, local);
}

function readModifier(draft: Draft, rest: string, local: LocalAddresses): Step {
  switch (rest.charAt(0).toUpperCase()) {
    case "A":
      draft.isAsymmetric = true;
      draft.isSymmetric = false;
      return one;
    case "S":
      draft.isSymmetric = true;
      draft.isAsymmetric = false;
      return one;
    case "W":
      draft.isWeak = true;
      return one;
    case "N":
      draft.wantsNewPort = true;
      return one;
    case "6":
      draft.family = 6;
      return one;
    case "E":
      return addSide(draft, "external", local);
    case "I":
      return addSide(draft, "internal", local);
    case "Z":
      return repacketizing(rest);
    case "C":
      return codecs(draft, rest);
    case "L":
      return localAddress(draft, rest, local);
    case "R":
      return route(draft, rest, local);
    default:
      return refused(errorCode.unknownModifier);
  }
}

function addSide(draft: Draft, side: Side, local: LocalAddresses): Step {
  if (draft.sides.length === 2 || !local.hasBridge) {
    return refused(side === "external" ? errorCode.bridgeExternal : errorCode.bridgeInternal);
  }
  draft.sides.push(side);
  return one;
}

/** Packets keep the size they came in; the wish is checked and goes no further. */
function repacketizing(rest: string): Step {
  const match = /^.([0-9]{1,3})(?![0-9])/.exec(rest);
  return match === null || Number(match[1]) === 0 ? refused(errorCode.repacketizing) : ok(match[0].length);
}

/** The payload types of the SDP; they matter to players and resizers alone. */
function codecs(draft: Draft, rest: string): Step {
  const match = /^.[0-9,]+/.exec(rest);
  if (match === null || draft.hasCodecs) return refused(errorCode.codecs);
  draft.hasCodecs = true;
  return ok(match[0].length);
}

/** `l192.0.2.1`, `l[2001:db8::1]` or `l{name}`. */
function localAddress(draft: Draft, rest: string, local: LocalAddresses): Step {
  if (rest.charAt(1) === "{") {
    const label = /^.\{([^}]+)\}/.exec(rest);
    if (label === null) return refused(errorCode.localAddressSyntax);
    const name = label[1] ?? "";
    const isKnown = local.labelled(name, 4) !== undefined || local.labelled(name, 6) !== undefined;
    if (!isKnown) return refused(errorCode.localAddressUnknown);
    draft.label = name;
    draft.localIp = undefined;
    return ok(label[0].length);
  }
  const found = readAddress(rest);
  if (found === undefined) return refused(errorCode.localAddressSyntax);
  const ip = parseIp(found.text);
  if (ip === undefined || !local.has(ip)) return refused(errorCode.localAddressUnknown);
  draft.localIp = ip;
  draft.label = undefined;
  return ok(found.size);
}

function route(draft: Draft, rest: string, local: LocalAddresses): Step {
  const found = readAddress(rest);
  if (found === undefined) return refused(errorCode.routeSyntax);
  const remote = parseIp(found.text);
  const ip = remote === undefined ? undefined : local.towards(remote);
  if (ip === undefined) return refused(errorCode.routeUnknown);
  draft.localIp = ip;
  draft.label = undefined;
  return ok(found.size);
}

/** Digits and dots, or hexadecimal digits and colons in brackets, right behind the letter. */
function readAddress(rest: string): { readonly text: string; readonly size: number } | undefined {
  const match = /^.(?:([0-9.]+)|\[([0-9a-fA-F:]+)\])/.exec(rest);
  if (match === null) return undefined;
  return { text: match[1] ?? match[2] ?? "", size: match[0].length };
}

function finish(draft: Draft, local: LocalAddresses): Result<StreamOptions, ErrorCode> {
  const localIp = draft.label === undefined ? draft.localIp : local.labelled(draft.label, draft.family);
  if (draft.label !== undefined && localIp === undefined) return refused(errorCode.familyUnavailable);
  const [caller, callee = "internal"] = draft.sides;
  if (localIp === undefined && caller === undefined && !local.hasFamily(draft.family)) {
    return refused(errorCode.familyUnavailable);
  }
  return ok({
    isAsymmetric: draft.isAsymmetric,
    isSymmetric: draft.isSymmetric,
    bridge: caller === undefined ? undefined : [caller, callee],
    family: draft.family,
    localIp,
    wantsNewPort: draft.wantsNewPort,
    isWeak: draft.isWeak,
  });
}

/** Interfaces by name and address, in their order; the first of a family is the default one. */
export function localAddresses(
  interfaces: readonly { readonly name: string; readonly ip: IpAddress }[],
  towards: (remote: IpAddress) => IpAddress | undefined,
): LocalAddresses {
  return {
    hasBridge: interfaces.length > 1,
    has: (ip) => interfaces.some((candidate) => candidate.ip === ip),
    hasFamily: (family) => interfaces.some(({ ip }) => familyOf(ip) === family),
    labelled: (name, family) =>
      interfaces.find((candidate) => candidate.name === name && familyOf(candidate.ip) === family)?.ip,
    towards,
  };
}
