/** a=group (RFC 5888 section 5): bundles, which end here, and other groups of m-lines, which are the parties' own. */
import { attributeName, attributeValue, findAttribute } from "./attribute.ts";
import { type AttributeEdits, printAttribute } from "./attribute-edits.ts";
import type { SessionDescription } from "./description.ts";
import { wordsOf } from "./words.ts";
import { type MediaDraft, midTold } from "./write-media.ts";

/** What is no token is left out: who reads it with more leave might take it for a bundle. */
const semantics = /^[!#$%&'*+\-.\w^`{|}~]+$/;

/**
 * The other party's groups but for its bundles. A name that no m-line bears makes all of a group void (section 6), so
 * m-lines that are not told, or under another name, are left out; a group of such alone is none.
 */
export function printGroups(
  source: SessionDescription,
  media: readonly MediaDraft[],
  edits: AttributeEdits | undefined,
): string {
  const groups = source.session.filter(({ type, value }) => type === "a" && isOtherGroup(value));
  if (groups.length === 0) return "";
  const lost = lostMids(source, media);
  let text = "";
  for (const { value } of groups) {
    const [name, ...mids] = wordsOf(attributeValue(value));
    const told = mids.filter((mid) => !lost.has(mid));
    if (told.length === 0 && mids.length > 0) continue;
    text += printAttribute(edits, `group:${[name, ...told].join(" ")}`);
  }
  return text;
}

function isOtherGroup(attribute: string): boolean {
  if (attributeName(attribute) !== "group") return false;
  const [name = ""] = attributeValue(attribute).split(" ", 1);
  return semantics.test(name) && name.toUpperCase() !== "BUNDLE";
}

/** Names of m-lines that the written body does not have, or under another name. */
function lostMids(source: SessionDescription, media: readonly MediaDraft[]): ReadonlySet<string> {
  const lost = new Set<string>();
  for (const section of source.media) {
    const mid = findAttribute(section.lines, "mid");
    const draft = media.find((one) => one.source === section);
    const isTold = draft?.local !== undefined && midTold(draft) === mid;
    if (mid !== undefined && !isTold) lost.add(mid);
  }
  return lost;
}
