/**
 * What one row of the schema is, and the few kinds of row there are.
 *
 * A value is written the same way in the file and on the command line, and one parser reads it: the file's integers
 * and booleans are checked for their type first and then read as text. Defaults are text too, so that help, sample
 * file and documentation show exactly what would have to be written.
 */
import { ok, type Result, refused } from "../core/result.ts";

export interface Option<Value> {
  /** Name in the file; `--key` on the command line. */
  readonly key: string;
  /** Shown for the value in help; undefined for a flag, which takes none. */
  readonly argument: string | undefined;
  /** Type in the file. A repeatable option is an array there, or a single value. */
  readonly fileType: "string" | "integer" | "boolean";
  readonly isRepeatable: boolean;
  /** `none` (in the file `[]` or `"none"`) switches it off. */
  readonly mayBeNone: boolean;
  readonly unit: string | undefined;
  /** A wrong value is not repeated where it is told: it may be a password. */
  readonly isSecret: boolean;
  /** As it would be written; empty: nothing. */
  readonly defaults: readonly string[];
  /** A value for the sample file where there is no default; empty otherwise. */
  readonly example: string;
  /** Stands in help and documentation where the default depends on the machine. */
  readonly defaultNote: string | undefined;
  /** One or two plain sentences. */
  readonly help: string;
  /** Reads the texts of one layer, one result each; the reason says what would be right. */
  readonly read: (texts: readonly string[]) => readonly Result<unknown, string>[];
  /** Builds the value from what `read` accepted. */
  readonly build: (items: readonly unknown[]) => Value;
}

interface Common {
  readonly key: string;
  readonly help: string;
  readonly defaultNote?: string;
  readonly example?: string;
  readonly isSecret?: boolean;
}

interface Text<Item> extends Common {
  readonly argument: string;
  readonly parse: (text: string) => Result<Item, string>;
}

/** A value that is always there. */
export function single<Item>(row: Text<Item> & { readonly default: string }): Option<Item> {
  return { ...texts(row, [row.default]), build: (items) => items.at(-1) as Item };
}

/** A value that may be missing; `none` on the command line takes away what the file gave. */
export function optional<Item>(row: Text<Item>): Option<Item | undefined> {
  return { ...texts(row, []), mayBeNone: true, build: (items) => items.at(-1) as Item | undefined };
}

/** A list; whoever gives it replaces the default and lower layers as a whole. */
export function list<Item>(
  row: Text<Item> & { readonly defaults: readonly string[]; readonly mayBeNone: boolean },
): Option<readonly Item[]> {
  return {
    ...texts(row, row.defaults),
    isRepeatable: true,
    mayBeNone: row.mayBeNone,
    build: (items) => items as readonly Item[],
  };
}

interface Whole extends Common {
  readonly min: number;
  readonly max: number;
  readonly default: number | undefined;
  readonly unit?: string;
}

/** A whole number within bounds. */
export function integer(row: Whole & { readonly default: number }): Option<number> {
  return { ...whole(row), build: (items) => items.at(-1) as number };
}

/** A whole number whose default is worked out from other values. */
export function derivedInteger(row: Omit<Whole, "default">): Option<number | undefined> {
  return { ...whole({ ...row, default: undefined }), build: (items) => items.at(-1) as number | undefined };
}

/** Written in seconds, held in milliseconds. */
export function seconds(row: Omit<Whole, "unit"> & { readonly default: number }): Option<number> {
  return { ...whole({ ...row, unit: "s" }), build: (items) => (items.at(-1) as number) * 1_000 };
}

/** Written in MiB, held in bytes. */
export function mebibytes(row: Omit<Whole, "unit"> & { readonly default: number }): Option<number> {
  return { ...whole({ ...row, unit: "MiB" }), build: (items) => (items.at(-1) as number) * 1024 * 1024 };
}

/** One of a few words. */
export function choice<Word extends string>(
  row: Common & { readonly words: readonly Word[]; readonly default: Word },
): Option<Word> {
  const parse = (text: string): Result<Word, string> => {
    const word = row.words.find((candidate) => candidate === text);
    return word === undefined ? refused(`one of ${row.words.join(", ")}`) : ok(word);
  };
  return single({ ...row, argument: row.words.join("|"), parse });
}

/** Off unless given. */
export function flag(row: Common): Option<boolean> {
  const parse = (text: string): Result<boolean, string> =>
    text === "true" || text === "false" ? ok(text === "true") : refused("true or false");
  return {
    ...texts({ ...row, argument: "", parse }, ["false"]),
    argument: undefined,
    fileType: "boolean",
    build: (items) => items.at(-1) as boolean,
  };
}

function texts<Item>(row: Text<Item>, defaults: readonly string[]): Omit<Option<never>, "build"> {
  return {
    key: row.key,
    argument: row.argument,
    fileType: "string",
    isRepeatable: false,
    mayBeNone: false,
    unit: undefined,
    isSecret: row.isSecret ?? false,
    defaults,
    example: row.example ?? "",
    defaultNote: row.defaultNote,
    help: row.help,
    read: (given) => given.map(row.parse),
  };
}

function whole(row: Whole): Omit<Option<never>, "build"> {
  const wanted = `a whole number from ${row.min} to ${row.max}${row.unit === undefined ? "" : ` (${row.unit})`}`;
  const parse = (text: string): Result<number, string> => {
    const value = /^[0-9]{1,9}$/.test(text) ? Number(text) : Number.NaN;
    return value >= row.min && value <= row.max ? ok(value) : refused(wanted);
  };
  const defaults = row.default === undefined ? [] : [String(row.default)];
  return { ...texts({ ...row, argument: "N", parse }, defaults), fileType: "integer", unit: row.unit };
}
