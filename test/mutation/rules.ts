/**
 * The policy's rules, and how each is switched off: a text of its file as compiled, there once, and what replaces it. A
 * rule whose text has changed fails until the list has followed.
 */
import { leverRules } from "./lever-rules.ts";
import { pathRules } from "./path-rules.ts";
import { stragglerRules } from "./straggler-rules.ts";

export interface Rule {
  readonly file: string;
  /** What no longer holds. */
  readonly name: string;
  readonly find: string;
  readonly replace: string;
}

export const rules: readonly Rule[] = [
  ...pathRules,
  ...leverRules,
  ...stragglerRules,
  {
    file: "streams.ts",
    name: "hold time: at least 20 ms",
    find: "return Math.min(holdMsMax, Math.max(holdMsMin, wanted));",
    replace: "return 0;",
  },
  {
    file: "streams.ts",
    name: "hold time: at most 120 ms",
    find: "return Math.min(holdMsMax, Math.max(holdMsMin, wanted));",
    replace: "return Math.max(400, wanted);",
  },
  {
    file: "streams.ts",
    name: "continuity: the sequence window",
    find: "if (ahead === 0 || ahead > aheadMax)",
    replace: "if (ahead === 0)",
  },
  {
    file: "streams.ts",
    name: "continuity: never the same number again",
    find: "if (ahead === 0 || ahead > aheadMax)",
    replace: "if (ahead > aheadMax)",
  },
  {
    file: "streams.ts",
    name: "continuity: the timestamp keeps to the clock",
    find: "return advanced <= ((1.5 * elapsedMs + timestampSlackMs) * clockRateHz) / 1_000;",
    replace: "return true;",
  },
  {
    file: "streams.ts",
    name: "the highest sequence number stays",
    find: "if (ahead === 0 || ahead > 0x10000 - reorderMax)\n        return;",
    replace: "",
  },
  {
    file: "newcomer.ts",
    name: "continuity: a known payload type",
    find: "if (isRtp && !isKnownPayloadType(settings, facts.payloadType))\n        return verdict.unknownPayloadType;",
    replace: "",
  },
  {
    file: "hints.ts",
    name: "payload types that nobody offered are known",
    find: "if ((types[0] | types[1] | types[2] | types[3]) === 0)",
    replace: "if (true)",
  },
  {
    file: "newcomer.ts",
    name: "strict: no continuity",
    find: "if (settings.isStrict)\n        return verdict.unprovenSource;",
    replace: "",
  },
  {
    file: "newcomer.ts",
    name: "a leg under a key hears nothing weaker",
    find: "if (words[slot * slotWords + word.evidence] === evidenceCode.cryptographic)\n        return verdict.stranger;",
    replace: "",
  },
  {
    file: "newcomer.ts",
    name: "a stranger after proof is never believed",
    find: "if (!isProvisional(ground, slot))\n        return verdict.stranger;",
    replace: "",
  },
  {
    file: "silence.ts",
    name: "same place: 2 s of silence",
    find: "return signalledLately(ground, slot, nowMs) ? speakingMs : samePlaceSilenceMs;",
    replace: "return 0;",
  },
  {
    file: "silence.ts",
    name: "new generation: the old source is silent",
    find: "return hasFlag(ground, slot, slotFlag.lostFit) ? 0 : speakingMs;",
    replace: "return 0;",
  },
  {
    file: "silence.ts",
    name: "struck and restless sources wait longer",
    find: "return isDoubtful ? Math.max(needed, doubtfulSilenceMs) : needed;",
    replace: "return needed;",
  },
  {
    file: "judge.ts",
    name: "a candidate waits for silence",
    find: "silenceMs(ground, slot, nowMs) >= neededSilenceMs(ground, slot, at, nowMs)",
    replace: "true",
  },
  {
    file: "judge.ts",
    name: "a provisional proof becomes a lasting one",
    find: "ground.table.words[slot * slotWords + word.pending] &= ~watch.provisional;",
    replace: "",
  },
  {
    file: "refute.ts",
    name: "the proven source refutes a claim to its stream",
    find: "if (!isBehind && decide(ground, facts, index, nowMs))",
    replace: "if (false)",
  },
  {
    file: "refute.ts",
    name: "what is older than the claim was on its way",
    find: "const isBehind = ((facts.sequence - first) & 0xffff) >= 0x8000;",
    replace: "const isBehind = false;",
  },
  {
    file: "refute.ts",
    name: "other bytes under one number: a strike",
    find: "if (own !== noDigest && own !== held)\n        strikeSource(ground, slot, table.words, at, nowMs);\n    else",
    replace: "",
  },
  {
    file: "refute.ts",
    name: "the same bytes: a twin",
    find: "own === held && pairCandidate(",
    replace: "false && pairCandidate(",
  },
  {
    file: "strikes.ts",
    name: "no strike on a source that had the leg",
    find: "if (isRemembered(ground, slot, source, at))\n        return;",
    replace: "",
  },
  {
    file: "strikes.ts",
    name: "a strike is noted",
    find: "reals[(entry + strike.until) >>> 1] = nowMs + strikeMs;",
    replace: "reals[(entry + strike.until) >>> 1] = 0;",
  },
  {
    file: "strikes.ts",
    name: "a strike frees none of another network",
    find: "return oldestOfNetwork;",
    replace: "return 0;",
  },
  {
    file: "returning.ts",
    name: "the switch is rolled back",
    find: "const note = isRolledBack ?",
    replace: "if (isRolledBack) return noPrivilege;\n    const note = isRolledBack ?",
  },
  {
    file: "returning.ts",
    name: "a remembered source takes the leg back",
    find: "const mayTakeBack = entry >= 0 &&",
    replace: "const mayTakeBack = false &&",
  },
  {
    file: "returning.ts",
    name: "a return keeps to the stream",
    find: "return streamAt >= 0 && isContinuous(ground.table, streamAt, facts, settings, nowMs);\n}\n//",
    replace: "return true;\n}\n//",
  },
  {
    file: "returning.ts",
    name: "a twin is promoted when the proven path is silent",
    find: "promote(ground, facts, nowMs);\n    }",
    replace: "}",
  },
  {
    file: "returning.ts",
    name: "a twin's copy goes out once",
    find: "if (state !== windowState.fresh)\n        return verdict.duplicate;",
    replace: "",
  },
  {
    file: "returning.ts",
    name: "a twin that contradicts is none",
    find: "contradict(ground, slot, nowMs);\n        return verdict.struck;",
    replace: "return verdict.relay;",
  },
  {
    file: "twins.ts",
    name: "the proven source's copy goes out once",
    find: "if (state === windowState.same)\n        return verdict.duplicate;",
    replace: "",
  },
  {
    file: "comparing.ts",
    name: "a suspect is heard for half a second",
    find: "if (nowMs < twinDueAtMs(ground, slot))\n        return;",
    replace: "return;",
  },
  {
    file: "twin-table.ts",
    name: "a window remembers what went out",
    find: "this.#isSent[base + (sequence & mask)] = 1;",
    replace: "",
  },
  {
    file: "previous.ts",
    name: "late packets are heard",
    find: "nowMs - timeOf(ground, slot, real.previousAt) < latePacketsMs",
    replace: "false",
  },
  {
    file: "previous.ts",
    name: "a doubtful source is not kept",
    find: "if (wasDoubtful || evidence === evidenceCode.override || !isStream)\n        keeps = previousClaim.none;",
    replace: "",
  },
  {
    file: "candidates.ts",
    name: "two candidates of a network",
    find: "const isNetworkFull = ofNetwork >= candidatesPerNetworkMax;",
    replace: "const isNetworkFull = false;",
  },
  {
    file: "candidates.ts",
    name: "a less likely one does not push out",
    find: "if (!givesWay(table, candidateAt(table, slot, free), likely, nowMs))\n            return -1;",
    replace: "",
  },
  {
    file: "candidates.ts",
    name: "a break begins the run anew",
    find: "packets] = isRegular ? words[at + candidate.packets] + 1 : 1;",
    replace: "packets] = words[at + candidate.packets] + 1;",
  },
  {
    file: "candidates.ts",
    name: "a silent candidate is forgotten",
    find: "return nowMs - lastAtMs(table, at) >= candidateIdleMs;",
    replace: "return false;",
  },
  {
    file: "candidates.ts",
    name: "one stray packet is no stream",
    find: "return table.words[at + candidate.packets] >= plausiblePackets;",
    replace: "return true;",
  },
  {
    file: "speakers.ts",
    name: "an unknown address waits for the settle time",
    find: "return Math.max(streamDueAt, aloneSince + ground.settleMs);",
    replace: "return streamDueAt;",
  },
  {
    file: "speakers.ts",
    name: "anything from a usable address starts the wait again",
    find: "timeOf(ground, slot, real.usableHeardAt), ",
    replace: "",
  },
  {
    file: "speakers.ts",
    name: "a rival keeps both waiting",
    find: "nowMs - lastAtMs(table, at) < aloneMs)",
    replace: "false)",
  },
  {
    file: "speakers.ts",
    name: "five packets or 100 ms",
    find: "const streamDueAt = hasEnough ? firstAt : firstAt + firstSpeakerMs;",
    replace: "const streamDueAt = firstAt;",
  },
  {
    file: "speakers.ts",
    name: "the better of two ports",
    find: "return nowMs >= startedAt + portContestMs ? best : -1;",
    replace: "return best;",
  },
  {
    file: "proof.ts",
    name: "the count of switches",
    find: "words[count]++;\n}",
    replace: ";\n}",
  },
  {
    file: "proof.ts",
    name: "the target follows proof",
    find: "setTarget(ground, slot, words, base + word.proven);\n    }",
    replace: ";\n    }",
  },
  {
    file: "proof.ts",
    name: "no replay for a proof on probation",
    find: "if (!isGood || (slot & 1) !== 0 || isProvisional(ground, slot))\n        return;",
    replace: "",
  },
  {
    file: "proof.ts",
    name: "a replay at most every 2 s",
    find: "if (replayedAt > 0 && nowMs - replayedAt < replayPauseMs)\n        return;",
    replace: "",
  },
  {
    file: "proof.ts",
    name: "a replay at all",
    find: "ground.sink.replay(slot, lastHeardMs - replayBeforeMs);",
    replace: "",
  },
  {
    file: "proof.ts",
    name: "RTCP follows RTP to another address",
    find: "if (isElsewhere)\n        withdraw(ground, rtcp, nowMs);\n    else",
    replace: "",
  },
  {
    file: "rtcp.ts",
    name: "RTCP from elsewhere moves nothing",
    find: "return isOpenToAll ? evidenceCode.override : evidenceCode.none;",
    replace: "return evidenceCode.override;",
  },
  {
    file: "rtcp.ts",
    name: "BYE, APP and feedback prove nothing",
    find: "const isReport = facts.payloadType === senderReport || facts.payloadType === receiverReport;",
    replace: "const isReport = true;",
  },
  {
    file: "receipts.ts",
    name: "a receipt waits for the old place's silence",
    find: "+ receiptSilenceMs;",
    replace: "+ 0;",
  },
  {
    file: "receipts.ts",
    name: "a receipt has to be one",
    find: "|| !ground.sink.isReceipt(slot))",
    replace: ")",
  },
  {
    file: "presence.ts",
    name: "only a signalled address shows presence",
    find: "match < hintMatch.usableIp)",
    replace: "false)",
  },
  {
    file: "superseded.ts",
    name: "a superseded source goes",
    find: "withdraw(ground, slot, nowMs);\n        return;",
    replace: "return;",
  },
  {
    file: "vouching.ts",
    name: "a key moves a leg only in silence",
    find: "silenceMs(ground, slot, nowMs) >= holdMs(ground, facts);",
    replace: "true;",
  },
  {
    file: "vouching.ts",
    name: "only the newest index moves a leg",
    find: "if (!facts.isNewest || !isStrong(ground, facts))",
    replace: "if (!isStrong(ground, facts))",
  },
  {
    file: "vouching.ts",
    name: "two packets for a short tag",
    find: "if (facts.tagBits > weakTagBitsMax)",
    replace: "if (true)",
  },
  {
    file: "overrides.ts",
    name: "overrides that take turns pause",
    find: "return nowMs - timeOf(ground, slot, real.previousAt) < overridePauseMs;",
    replace: "return false;",
  },
  {
    file: "ground.ts",
    name: "the target keeps under asymmetric and ICE",
    find: "return settings.isAsymmetric || settings.hasIce || settings.learningMode === learning.off;",
    replace: "return false;",
  },
];
