/** Packets as the peer could send them, one by one, and an agent to get them. */
import assert from "node:assert/strict";
import { systemDigests } from "../../../src/io/digests.ts";
import { StunBuilder } from "../../../src/stun/builder.ts";
import { shortTermKey } from "../../../src/stun/integrity.ts";
import { parseStun, type StunMessage } from "../../../src/stun/message.ts";
import { encodeErrorCode, encodeNumber, encodeText, encodeXorAddress } from "../../../src/stun/values.ts";
import { stunAttribute, stunMethod } from "../../../src/stun/wire.ts";
import { at, candidate, Lab, type Side } from "./lab.ts";

export const own = "192.0.2.1:5000";
export const peer = "198.51.100.2:6000";
export const transactionId = Uint8Array.from({ length: 12 }, (_, index) => 0xa0 + index);
export const smallest = new Uint8Array(8);
export const largest = new Uint8Array(8).fill(0xff);

export const nominating = [[stunAttribute.useCandidate, new Uint8Array()]] as const;

interface Forged {
  readonly username?: string | undefined;
  readonly password?: string;
  readonly integrity?: "sha1" | "sha256" | "none";
  readonly hasPriority?: boolean;
  readonly hasFingerprint?: boolean;
  readonly role?: "controlling" | "controlled" | "none";
  readonly tieBreaker?: Uint8Array;
  readonly more?: readonly (readonly [type: number, value: Uint8Array])[];
  readonly method?: number;
}

/** A check as the peer would send it, and everything that can be wrong with one. */
export function forge(forged: Forged = {}): Uint8Array {
  const { username = "au:bu", password = "a-password-0123456789", integrity = "sha1" } = forged;
  const { role = "controlling", tieBreaker = largest, hasPriority = true, hasFingerprint = true } = forged;
  const builder = new StunBuilder("request", forged.method ?? stunMethod.binding, transactionId);
  if (!("username" in forged) || forged.username !== undefined) {
    builder.add(stunAttribute.username, encodeText(username));
  }
  if (hasPriority) builder.add(stunAttribute.priority, encodeNumber(1_845_501_695));
  if (role === "controlling") builder.add(stunAttribute.iceControlling, tieBreaker);
  if (role === "controlled") builder.add(stunAttribute.iceControlled, tieBreaker);
  for (const [type, value] of forged.more ?? []) builder.add(type, value);
  if (integrity !== "none") builder.addIntegrity(systemDigests, shortTermKey(password), integrity);
  return hasFingerprint ? builder.addFingerprint().build() : builder.build();
}

export function open(change: Parameters<Lab["configure"]>[1] = {}): { lab: Lab; side: Side } {
  const lab = new Lab(1);
  const side = lab.add("a", [own]);
  lab.configure(side, change);
  return { lab, side };
}

/** An agent that has just sent its first check, and that check. */
export function checking(): { lab: Lab; side: Side; check: StunMessage } {
  const lab = new Lab(7);
  const side = lab.add("a", [own]);
  let check: StunMessage | undefined;
  lab.filter = (_from, _to, bytes) => {
    check ??= parseStun(bytes.slice());
    return false;
  };
  lab.configure(side, {
    remote: { ufrag: "bu", password: "b-password", isLite: false },
    candidates: [candidate(peer)],
    isControlling: true,
  });
  assert.ok(check !== undefined);
  return { lab, side, check };
}

export function answer(
  check: StunMessage,
  change: { password?: string; code?: number; integrity?: boolean; more?: number } = {},
): Uint8Array {
  const { password = "b-password", code, integrity = true, more } = change;
  const builder = new StunBuilder(code === undefined ? "success" : "error", 1, check.transactionId);
  if (code === undefined)
    builder.add(stunAttribute.xorMappedAddress, encodeXorAddress(at(own), check.transactionId));
  else builder.add(stunAttribute.errorCode, encodeErrorCode({ code, reason: "?" }));
  if (more !== undefined) builder.add(more, new Uint8Array(4));
  if (integrity) builder.addIntegrity(systemDigests, shortTermKey(password), "sha1");
  return builder.addFingerprint().build();
}

/** Takes away and keeps what the agent sends. */
export function intercept(lab: Lab): StunMessage[] {
  const seen: StunMessage[] = [];
  lab.filter = (_from, _to, bytes) => {
    const message = parseStun(bytes.slice());
    if (message !== undefined) seen.push(message);
    return false;
  };
  return seen;
}

export function isCheck(message: StunMessage): boolean {
  return message.class === "request";
}
