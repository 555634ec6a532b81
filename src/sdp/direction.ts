/** a=sendrecv and its kin (RFC 8866 section 6.7), seen from the party that wrote them. */
import type { SdpLine } from "./description.ts";

export type Direction = "sendrecv" | "sendonly" | "recvonly" | "inactive";

/** Contradicting attributes of one level: the first of these wins, as in rtpengine. */
const precedence = ["recvonly", "sendonly", "inactive", "sendrecv"] as const;

/** undefined when this level says nothing. */
export function directionOf(lines: readonly SdpLine[]): Direction | undefined {
  let found: Direction | undefined;
  for (const { type, value } of lines) {
    if (type !== "a" || !isDirection(value)) continue;
    if (found === undefined || precedence.indexOf(value) < precedence.indexOf(found)) found = value;
  }
  return found;
}

function isDirection(attribute: string): attribute is Direction {
  return attribute.length === 8 && (precedence as readonly string[]).includes(attribute);
}

/** What is left when the party does not want to receive. */
export function withoutReceiving(direction: Direction): Direction {
  return direction === "sendrecv" || direction === "sendonly" ? "sendonly" : "inactive";
}
