/** `a=` lines: `name` or `name:value` (RFC 8866 section 5.13). Names are case-sensitive. */
import type { SdpLine } from "./description.ts";

export function attributeName(text: string): string {
  const colon = text.indexOf(":");
  return colon < 0 ? text : text.slice(0, colon);
}

/** Empty when there is none. */
export function attributeValue(text: string): string {
  const colon = text.indexOf(":");
  return colon < 0 ? "" : text.slice(colon + 1);
}

/** Value of the first attribute of that name; empty for a bare `a=name`, undefined when absent. */
export function findAttribute(lines: readonly SdpLine[], name: string): string | undefined {
  for (const line of lines) {
    if (line.type !== "a" || !line.value.startsWith(name)) continue;
    if (line.value.length === name.length) return "";
    if (line.value.charCodeAt(name.length) === 0x3a) return line.value.slice(name.length + 1);
  }
  return undefined;
}

/** Text of the last line of that type; undefined when absent. */
export function lastLine(lines: readonly SdpLine[], type: string): string | undefined {
  for (let index = lines.length - 1; index >= 0; index--) {
    const line = lines[index];
    if (line?.type === type) return line.value;
  }
  return undefined;
}
