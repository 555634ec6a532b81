/** Rules about paths that lose packets, about places that signalling names, and about RTCP's own. */
import type { Rule } from "./rules.ts";

export const pathRules: readonly Rule[] = [
  {
    file: "comparing.ts",
    name: "copies of who was never ahead prove nothing",
    find: "if (handle === 0 || !wasAhead)",
    replace: "if (handle === 0)",
  },
  {
    file: "comparing.ts",
    name: "a false copy is a strike",
    find: "if (state !== windowState.different)\n        return noCopy;",
    replace: "return noCopy;",
  },
  {
    file: "refute.ts",
    name: "a candidate is not refuted by what it did not send",
    find: "if (held === noDigest && compareFrom(ground, facts, nowMs))",
    replace: "if (false)",
  },
  {
    file: "returning.ts",
    name: "a switch in a gap: the successor may be the other path",
    find: "if (isRolledBack)\n        compareSuccessor(ground, facts, nowMs);",
    replace: "",
  },
  {
    file: "proof.ts",
    name: "what was held long before the old path's last packet goes, if something is missing between",
    find: "if (ahead === 1)",
    replace: "if (true)",
  },
  {
    file: "proof.ts",
    name: "what was held long before the old path's last packet stays, if nothing is missing between",
    find: "if (ahead === 1)",
    replace: "if (false)",
  },
  {
    file: "proof.ts",
    name: "a trunk catches up",
    find: "if (!wasProven && evidence === evidenceCode.firstSpeaker)\n        catchUp(ground, slot, nowMs);",
    replace: "",
  },
  {
    file: "proof.ts",
    name: "only a trunk catches up",
    find: "!isTrusted ||",
    replace: "",
  },
  {
    file: "proof.ts",
    name: "exact RTCP yields once RTP has left its IP",
    find: "(!hasFlag(ground, rtcp, slotFlag.isExact) || hasRtpLeft(ground, rtcp, words, provenAt(rtcp)))",
    replace: "!hasFlag(ground, rtcp, slotFlag.isExact)",
  },
  {
    file: "rtcp.ts",
    name: "exact RTCP does not come back without RTP",
    find: "!(isNamed || hasRtpLeft(ground, slot, source, 0))",
    replace: "!isNamed",
  },
  {
    file: "rtcp.ts",
    name: "from the signalled IP a report is asked for",
    find: "match === hintMatch.usableIp && isReport &&",
    replace: "match === hintMatch.usableIp &&",
  },
  {
    file: "media.ts",
    name: "a provisional source yields at once to the signalled IP",
    find: "(isUnproven || isProvisional(ground, slot) ||",
    replace: "(isUnproven ||",
  },
  {
    file: "previous.ts",
    name: "the address alone is not final where the source before has it too",
    find: "&& !isReturn && !isByAddress)",
    replace: "&& !isReturn)",
  },
  {
    file: "keep.ts",
    name: "a stream that goes on from the signalled IP is sent again what it missed",
    find: "const goesOn = wasProven && goesOnElsewhere(ground, facts, nowMs);",
    replace: "const goesOn = false;",
  },
  {
    file: "waiting-target.ts",
    name: "a target does not move away from who speaks",
    find: "if (!isWaiting)",
    replace: "if (true)",
  },
  {
    file: "waiting-target.ts",
    name: "a place that is no guess is sent to soon",
    find: "(isGuess ? supersededMs : namedTargetMs)",
    replace: "supersededMs",
  },
  {
    file: "waiting-target.ts",
    name: "a guess waits as long as the old place speaks",
    find: "(isGuess ? supersededMs : namedTargetMs)",
    replace: "namedTargetMs",
  },
  {
    file: "waiting-target.ts",
    name: "a guess gets nothing again",
    find: "if (!hasMoved || isGuess)",
    replace: "if (!hasMoved)",
  },
  {
    file: "waiting-target.ts",
    name: "a place that is no guess gets what it missed",
    find: "if (!hasMoved || isGuess)",
    replace: "if (true)",
  },
];
