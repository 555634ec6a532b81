/** Text that outlives its message. */
import { Buffer } from "node:buffer";

/**
 * A copy that stands alone. A slice of a message keeps the whole message alive in the heap for as long as the
 * slice lives, and call-ids and tags live for hours.
 */
export function ownText(text: string): string {
  return text.length < 13 ? text : Buffer.from(text, "utf16le").toString("utf16le");
}
