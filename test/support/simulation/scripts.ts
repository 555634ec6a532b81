/**
 * What proxies do in a call, step by step, in both protocols: the flows of real calls, and what is left of them when
 * a proxy gets no answer. A script yields what it asks and is handed the reply, undefined when none came.
 */

import { Party } from "./bodies.ts";
import type { Chance } from "./chance.ts";

export type NgWords = Readonly<Record<string, string | number | readonly string[]>>;

export type Step<Question> =
  | { readonly kind: "ask"; readonly questions: readonly Question[] }
  | { readonly kind: "wait"; readonly durationMs: number };

export type Script<Question> = Generator<Step<Question>, void, readonly (string | undefined)[]>;

function ask<Question>(...questions: Question[]): Step<Question> {
  return { kind: "ask", questions };
}

function wait(durationMs: number): { readonly kind: "wait"; readonly durationMs: number } {
  return { kind: "wait", durationMs };
}

/** How long parties talk before the next thing happens. */
function talk(chance: Chance): { readonly kind: "wait"; readonly durationMs: number } {
  return wait(chance.pick([10, 200, 1_000, 4_000]));
}

const flags = [
  ["trust-address"],
  ["SIP-source-address"],
  ["port-latching"],
  ["no-port-latching"],
  ["asymmetric"],
  ["strict-source"],
  ["media-handover"],
  ["generate-mid"],
  ["loop-protect"],
  ["reset"],
  ["internal", "external"],
  ["pad-crypto", "unheard-of"],
] as const;

/** Words that shape a body, drawn as a script's route would set them. */
function shape(chance: Chance): NgWords {
  const words: Record<string, string | number | readonly string[]> = {};
  if (chance.happens(0.5)) words["flags"] = chance.pick(flags);
  if (chance.happens(0.5)) words["replace"] = chance.pick([["origin"], ["origin", "session-connection"]]);
  if (chance.happens(0.3)) words["ICE"] = "remove";
  if (chance.happens(0.3)) words["transport-protocol"] = "RTP/AVP";
  if (chance.happens(0.2))
    words["direction"] = chance.pick([
      ["internal", "external"],
      ["external", "nowhere"],
    ]);
  if (chance.happens(0.2)) words["address-family"] = chance.pick(["IP4", "IP6"]);
  if (chance.happens(0.2)) words["rtcp-mux"] = chance.pick([["offer"], ["demux"], ["require"], ["reject"]]);
  if (chance.happens(0.3)) words["received-from"] = ["IP4", `192.0.2.${chance.between(1, 99)}`];
  return words;
}

interface NgCall {
  readonly chance: Chance;
  readonly callId: string;
  readonly caller: Party;
  readonly branches: readonly { readonly branch: string; readonly callee: Party }[];
}

function offerOf({ chance, callId }: NgCall, from: Party, rest: NgWords): NgWords {
  return {
    command: "offer",
    "call-id": callId,
    "from-tag": from.tag,
    sdp: from.body(),
    ...shape(chance),
    ...rest,
  };
}

/** Tags stand offer-wise. */
function answerOf(call: NgCall, offerer: Party, answerer: Party, rest: NgWords = {}): NgWords {
  return {
    command: "answer",
    "call-id": call.callId,
    "from-tag": offerer.tag,
    "to-tag": answerer.tag,
    sdp: answerer.body(),
    ...shape(call.chance),
    ...rest,
  };
}

function endOf({ chance, callId, caller }: NgCall, rest: NgWords = {}): NgWords {
  const words: Record<string, string | number | readonly string[]> = { command: "delete", "call-id": callId };
  if (chance.happens(0.7)) words["from-tag"] = caller.tag;
  if (chance.happens(0.3)) words["delete-delay"] = chance.pick([0, 1, 30]);
  if (chance.happens(0.2)) words["flags"] = chance.pick([["fast"], ["fatal"], ["to-tag"]]);
  return { ...words, ...rest };
}

/** A whole call by ng. */
export function* ngScript(chance: Chance, callId: string): Script<NgWords> {
  const forks = chance.pick([1, 1, 1, 2, 3]);
  const call: NgCall = {
    chance,
    callId,
    caller: new Party(chance, `${callId}-a`),
    branches: Array.from({ length: forks }, (_, index) => ({
      branch: `z9hG4bK${callId}.${index}`,
      callee: new Party(chance, `${callId}-b${index}`),
    })),
  };
  const connected = chance.happens(0.1) ? yield* lateOffer(call) : yield* inviteForked(call);
  if (connected !== undefined) yield* established(call, connected);
  if (chance.happens(0.1)) return;
  yield ask(endOf(call));
  if (chance.happens(0.3)) yield ask(endOf(call));
}

/** INVITE without a body: the 200 brings the offer, the ACK the answer. */
function* lateOffer(
  call: NgCall,
): Generator<Step<NgWords>, Party | undefined, readonly (string | undefined)[]> {
  const callee = call.branches[0]?.callee;
  if (callee === undefined) return undefined;
  yield ask(offerOf(call, callee, { "to-tag": call.caller.tag }));
  yield wait(call.chance.below(300));
  yield ask(answerOf(call, callee, call.caller));
  return callee;
}

/** Branches ring, one may take the call, the others are cancelled. */
function* inviteForked(
  call: NgCall,
): Generator<Step<NgWords>, Party | undefined, readonly (string | undefined)[]> {
  const { chance, caller, branches } = call;
  const usesBranches = branches.length > 1 || chance.happens(0.5);
  const offers = branches.map(({ branch }) =>
    offerOf(call, caller, usesBranches ? { "via-branch": branch } : {}),
  );
  if (chance.happens(0.5)) yield ask(...offers);
  else for (const offer of offers) yield ask(offer);
  yield wait(chance.below(1_000));
  for (const { branch, callee } of branches) {
    if (chance.happens(0.4)) yield ask(answerOf(call, caller, callee, { "via-branch": branch }));
  }
  const winner = chance.pick(branches);
  if (chance.happens(0.15)) return undefined;
  yield ask(answerOf(call, caller, winner.callee, usesBranches ? { "via-branch": winner.branch } : {}));
  for (const { branch } of branches) {
    if (branch !== winner.branch) yield ask(endOf(call, { "from-tag": caller.tag, "via-branch": branch }));
  }
  return winner.callee;
}

/** Re-INVITEs from either side, refreshes, questions. */
function* established(call: NgCall, callee: Party): Script<NgWords> {
  const { chance, callId, caller } = call;
  const rounds = chance.between(0, 4);
  for (let round = 0; round < rounds; round++) {
    yield talk(chance);
    const [from, to] = chance.happens(0.5) ? [caller, callee] : [callee, caller];
    if (chance.happens(0.3)) from.change();
    const offer = offerOf(call, from, { "to-tag": to.tag });
    if (chance.happens(0.1)) yield ask(offer, offerOf(call, to, { "to-tag": from.tag }));
    else yield ask(offer);
    if (chance.happens(0.9)) yield ask(answerOf(call, from, to));
    if (chance.happens(0.2)) yield ask({ command: "query", "call-id": callId });
    if (chance.happens(0.1)) yield ask({ command: "list", limit: "10" }, { command: "statistics" });
    if (chance.happens(0.05)) yield ask(endOf(call), offerOf(call, caller, { "to-tag": callee.tag }));
  }
  yield talk(chance);
}

/** A whole call by rtpproxy's protocol: U for the caller, U or L for the callee, more of both, D. */
export function* rtpproxyScript(chance: Chance, callId: string): Script<string> {
  const [caller, callee] = [new Party(chance, `${callId}-a`), new Party(chance, `${callId}-b`)];
  const streams = chance.pick([1, 1, 2]);
  const command = (letter: string, party: Party, stream: number, tags: readonly string[]): string => {
    const modifiers = `${chance.pick(["", "", "a", "s", "w", "ei", "ie", "c0,8", "n"])}${party.family === "IP6" ? "6" : ""}`;
    const port = chance.happens(0.05) ? 0 : party.port + 4 * stream;
    const names = tags.map((tag) => `${tag};${stream + 1}`).join(" ");
    return `${letter}${modifiers} ${callId} ${party.address} ${port} ${names}`;
  };
  for (let round = chance.between(1, 3); round > 0; round--) {
    const hasTo = chance.happens(0.3);
    for (let stream = 0; stream < streams; stream++) {
      yield ask(command("U", caller, stream, hasTo ? [caller.tag, callee.tag] : [caller.tag]));
    }
    yield wait(chance.below(1_000));
    for (let stream = 0; stream < streams; stream++) {
      const letter = chance.happens(0.8) ? "L" : "U";
      yield ask(
        command(letter, callee, stream, letter === "L" ? [caller.tag, callee.tag] : [callee.tag, caller.tag]),
      );
    }
    yield talk(chance);
    if (chance.happens(0.3)) yield ask(`Q ${callId} ${caller.tag};1 ${callee.tag};1`, "VF 20071218");
    if (chance.happens(0.1)) yield ask("V", "Ib", "G", "Gv nsess_created");
  }
  if (chance.happens(0.1)) return;
  const tags = chance.happens(0.8) ? `${caller.tag} ${callee.tag}` : caller.tag;
  yield ask(`D${chance.pick(["", "", "w"])} ${callId} ${tags}`);
}
