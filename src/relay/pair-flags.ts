/** What a pair's settings come to for the worker that carries its packets. */
import { type DecodedSettings, securityCode, transportCode } from "./slot-settings.ts";
import { pairFlag, type Slots } from "./slots.ts";

/** A learning mode (`SlotSettings`): nothing that is received moves where we send. */
const learningOff = 1;

const transportFlags = pairFlag.isRtp | pairFlag.isUdptl;

/** `canReplay`: there is memory for packets that may have to be sent again. */
export function pairFlags(settings: DecodedSettings, canReplay: boolean): number {
  const { security } = settings;
  return (
    (settings.isMux ? pairFlag.isMux : 0) |
    (settings.mayReceive ? pairFlag.mayReceive : 0) |
    (settings.maySend ? pairFlag.maySend : 0) |
    transportFlag(settings) |
    (security === securityCode.sdes || security === securityCode.dtls ? pairFlag.isSecure : 0) |
    (security === securityCode.dtls ? pairFlag.isDtls : 0) |
    (security === securityCode.passed ? pairFlag.isPassed : 0) |
    (settings.rtp.hasIce ? pairFlag.hasIce : 0) |
    (canReplay && mayMove(settings) ? pairFlag.mayReplay : 0)
  );
}

/**
 * False if what went out to the pair's party before would mean something else under the new settings, or is not to be heard
 * by it any more: another peer, transport, protection or list of codecs, or hold.
 */
export function isSameMedia(slots: Slots, slot: number, settings: DecodedSettings): boolean {
  const pair = slot >>> 1;
  const flags = slots.flags[pair]!;
  return (
    slots.peerSlots[pair] === settings.peerSlot &&
    slots.peerGenerations[pair] === settings.peerGeneration &&
    slots.securities[pair] === settings.security &&
    (flags & transportFlags) === transportFlag(settings) &&
    ((flags & pairFlag.mayReceive) === 0 || settings.mayReceive) &&
    isSameTable(slots.clockRates[pair]!, settings.rtp.clockRates)
  );
}

function transportFlag({ transport }: DecodedSettings): number {
  if (transport === transportCode.rtp) return pairFlag.isRtp;
  return transport === transportCode.udptl ? pairFlag.isUdptl : 0;
}

/** Where the party is sent to may follow it through a change of network. */
function mayMove({ transport, rtp }: DecodedSettings): boolean {
  if (transport === transportCode.raw) return false;
  return rtp.hasIce || !(rtp.isAsymmetric || rtp.learningMode === learningOff);
}

/** A list of codecs in another order makes a table of its own. */
function isSameTable(one: Uint32Array, other: Uint32Array): boolean {
  if (one === other) return true;
  for (let payloadType = 0; payloadType < one.length; payloadType++) {
    if (one[payloadType] !== other[payloadType]) return false;
  }
  return true;
}
