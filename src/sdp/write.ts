/**
 * Writes the SDP for one party from the other party's and from what was decided about each m-line.
 *
 * The body is written afresh and not patched: lines come in rtpengine's order, c= stands in each media section,
 * attributes that are not understood are carried along, and what this relay terminates is left out.
 */
import { lastLine } from "./attribute.ts";
import { type AttributeEdits, editsOf, printAttribute } from "./attribute-edits.ts";
import { printBandwidth, printCarried } from "./carried.ts";
import type { SdpLine, SessionDescription } from "./description.ts";
import { directionOf } from "./direction.ts";
import type { AttributeEdit, ReplaceItem } from "./edits.ts";
import { readSharedExtensions } from "./extensions.ts";
import { printGroups } from "./groups.ts";
import {
  chooseOrigin,
  countsVersions,
  nextVersion,
  type Origin,
  type OriginMemory,
  type OwnOrigin,
  printOrigin,
} from "./origin.ts";
import { type MediaDraft, writeMedia } from "./write-media.ts";

export interface SessionDraft {
  /** The other party's body, and its origin. */
  readonly source: SessionDescription;
  readonly origin: Origin | undefined;
  /** What this party was told before; undefined the first time. */
  readonly memory: OriginMemory | undefined;
  readonly replace: ReadonlySet<ReplaceItem>;
  readonly own: OwnOrigin;
  /** Our a=rtpengine value, if loops are to be noticed. */
  readonly loopMark: string | undefined;
  readonly attributes: readonly AttributeEdit[];
  /** `original-sendrecv`: direction attributes pass as they came. */
  readonly keepsDirection: boolean;
  /** Mids of each a=group:BUNDLE (RFC 8843 section 7), the m-line whose transport serves them first. */
  readonly bundles: readonly (readonly string[])[];
  /** a=ice-lite: our end answers checks and sends none. */
  readonly isIceLite: boolean;
}

export interface WrittenSdp {
  readonly text: string;
  readonly memory: OriginMemory;
}

/** One draft for each m-line this party is to see, in order. */
export function writeSdp(session: SessionDraft, media: readonly MediaDraft[]): WrittenSdp {
  const { memory, replace } = session;
  const origin = chooseOrigin({
    source: session.origin,
    previous: memory?.origin,
    own: session.own,
    replace,
  });
  const sessionName = chooseSessionName(session);
  const rest = `${printSession(session, media, sessionName)}${printMedia(session, media)}`;
  const text = printBody(origin, rest);
  if (!countsVersions(replace)) return { text, memory: { origin, sessionName, lastText: memory?.lastText } };
  const last = memory?.lastText;
  if (last === undefined || last === text) return { text, memory: { origin, sessionName, lastText: text } };
  const newer = { ...origin, version: nextVersion(origin.version) };
  const newerText = printBody(newer, rest);
  return { text: newerText, memory: { origin: newer, sessionName, lastText: newerText } };
}

function printBody(origin: Origin, rest: string): string {
  return `v=0\r\no=${printOrigin(origin)}\r\n${rest}`;
}

/** `replace session-name` keeps the first name a party was told. */
function chooseSessionName({ source, memory, replace }: SessionDraft): string {
  const name = lastLine(source.session, "s") ?? "";
  const told = memory?.sessionName ?? "";
  if (told === "") return name;
  return name === "" || replace.has("session-name") ? told : name;
}

function printSession(draft: SessionDraft, media: readonly MediaDraft[], sessionName: string): string {
  const lines = draft.source.session;
  const edits = editsOf(draft.attributes, "session");
  let text = `s=${sessionName}\r\n`;
  for (const type of ["i", "u", "e", "p"]) text += printOptional(lines, type);
  text += printBandwidth(lines);
  text += `t=${lastLine(lines, "t") || "0 0"}\r\n`;
  if (draft.loopMark !== undefined) text += printAttribute(edits, `rtpengine:${draft.loopMark}`);
  if (draft.isIceLite) text += printAttribute(edits, "ice-lite");
  for (const mids of draft.bundles) text += printAttribute(edits, `group:BUNDLE ${mids.join(" ")}`);
  text += printGroups(draft.source, media, edits);
  return text + printCarried(lines, edits) + (edits?.addedText ?? "");
}

function printOptional(lines: readonly SdpLine[], type: string): string {
  const value = lastLine(lines, type);
  return value === undefined || value === "" ? "" : `${type}=${value}\r\n`;
}

function printMedia(session: SessionDraft, media: readonly MediaDraft[]): string {
  const lines = session.source.session;
  const context = {
    sharedExtensions: readSharedExtensions(lines),
    keptDirection: session.keepsDirection ? { ofSession: directionOf(lines) } : undefined,
    sessionLines: lines,
  };
  const edits = editsByKind(session.attributes, media);
  let text = "";
  for (const draft of media) text += writeMedia(draft, context, edits.get(draft.source.kind));
  return text;
}

type EditsByKind = ReadonlyMap<string, AttributeEdits | undefined>;
const noEdits: EditsByKind = new Map();

function editsByKind(attributes: readonly AttributeEdit[], media: readonly MediaDraft[]): EditsByKind {
  if (attributes.length === 0) return noEdits;
  const kinds = new Set(media.map((draft) => draft.source.kind));
  return new Map([...kinds].map((kind) => [kind, editsOf(attributes, kind)]));
}
