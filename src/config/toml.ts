/** The configuration file: TOML text in, a layer of settings and a list of problems out. */
import { parse, TomlDate, TomlError } from "smol-toml";
import { type Given, type Layer, type Place, type Problem, quote } from "./layer.ts";
import { nearestName } from "./nearest.ts";
import type { Option } from "./option.ts";
import { type ConfigName, rows } from "./schema.ts";
import { findKeys, type KeyPlace } from "./toml-lines.ts";

export interface FileReading {
  readonly layer: Layer;
  readonly problems: readonly Problem[];
}

/** `name` is what messages call the file. */
export function readToml(text: string, name: string): FileReading {
  const parsed = parseToml(text, name);
  if ("problem" in parsed) return { layer: new Map(), problems: [parsed.problem] };
  const layer = new Map<ConfigName, readonly Given[]>();
  const problems: Problem[] = [];
  const places = findKeys(text);
  for (const [key, value] of Object.entries(parsed.table)) {
    const found = places.get(key) ?? { line: 1, elementLines: [] };
    const row = rows.find(([, candidate]) => candidate.key === key);
    if (row === undefined) {
      problems.push({ place: { source: name, line: found.line }, message: unknownKey(key, value) });
      continue;
    }
    const items = valueItems(row[1], value, found, name);
    const wrong = items.filter((item): item is Problem => "message" in item);
    if (wrong.length === 0) layer.set(row[0], items as readonly Given[]);
    problems.push(...wrong);
  }
  return { layer, problems };
}

function parseToml(
  text: string,
  name: string,
): { readonly table: Record<string, unknown> } | { readonly problem: Problem } {
  try {
    return { table: parse(text, { maxDepth: 16 }) };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const what = error.message.split("\n", 1)[0]?.replace(/^Invalid TOML document: /, "") ?? "";
    return {
      problem: {
        place: { source: name, line: error.line },
        message: `not valid TOML at column ${error.column}: ${what}`,
      },
    };
  }
}

function unknownKey(key: string, value: unknown): string {
  if (isTable(value)) return `[${key}]: there are no tables; all keys stand at the top of the file`;
  return unknownName(key);
}

/** For a key of the file and, with its dashes, for an option of the command line. */
export function unknownName(key: string, prefix = ""): string {
  const near = nearestName(
    key,
    rows.map(([, row]) => row.key),
  );
  const hint = near === undefined ? "" : `; did you mean ${prefix}${near}?`;
  return `${prefix}${key}: there is no such ${prefix === "" ? "key" : "option"}${hint}`;
}

function isTable(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof TomlDate);
}

function valueItems(
  row: Option<unknown>,
  value: unknown,
  found: KeyPlace,
  name: string,
): readonly (Given | Problem)[] {
  const wanted = row.isRepeatable ? `${article[row.fileType]} or an array of them` : article[row.fileType];
  const place: Place = { source: name, line: found.line };
  if (Array.isArray(value) && !row.isRepeatable) {
    return [{ place, message: `${row.key}: one value, not an array, is wanted here` }];
  }
  if (Array.isArray(value) && value.length === 0 && !row.mayBeNone) {
    return [{ place, message: `${row.key}: at least one value is wanted here` }];
  }
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  return items.map((item, index) => {
    const itemPlace: Place = { source: name, line: found.elementLines[index] ?? found.line };
    if (typeof item === row.fileType || (row.fileType === "integer" && Number.isInteger(item))) {
      return { text: String(item), place: itemPlace };
    }
    return { place: itemPlace, message: `${row.key}: ${quote(show(item))} is not ${wanted}` };
  });
}

const article = {
  string: "a string",
  integer: "a whole number without quotes",
  boolean: "true or false",
} as const;

function show(value: unknown): string {
  return typeof value === "object" ? "a table or date" : String(value);
}
