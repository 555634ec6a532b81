/** Words and numbers of a line, read without a regular expression: every line of every body comes through here. */

const code = { space: 0x20, zero: 0x30, nine: 0x39 } as const;

/** What spaces part; several count as one, and those at either end for nothing. */
export function wordsOf(text: string): string[] {
  const words: string[] = [];
  let start = 0;
  for (let at = 0; at <= text.length; at++) {
    if (at < text.length && text.charCodeAt(at) !== code.space) continue;
    if (at > start) words.push(text.slice(start, at));
    start = at + 1;
  }
  return words;
}

/** A number of one to `digitsMax` (at most 15) decimal digits and nothing else. */
export function numberOf(text: string, digitsMax: number): number | undefined {
  if (text.length === 0 || text.length > digitsMax) return undefined;
  let number = 0;
  for (let at = 0; at < text.length; at++) {
    const digit = text.charCodeAt(at);
    if (digit < code.zero || digit > code.nine) return undefined;
    number = 10 * number + digit - code.zero;
  }
  return number;
}
