/**
 * application/trickle-ice-sdpfrag (RFC 8840 section 9): candidates that follow an offer or an answer. It has a= lines
 * of a session level, and m= lines that only say to which m-line of the call the a= lines below them belong.
 */
import { mediaPerCallMax, sdpLinesMax, sdpSizeBytesMax } from "../core/limits.ts";
import type { RemoteCandidate } from "../core/plan/security.ts";
import { ok, type Result, refused } from "../core/result.ts";
import { findAttribute } from "./attribute.ts";
import type { SdpLine, SdpRefusal } from "./description.ts";
import { parseCandidate, parseCredential, readCandidates } from "./ice-attributes.ts";

export interface IceFragment {
  readonly media: readonly MediaFragment[];
  /** a=end-of-candidates above the first m-line: none will follow for any of the call's. */
  readonly hasEnded: boolean;
}

/** What a fragment says of one m-line. */
export interface MediaFragment {
  /** 0-based m-line of the fragment; counts only where no mid is given. */
  readonly index: number;
  readonly mid: string | undefined;
  /** The ICE generation these candidates belong to (RFC 8840 section 4.4); undefined: the one that is known. */
  readonly ufrag: string | undefined;
  readonly password: string | undefined;
  /** Of that generation alone. */
  readonly candidates: readonly RemoteCandidate[];
  readonly hasEnded: boolean;
}

/** Never throws; `text` is latin1. Lines of other types than a= and m= are passed over. */
export function parseFragment(text: string): Result<IceFragment, SdpRefusal> {
  if (text.length > sdpSizeBytesMax) return refused({ what: "too-large", at: 1 });
  const session: SdpLine[] = [];
  const sections: SdpLine[][] = [];
  let at = 0;
  for (const raw of text.split("\n", sdpLinesMax + 1)) {
    const line = raw.trimEnd();
    at++;
    if (line === "") continue;
    if (at > sdpLinesMax) return refused({ what: "too-many-lines", at });
    if (!/^[a-z]=[^\r\0]*$/.test(line)) return refused({ what: "not-a-line", at });
    // Before the RFC sections began with their a=mid; an own one after an m= line belongs to that.
    const startsSection = line.startsWith("m=") || (line.startsWith("a=mid:") && !isOpen(sections.at(-1)));
    if (startsSection && sections.length === mediaPerCallMax) return refused({ what: "too-many-media", at });
    if (startsSection) sections.push([]);
    if (line.startsWith("a=")) (sections.at(-1) ?? session).push({ type: "a", value: line.slice(2) });
  }
  if (session.length === 0 && sections.length === 0) return refused({ what: "empty", at: 1 });
  return ok(fragmentOf(session, sections));
}

/** It has no mid yet. */
function isOpen(section: readonly SdpLine[] | undefined): boolean {
  return section !== undefined && findAttribute(section, "mid") === undefined;
}

function fragmentOf(session: readonly SdpLine[], sections: readonly (readonly SdpLine[])[]): IceFragment {
  const hasEnded = findAttribute(session, "end-of-candidates") !== undefined;
  const hasStrays = session.some(({ value }) => value.startsWith("candidate:"));
  const all = sections.length === 0 && hasStrays ? [session] : sections;
  return { media: all.map((lines, index) => readSection(lines, index, session)), hasEnded };
}

function readSection(lines: readonly SdpLine[], index: number, session: readonly SdpLine[]): MediaFragment {
  const find = (name: string): string | undefined =>
    findAttribute(lines, name) ?? findAttribute(session, name);
  const ufrag = parseCredential(find("ice-ufrag")) ?? namedGeneration(lines);
  return {
    index,
    mid: findAttribute(lines, "mid") || undefined,
    ufrag,
    password: parseCredential(find("ice-pwd")),
    candidates: readCandidates(lines, ufrag),
    hasEnded: find("end-of-candidates") !== undefined,
  };
}

/** Of the first candidate that says. */
function namedGeneration(lines: readonly SdpLine[]): string | undefined {
  for (const { value } of lines) {
    if (!value.startsWith("candidate:")) continue;
    const ufrag = parseCredential(parseCandidate(value.slice("candidate:".length))?.ufrag);
    if (ufrag !== undefined) return ufrag;
  }
  return undefined;
}
