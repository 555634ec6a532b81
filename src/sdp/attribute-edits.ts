/**
 * `sdp-attr` of a request: attributes added, removed and replaced as they are written.
 *
 * An edit names an attribute by its name (`ptime`), by name and first word (`rtpmap:101`), or whole
 * (`rtpmap:8 PCMA/8000`), without regard to case.
 */
import type { AttributeEdit } from "./edits.ts";

/** The edits of one level. */
export interface AttributeEdits {
  readonly removed: ReadonlySet<string>;
  readonly replaced: ReadonlyMap<string, string>;
  /** Whole a= lines, ready to be written at the end of the level. */
  readonly addedText: string;
}

/** `session`, or the kind of a media section; undefined when nothing is to be edited there. */
export function editsOf(edits: readonly AttributeEdit[], level: string): AttributeEdits | undefined {
  if (edits.length === 0) return undefined;
  const own = edits.filter(
    ({ scope }) => (scope === "none" || scope === "global" ? "session" : scope) === level,
  );
  if (own.length === 0) return undefined;
  const removed = new Set<string>();
  const replaced = new Map<string, string>();
  let addedText = "";
  for (const edit of own) {
    const attribute = bareAttribute(edit.attribute);
    if (edit.action === "substitute") replaced.set(attribute.toLowerCase(), bareAttribute(edit.replacement));
    else if (edit.action === "remove") removed.add(attribute.toLowerCase());
    else addedText += `a=${attribute}\r\n`;
  }
  return { removed, replaced, addedText };
}

/** One a= line, edited; empty when removed. */
export function printAttribute(edits: AttributeEdits | undefined, text: string): string {
  if (edits === undefined) return `a=${text}\r\n`;
  for (const key of editKeys(text.toLowerCase())) {
    if (edits.removed.has(key)) return "";
    const replacement = edits.replaced.get(key);
    if (replacement !== undefined) return `a=${replacement}\r\n`;
  }
  return `a=${text}\r\n`;
}

function editKeys(text: string): readonly string[] {
  const colon = text.indexOf(":");
  if (colon < 0) return [text];
  const space = text.indexOf(" ", colon);
  const name = text.slice(0, colon);
  return space < 0 ? [name, text] : [name, text.slice(0, space), text];
}

/** Without the `a=` some write in front, and never more than one line. */
function bareAttribute(text: string): string {
  const [line = ""] = text.split(/[\r\n]/, 1);
  return line.startsWith("a=") ? line.slice(2) : line;
}
