/** Rules that keep the policy's memory from being a lever (test/unit/handover/levers.test.ts), and how each is switched off. */
import type { Rule } from "./rules.ts";

export const leverRules: readonly Rule[] = [
  {
    file: "candidates.ts",
    name: "one as likely that does not go on gives way",
    find: "return nowMs - lastAtMs(table, at) >= (isPlausible",
    replace: "return false && (isPlausible",
  },
  {
    file: "candidates.ts",
    name: "one as likely that goes on does not give way",
    find: "return nowMs - lastAtMs(table, at) >= (isPlausible",
    replace: "return true || (isPlausible",
  },
  {
    file: "newcomer.ts",
    name: "the source before waits by its own numbers",
    find: "return isPrevious && follows(",
    replace: "return false && follows(",
  },
  {
    file: "newcomer.ts",
    name: "what follows its own last packet needs no stream of the present source",
    find: "if (streamAt < 0 && !isItself)",
    replace: "if (streamAt < 0)",
  },
  {
    file: "remembered.ts",
    name: "a remembered source keeps its stream",
    find: "if (entry >= 0 && words[entry + remembered.ssrc] !== ssrc)\n        return;",
    replace: "",
  },
  {
    file: "returning.ts",
    name: "a stranger's stream goes with the stranger",
    find: "if (isSameStream)\n        return;",
    replace: "return;",
  },
  {
    file: "proof.ts",
    name: "who waits for a leg that falls vacant waits on",
    find: "judgeAnew(ground, slot);\n    if",
    replace: "words[base + word.pending] &= ~0xff;\n    if",
  },
  {
    file: "handover.ts",
    name: "keepalives do not keep a party with a key where it was",
    find: "if (isHeard)",
    replace: "",
  },
  {
    file: "vouching.ts",
    name: "a key ends what waits in clear",
    find: "dropAllCandidates(ground.table, ground.sink, slot);",
    replace: "",
  },
  {
    file: "handover.ts",
    name: "checks of an earlier session of ICE vouch for nobody",
    find: "forgetChecked(this.#ground, slot);",
    replace: "",
  },
  {
    file: "vouching.ts",
    name: "a check says nothing of the packet before it",
    find: "facts.kind = packetKind.stun;",
    replace: "",
  },
  {
    file: "media.ts",
    name: "from a private place that SDP named nobody takes a leg while it speaks",
    find: "hasLeft || isDoubtful)",
    replace: "hasLeft)",
  },
  {
    file: "proof.ts",
    name: "nor keeps it afterwards",
    find: "if (isBehindNat(ground.settings[slot], source, at))\n        return true;",
    replace: "",
  },
];
