/**
 * Whose packet is it, and where do we send? The source policy of docs/handover.md as a state machine.
 *
 * Inputs are packets' metadata, settings and a time; outputs are verdicts and calls of the sink. It opens nothing,
 * reads no clock and allocates nothing per packet. A packet from the proven source costs one compare of five words
 * and its stream's own counters.
 */
import type { Cidr } from "../core/address-class.ts";
import { candidatesPerSlotMax } from "../core/limits.ts";
import { candidateAt, dropCandidate, isCandidate } from "./candidates.ts";
import { configureSlot } from "./configure.ts";
import {
  authResult,
  evidenceCode,
  type HandoverPolicy,
  type HandoverSink,
  type PacketFacts,
  packetKind,
  type SlotSettings,
  type Verdict,
  verdict,
} from "./contract.ts";
import { Deadlines } from "./deadlines.ts";
import {
  type Ground,
  hasFlag,
  isFresh,
  isProven,
  isSpeaking,
  isVouchedBySibling,
  networkRows,
  setFlag,
  unsignalled,
} from "./ground.ts";
import { hintMatch, isKnownPayloadType, matchHints, sourceInto } from "./hints.ts";
import { confirm, settle } from "./judge.ts";
import { isFromProven, keep, proveNow } from "./keep.ts";
import { judgeNewcomer } from "./newcomer.ts";
import { mayTakeLeg } from "./overrides.ts";
import { showPresence } from "./presence.ts";
import { judgeRtcp } from "./rtcp.ts";
import { candidate, claim, real, SlotTable, slotFlag, slotWords, word } from "./slot-table.ts";
import { claimOf } from "./speakers.ts";
import { noteStream } from "./streams.ts";
import {
  aimByIce,
  checkSource,
  confirmByKey,
  isChecked,
  judgeVerified,
  proveByKey,
  takeOver,
} from "./vouching.ts";

export interface HandoverOptions {
  /** Networks whose sources rank above unknown ones: media gateways of trunks (`trusted-media`). */
  readonly trustedMedia?: readonly Cidr[];
}

export class Handover implements HandoverPolicy {
  readonly #table: SlotTable;
  readonly #words: Int32Array;
  readonly #reals: Float64Array;
  readonly #deadlines: Deadlines;
  readonly #sink: HandoverSink;
  readonly #ground: Ground;

  constructor(capacitySlots: number, sink: HandoverSink, options: HandoverOptions = {}) {
    this.#table = new SlotTable(capacitySlots);
    this.#words = this.#table.words;
    this.#reals = this.#table.reals;
    this.#deadlines = new Deadlines(capacitySlots);
    this.#sink = sink;
    this.#ground = {
      table: this.#table,
      sink,
      deadlines: this.#deadlines,
      settings: new Array<SlotSettings>(capacitySlots).fill(unsignalled),
      epochs: new Int32Array(capacitySlots),
      trustedMedia: networkRows(options.trustedMedia ?? []),
      source: new Int32Array(5),
      heldFor: 0,
    };
  }

  get heldFor(): number {
    return this.#ground.heldFor;
  }

  open(slot: number, _nowMs: number): void {
    const ground = this.#ground;
    this.#table.clear(slot);
    ground.epochs[slot]!++;
    ground.settings[slot] = unsignalled;
    setFlag(ground, slot, slotFlag.isOpen, true);
    this.#deadlines.set(slot, Number.POSITIVE_INFINITY);
  }

  configure(slot: number, settings: SlotSettings, nowMs: number): void {
    configureSlot(this.#ground, slot, settings, nowMs);
  }

  close(slot: number): void {
    const ground = this.#ground;
    this.#table.clear(slot);
    ground.epochs[slot]!++;
    ground.settings[slot] = unsignalled;
    this.#deadlines.set(slot, Number.POSITIVE_INFINITY);
  }

  packet(facts: PacketFacts, nowMs: number): Verdict {
    const words = this.#words;
    const base = facts.slot * slotWords;
    if (
      words[base + word.provenPort] === facts.port &&
      words[base + word.proven + 3] === facts.ip3 &&
      words[base + word.proven + 2] === facts.ip2 &&
      words[base + word.proven + 1] === facts.ip1 &&
      words[base + word.proven] === facts.ip0 &&
      // A slot without a proven source holds zeros, and a packet from [::]:0 can be had on an IPv6 link.
      facts.port !== 0
    ) {
      return this.#fromProven(facts, base, nowMs);
    }
    return this.#fromElsewhere(facts, nowMs);
  }

  isKnownSource(facts: PacketFacts): boolean {
    const ground = this.#ground;
    sourceInto(ground.source, 0, facts);
    if (facts.port === 0) return false;
    if (isFromProven(ground, facts) || isChecked(ground, facts.slot, ground.source, 0)) return true;
    return matchHints(ground.settings[facts.slot]!, ground.source, 0) >= hintMatch.usableIp;
  }

  iceCheck(facts: PacketFacts, isNominated: boolean, nowMs: number): void {
    const ground = this.#ground;
    const { slot } = facts;
    if (!this.#mayProve(facts) || !ground.settings[slot]!.hasIce) return;
    sourceInto(ground.source, 0, facts);
    checkSource(ground, slot);
    if (isNominated || !isProven(ground, slot)) proveByKey(ground, facts, nowMs);
    if (isNominated) aimByIce(ground, slot, true);
  }

  iceRevoked(slot: number): void {
    if (this.#ground.settings[slot]!.hasIce) aimByIce(this.#ground, slot, false);
  }

  dtlsVerified(facts: PacketFacts, nowMs: number): void {
    if (this.#mayProve(facts)) proveByKey(this.#ground, facts, nowMs);
  }

  advance(nowMs: number): void {
    while (this.#deadlines.nextMs() <= nowMs) settle(this.#ground, this.#deadlines.nextSlot(), nowMs);
  }

  nextDeadlineMs(): number {
    return this.#deadlines.nextMs();
  }

  targetWord(slot: number, index: number): number {
    return this.#words[slot * slotWords + word.target + index]!;
  }

  provenWord(slot: number, index: number): number {
    return this.#words[slot * slotWords + word.proven + index]!;
  }

  evidenceOf(slot: number): number {
    return this.#words[slot * slotWords + word.evidence]!;
  }

  /** The slot's whole state but its settings, as bytes of this machine's order. */
  copyOut(slot: number): Uint8Array {
    return this.#table.copyOut(slot);
  }

  /** Takes over what `copyOut` gave; the slot must be open and configured. */
  copyIn(slot: number, bytes: Uint8Array, nowMs: number): void {
    this.#table.copyIn(slot, bytes);
    this.#deadlines.set(slot, nowMs);
  }

  #fromProven(facts: PacketFacts, base: number, nowMs: number): Verdict {
    this.#reals[(base >>> 1) + real.heardAt] = nowMs;
    const { kind } = facts;
    if (kind === packetKind.rtp) noteStream(this.#table, facts, nowMs);
    if ((this.#words[base + word.pending]! | facts.auth) !== 0) this.#lookBeside(facts, nowMs);
    return kind === packetKind.keepalive || kind === packetKind.stun ? verdict.consumed : verdict.relay;
  }

  /** The proven source speaks under a key of ours, or while it is on probation or others wait for its silence. */
  #lookBeside(facts: PacketFacts, nowMs: number): void {
    const ground = this.#ground;
    const { slot } = facts;
    if (facts.auth === authResult.verified) confirmByKey(ground, slot);
    if (this.#words[slot * slotWords + word.pending] === 0) return;
    confirm(ground, slot, nowMs);
    if (facts.kind !== packetKind.rtp) return;
    for (let index = 0; index < candidatesPerSlotMax; index++) {
      if (!isCandidate(this.#table, slot, index)) continue;
      const at = candidateAt(slot, index);
      const wants = claimOf(ground, at);
      if (wants !== claim.continuity && wants !== claim.continuityInPlace) continue;
      if (this.#words[at + candidate.ssrc] !== facts.ssrc) continue;
      // What is older than the first held packet was on its way; the same number or a newer one refutes.
      const first = (this.#words[at + candidate.claim]! >>> 8) & 0xffff;
      const isBehind = ((facts.sequence - first) & 0xffff) >= 0x8000;
      if (!isBehind) dropCandidate(this.#table, this.#sink, slot, index);
    }
  }

  #fromElsewhere(facts: PacketFacts, nowMs: number): Verdict {
    const ground = this.#ground;
    const { slot } = facts;
    if (facts.port === 0 || !hasFlag(ground, slot, slotFlag.isOpen)) return verdict.unprovenSource;
    sourceInto(ground.source, 0, facts);
    const settings = ground.settings[slot]!;
    if (facts.auth === authResult.verified) return judgeVerified(ground, facts, nowMs);
    if (isMedia(facts.kind) && isChecked(ground, slot, ground.source, 0))
      return takeOver(ground, facts, nowMs);
    if (facts.kind === packetKind.rtcp) return judgeRtcp(ground, facts, settings, nowMs);
    if (facts.kind === packetKind.rtp || facts.kind === packetKind.data) {
      return settings.isSignalled
        ? this.#judgeMedia(facts, settings, nowMs)
        : keep(ground, facts, claim.speaker, nowMs);
    }
    return showPresence(ground, facts, settings, matchHints(settings, ground.source, 0), nowMs);
  }

  #judgeMedia(facts: PacketFacts, settings: SlotSettings, nowMs: number): Verdict {
    const ground = this.#ground;
    const { slot } = facts;
    const match = matchHints(settings, ground.source, 0);
    const isKnown = facts.kind === packetKind.data || isKnownPayloadType(settings, facts.payloadType);
    if (match >= hintMatch.usableIp && !isKnown) return this.#judgeUnknownType(facts, settings, match, nowMs);
    if (match === hintMatch.exact) return this.#judgeExact(facts, nowMs);
    if (mayTakeLeg(ground, facts, settings, nowMs)) {
      return proveNow(ground, facts, evidenceCode.override, nowMs);
    }
    const isUnproven = !isProven(ground, slot);
    if (match === hintMatch.usableIp && (isUnproven || this.#mayReopen(slot, nowMs))) {
      return this.#judgeAddress(facts, isUnproven, nowMs);
    }
    if (!isUnproven) return judgeNewcomer(ground, facts, settings, nowMs);
    if (facts.kind === packetKind.data && isVouchedBySibling(ground, slot, ground.source, 0)) {
      return proveNow(ground, facts, evidenceCode.signalled, nowMs);
    }
    if (!isKnown) return verdict.unknownPayloadType;
    return settings.isStrict ? verdict.unprovenSource : keep(ground, facts, claim.speaker, nowMs);
  }

  /** The exact place signalling named: at once, but two such places do not take turns. */
  #judgeExact(facts: PacketFacts, nowMs: number): Verdict {
    const ground = this.#ground;
    const { slot } = facts;
    if (this.evidenceOf(slot) === evidenceCode.cryptographic) return verdict.stranger;
    const isContested =
      isProven(ground, slot) && hasFlag(ground, slot, slotFlag.isExact) && isSpeaking(ground, slot, nowMs);
    if (isContested) return keep(ground, facts, claim.exact, nowMs);
    return proveNow(ground, facts, evidenceCode.signalled, nowMs);
  }

  /** A signalled address by its IP alone: at once, while nothing else that fits speaks. */
  #judgeAddress(facts: PacketFacts, isUnproven: boolean, nowMs: number): Verdict {
    const ground = this.#ground;
    const { slot } = facts;
    const isContested =
      isUnproven || (hasFlag(ground, slot, slotFlag.isFitting) && isSpeaking(ground, slot, nowMs));
    return isContested
      ? keep(ground, facts, claim.port, nowMs)
      : proveNow(ground, facts, evidenceCode.signalled, nowMs);
  }

  /** In a new generation the signalled IP opens the leg once more. */
  #mayReopen(slot: number, nowMs: number): boolean {
    const ground = this.#ground;
    return (
      isFresh(ground, slot, nowMs) &&
      hasFlag(ground, slot, slotFlag.generationOpen) &&
      this.evidenceOf(slot) !== evidenceCode.cryptographic
    );
  }

  /** A payload type nobody offered is a keepalive (RFC 6263 section 4.6), until it proves to be a stream. */
  #judgeUnknownType(facts: PacketFacts, settings: SlotSettings, match: number, nowMs: number): Verdict {
    const ground = this.#ground;
    if (isProven(ground, facts.slot)) return verdict.unknownPayloadType;
    showPresence(ground, facts, settings, match, nowMs);
    return keep(ground, facts, claim.speaker, nowMs) === verdict.relay ? verdict.relay : verdict.consumed;
  }

  /** Port 0 is no source, and a closed slot has none. */
  #mayProve(facts: PacketFacts): boolean {
    return facts.port !== 0 && hasFlag(this.#ground, facts.slot, slotFlag.isOpen);
  }
}

function isMedia(kind: number): boolean {
  return kind === packetKind.rtp || kind === packetKind.rtcp || kind === packetKind.data;
}
