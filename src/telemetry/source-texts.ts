/** What became of a source, and why, in words for whoever reads the log or `rtpferry ctl show`. */
import { formatEndpoint, sameEndpoint } from "../core/address.ts";
import type { Evidence } from "../core/plan/plan.ts";
import type { NoteRecord } from "./source-history.ts";

/** Why a source was believed. */
const provenTexts: Readonly<Record<Evidence, string>> = {
  cryptographic: "its key, ICE or DTLS proves it",
  signalled: "signalling named this address",
  continuity: "the same stream went on there",
  "same-place": "the same network address speaks from another port",
  "first-speaker": "it spoke first, and nobody likelier did",
  "new-generation": "a new stream came after a new SDP",
  override: "an override of the script takes any source",
};

/** Why a source may come to be believed. */
const heldTexts: Readonly<Record<Evidence, string>> = {
  cryptographic: "it has to show its key again",
  signalled: "signalling named this address, and another one speaks",
  continuity: "it goes on with the stream",
  "same-place": "it is the same network address, another port",
  "first-speaker": "it speaks, and nobody knows it",
  "new-generation": "it is a new stream after a new SDP",
  override: "an override of the script may take it",
};

/** One sentence without its full stop, such as `party moved from A to B: the same stream went on there`. */
export function noteText({ component, note, source, before, evidence }: NoteRecord): string {
  const party = component === "rtcp" ? "party's RTCP" : "party";
  const place = formatEndpoint(source);
  const other = before === undefined ? undefined : formatEndpoint(before);
  const why = evidence === undefined ? "" : `: ${provenTexts[evidence]}`;
  switch (note) {
    case "proven": {
      const isNew = before !== undefined && !sameEndpoint(before, source);
      return `${party} speaks from ${place}${isNew ? `, no longer from ${other}` : ""}${why}`;
    }
    case "switched":
      return `${party} moved ${other === undefined ? "" : `from ${other} `}to ${place}${why}`;
    case "rolled-back":
      return `${party} is at ${place} after all: the stream went on there${other === undefined ? "" : `, so ${other} has lost it`}`;
    case "held":
      return `packets from ${place} are kept${evidence === undefined ? "" : `: ${heldTexts[evidence]}`}${
        other === undefined ? "" : `; ${other} has the leg`
      }`;
    case "refused":
      return `packets from ${place} are dropped: ${other ?? "another source"} kept the leg`;
    case "struck":
      return `${place} is not listened to for a while: it contradicted ${other ?? "the party"}`;
    case "twin":
      return `${place} sends the same packets as ${other ?? "the party"}: one party over two paths`;
  }
}
