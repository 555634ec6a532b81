/**
 * Whose packet is it, and where do we send? The source policy of docs/handover.md as a state machine.
 *
 * Inputs are packets' metadata, settings and a time; outputs are verdicts and calls of the sink. It opens nothing,
 * reads no clock and allocates nothing per packet. A packet from the proven source costs one compare of five words
 * and its stream's own counters.
 */
import type { Cidr } from "../core/address-class.ts";
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
import { type Ground, hasFlag, isProven, networkRows, setFlag, timeOf } from "./ground.ts";
import { hintMatch, matchHints, sourceInto } from "./hints.ts";
import { confirm, settle } from "./judge.ts";
import { isFromProven } from "./keep.ts";
import { judgeMedia } from "./media.ts";

import { showPresence } from "./presence.ts";
import { sendAgain } from "./proof.ts";
import { refuteCandidates } from "./refute.ts";
import { judgeRtcp } from "./rtcp.ts";
import { SettingsTable } from "./settings-table.ts";
import { real, SlotTable, slotFlag, slotWords, watch, word } from "./slot-table.ts";
import { noteStream } from "./streams.ts";
import { bringTargetBack } from "./targets.ts";
import { settleMsDefault } from "./timing.ts";
import { TwinTable } from "./twin-table.ts";
import { endTwin, judgeOwn } from "./twins.ts";
import {
  aimByIce,
  checkSource,
  confirmByKey,
  forgetChecked,
  isChecked,
  judgeRepeated,
  judgeVerified,
  proveByKey,
  takeOver,
} from "./vouching.ts";

export interface HandoverOptions {
  /** Networks whose sources rank above unknown ones: media gateways of trunks (`trusted-media`). */
  readonly trustedMedia?: readonly Cidr[];
  /**
   * How long an unknown address must be alone where a usable one is known, and how long a first speaker stays
   * provisional (`settle-time`).
   */
  readonly settleMs?: number;
  /**
   * Without any signalling a party may come from elsewhere with a new stream once its old source has been silent for so
   * long (`relearn-after-silence`); undefined: never.
   */
  readonly relearnAfterSilenceMs?: number | undefined;
  /** Where the slots' state lies: `handoverBytes(capacitySlots)` zeroed bytes that `readSlot` may read; else its own. */
  readonly memory?: ArrayBufferLike | undefined;
}

export class Handover implements HandoverPolicy {
  readonly #table: SlotTable;
  readonly #words: Int32Array;
  readonly #reals: Float64Array;
  readonly #deadlines: Deadlines;
  readonly #ground: Ground;

  constructor(capacitySlots: number, sink: HandoverSink, options: HandoverOptions = {}) {
    this.#table = new SlotTable(capacitySlots, options.memory);
    this.#words = this.#table.words;
    this.#reals = this.#table.reals;
    this.#deadlines = new Deadlines(capacitySlots);
    const settingsTable = new SettingsTable(capacitySlots);
    this.#ground = {
      table: this.#table,
      sink,
      twins: new TwinTable(),
      deadlines: this.#deadlines,
      settingsTable,
      settings: settingsTable.bySlot,
      epochs: new Int32Array(capacitySlots),
      trustedMedia: networkRows(options.trustedMedia ?? []),
      settleMs: options.settleMs ?? settleMsDefault,
      relearnAfterSilenceMs: options.relearnAfterSilenceMs ?? Number.POSITIVE_INFINITY,
      source: new Int32Array(5),
      heldFor: 0,
    };
  }

  get heldFor(): number {
    return this.#ground.heldFor;
  }

  open(slot: number, _nowMs: number): void {
    const ground = this.#ground;
    endTwin(ground, slot);
    this.#table.clear(slot);
    ground.epochs[slot]!++;
    ground.settingsTable.clear(slot);
    setFlag(ground, slot, slotFlag.isOpen, true);
    this.#deadlines.set(slot, Number.POSITIVE_INFINITY);
  }

  configure(slot: number, settings: SlotSettings, nowMs: number): void {
    configureSlot(this.#ground, slot, settings, nowMs);
  }

  close(slot: number): void {
    const ground = this.#ground;
    endTwin(ground, slot);
    this.#table.clear(slot);
    ground.epochs[slot]!++;
    ground.settingsTable.clear(slot);
    this.#deadlines.set(slot, Number.POSITIVE_INFINITY);
  }

  packet(facts: PacketFacts, nowMs: number): Verdict {
    if (facts.auth === authResult.repeated) return this.#repeated(facts, nowMs);
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
    const lastHeardMs = timeOf(ground, slot, real.heardAt);
    const wasSentTo = this.targetWord(slot, 4) !== 0 && isProven(ground, slot);
    if (isNominated || !isProven(ground, slot)) proveByKey(ground, facts, nowMs);
    if (isNominated && aimByIce(ground, slot, true) && wasSentTo) {
      sendAgain(ground, slot, lastHeardMs, false, nowMs);
    }
  }

  iceRevoked(slot: number): void {
    if (this.#ground.settings[slot]!.hasIce) aimByIce(this.#ground, slot, false);
  }

  iceSuperseded(slot: number): void {
    forgetChecked(this.#ground, slot);
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
    endTwin(this.#ground, slot);
    this.#table.copyIn(slot, bytes);
    // The windows stayed behind.
    this.#words[slot * slotWords + word.twinRecord] = 0;
    endTwin(this.#ground, slot);
    this.#deadlines.set(slot, nowMs);
  }

  #fromProven(facts: PacketFacts, base: number, nowMs: number): Verdict {
    const { kind } = facts;
    const isPresence = kind === packetKind.keepalive || kind === packetKind.stun;
    // Anybody can say "I am here" in the name of a party that shows its key, and so keep it from moving.
    const isHeard = !isPresence || this.#words[base + word.evidence] !== evidenceCode.cryptographic;
    if (isHeard) this.#reals[(base >>> 1) + real.heardAt] = nowMs;
    if (kind === packetKind.rtp) noteStream(this.#table, facts, nowMs);
    if ((this.#words[base + word.pending]! | facts.auth) !== 0) {
      if (this.#lookBeside(facts, nowMs) === verdict.duplicate) return verdict.duplicate;
    }
    return isPresence ? verdict.consumed : verdict.relay;
  }

  #repeated(facts: PacketFacts, nowMs: number): Verdict {
    if (!this.#mayProve(facts)) return verdict.duplicate;
    sourceInto(this.#ground.source, 0, facts);
    return judgeRepeated(this.#ground, facts, nowMs);
  }

  /** The proven source speaks under a key of ours, or while others are read, or wait for its silence. */
  #lookBeside(facts: PacketFacts, nowMs: number): Verdict {
    const ground = this.#ground;
    const { slot } = facts;
    const at = slot * slotWords + word.pending;
    if (facts.auth === authResult.verified) confirmByKey(ground, slot);
    if (this.#words[at] === 0) return verdict.relay;
    confirm(ground, slot, nowMs);
    bringTargetBack(ground, slot);
    if (facts.kind !== packetKind.rtp) return verdict.relay;
    if ((this.#words[at]! & watch.twin) !== 0) {
      const outcome = judgeOwn(ground, facts, nowMs);
      if (outcome === verdict.duplicate) return outcome;
    }
    return refuteCandidates(ground, facts, nowMs);
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
      return judgeMedia(ground, facts, settings, nowMs);
    }
    return showPresence(ground, facts, settings, matchHints(settings, ground.source, 0), nowMs);
  }

  /** Port 0 is no source, and a closed slot has none. */
  #mayProve(facts: PacketFacts): boolean {
    return facts.port !== 0 && hasFlag(this.#ground, facts.slot, slotFlag.isOpen);
  }
}

function isMedia(kind: number): boolean {
  return kind === packetKind.rtp || kind === packetKind.rtcp || kind === packetKind.data;
}
