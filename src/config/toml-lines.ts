/**
 * Where things stand in a TOML file.
 *
 * smol-toml gives values without positions. This finds, in a text it has accepted, the line of every top-level key
 * and of every element of its array. It knows strings, comments, brackets and nothing more of the language.
 */

export interface KeyPlace {
  readonly line: number;
  /** Line of each element, when the value is an array. */
  readonly elementLines: readonly number[];
}

const opening = new Set(["[", "{"]);
const closing = new Set(["]", "}"]);

/** Places by key. Of a table, and of a dotted key, the first part counts. */
export function findKeys(text: string): ReadonlyMap<string, KeyPlace> {
  const places = new Map<string, KeyPlace>();
  let line = 1;
  let position = 0;
  let isInTable = false;
  while (position < text.length) {
    const end = statementEnd(text, position);
    const statement = text.slice(position, end);
    const key = firstKey(statement);
    const isHeader = /^[ \t]*\[/.test(statement);
    if (key !== undefined && (isHeader || !isInTable) && !places.has(key)) {
      places.set(key, { line, elementLines: isHeader ? [] : elementLines(statement, line) });
    }
    isInTable ||= isHeader;
    line += countLines(statement) + 1;
    position = end + 1;
  }
  return places;
}

/** The line end that closes the statement at `start`: one outside strings, comments and brackets. */
function statementEnd(text: string, start: number): number {
  let depth = 0;
  let position = start;
  while (position < text.length) {
    const skipped = skipOpaque(text, position);
    if (skipped !== position) {
      position = skipped;
      continue;
    }
    const character = text[position] ?? "";
    if (opening.has(character)) depth++;
    if (closing.has(character)) depth--;
    if (character === "\n" && depth <= 0) return position;
    position++;
  }
  return position;
}

/** Behind the string or comment that begins at `position`; `position` itself if none does. */
function skipOpaque(text: string, position: number): number {
  const character = text[position];
  if (character === "#") {
    const end = text.indexOf("\n", position);
    return end < 0 ? text.length : end;
  }
  if (character !== '"' && character !== "'") return position;
  const long = character.repeat(3);
  const mark = text.startsWith(long, position) ? long : character;
  let at = position + mark.length;
  while (at < text.length && !text.startsWith(mark, at)) at += character === '"' && text[at] === "\\" ? 2 : 1;
  at += mark.length;
  // A multi-line string may end in up to two quotes of its own.
  while (mark.length === 3 && text[at] === character) at++;
  return Math.min(at, text.length);
}

function firstKey(statement: string): string | undefined {
  const match = /^[ \t]*\[{0,2}[ \t]*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))/.exec(statement);
  return match?.[1] ?? match?.[2] ?? match?.[3];
}

/** Lines of the elements of the array right of the equals sign. */
function elementLines(statement: string, firstLine: number): readonly number[] {
  const lines: number[] = [];
  let line = firstLine;
  let depth = 0;
  let isExpected = false;
  for (let position = statement.indexOf("=") + 1; position < statement.length; ) {
    const character = statement[position] ?? "";
    const skipped = skipOpaque(statement, position);
    if (depth === 1 && isExpected && /[^\s,\]#]/.test(character)) {
      lines.push(line);
      isExpected = false;
    }
    if (opening.has(character) && ++depth === 1) isExpected = true;
    if (closing.has(character)) depth--;
    if (character === "," && depth === 1) isExpected = true;
    line += countLines(statement.slice(position, Math.max(skipped, position + 1)));
    position = Math.max(skipped, position + 1);
  }
  return lines;
}

function countLines(text: string): number {
  return text.split("\n").length - 1;
}
