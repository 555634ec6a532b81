/** Rules about a phone whose leg was taken in a pause, and about what is spoofed before it speaks. */
import type { Rule } from "./rules.ts";

export const stragglerRules: readonly Rule[] = [
  {
    file: "returning.ts",
    name: "who speaks on at its pace was not on its way",
    find: "&& !speaksOn(ground, facts, nowMs))",
    replace: ")",
  },
  {
    file: "stragglers.ts",
    name: "what was on its way comes together",
    find: "const isAtPace = nowMs - firstAtMs >= (later * interArrivalOf(pace)) / 2;",
    replace: "const isAtPace = true;",
  },
  {
    file: "stragglers.ts",
    name: "numbers that do not fit the time were skipped",
    find: "return isSteady ? first : (last + 1) & 0xffff;",
    replace: "return first;",
  },
  {
    file: "stragglers.ts",
    name: "who is back is measured by its own pace",
    find: "if (pace !== 0)\n        setPace(ground.table, streamAt, pace);",
    replace: "",
  },
  {
    file: "stragglers.ts",
    name: "who is back goes on with its own numbers",
    find: "words[streamAt + stream.sequence] = facts.sequence;",
    replace: "",
  },
  {
    file: "returning.ts",
    name: "who had the leg since has no claim any more",
    find: "if (entry >= 0)\n        endLaterClaims(ground, slot, entry);",
    replace: "",
  },
  {
    file: "previous.ts",
    name: "an address alone is no final proof",
    find: "(evidence === evidenceCode.signalled && !isReturn && !isByAddress)",
    replace: "(evidence === evidenceCode.signalled && !isReturn)",
  },
  {
    file: "returning.ts",
    name: "strict: only what signalling names comes back",
    find: "if (settings.isStrict && matchHints(settings, ground.source, 0) < hintMatch.usableIp)\n        return noPrivilege;",
    replace: "",
  },
  {
    file: "returning.ts",
    name: "strict: what signalling names does come back",
    find: "if (settings.isStrict && matchHints(settings, ground.source, 0) < hintMatch.usableIp)",
    replace: "if (settings.isStrict)",
  },
  {
    file: "media.ts",
    name: "the exact place has the leg at once from an address alone",
    find: "const hasLeft = evidenceOf(ground, slot) !== evidenceCode.signalled && isRemembered(ground, slot, ground.source, 0);",
    replace: "const hasLeft = isRemembered(ground, slot, ground.source, 0);",
  },
  {
    file: "newcomer.ts",
    name: "numbers the proven source has sent are copies",
    find: "if (isBehind && !isLate(ground, facts.slot, nowMs))\n        return false;",
    replace: "",
  },
  {
    file: "judge.ts",
    name: "what signalling named has to speak after the source it replaces",
    find: "return !isNamed || lastAtMs(ground.table, at) >= timeOf(ground, slot, real.heardAt);",
    replace: "return true;",
  },
  {
    file: "candidates.ts",
    name: "a single packet gives way to one that may go on",
    find: "(isPlausible(table, at) ? speakingMs : strayPacketMs)",
    replace: "speakingMs",
  },
  {
    file: "presence.ts",
    name: "RTCP's keepalives do not call it back to where RTP is no more",
    find: "&& !isOutOfDate)",
    replace: ")",
  },
  {
    file: "vouching.ts",
    name: "a repetition shows that the proven source is there",
    find: "setTime(ground, slot, real.heardAt, nowMs);\n        return verdict.duplicate;",
    replace: "return verdict.duplicate;",
  },
  {
    file: "vouching.ts",
    name: "a repetition gives the leg back to the source before",
    find: "if (mayMove && facts.tagBits > weakTagBitsMax)",
    replace: "if (false)",
  },
  {
    file: "vouching.ts",
    name: "of two with one first packet the named one is the phone",
    find: "const mayMove = wasBefore || isNamedInstead(ground, slot, nowMs);",
    replace: "const mayMove = wasBefore;",
  },
  {
    file: "vouching.ts",
    name: "what came before the switch gives nothing back",
    find: "((facts.sequence - words[base + word.previousSequence]) & 0xffff) < 0x8000 &&",
    replace: "",
  },
  {
    file: "vouching.ts",
    name: "who lost the leg to a repetition has no claim",
    find: "words[base + word.previousClaim] = previousClaim.none;",
    replace: "",
  },
];
