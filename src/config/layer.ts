/** What one source of settings (the file, the command line) gives, before the values are read. */
import type { ConfigName } from "./schema.ts";

/** Where a value or a mistake stands. */
export interface Place {
  /** The file's name, `command line` or `defaults`. */
  readonly source: string;
  /** 1-based; undefined outside files. */
  readonly line: number | undefined;
}

/** A value as text. */
export interface Given {
  readonly text: string;
  readonly place: Place;
}

/** An empty list means `none`. */
export type Layer = ReadonlyMap<ConfigName, readonly Given[]>;

/** Something that keeps the daemon from starting. */
export interface Problem {
  readonly place: Place;
  /** Names the key, the value found and what would be right. */
  readonly message: string;
}

export const defaultsPlace: Place = { source: "defaults", line: undefined };
export const commandLinePlace: Place = { source: "command line", line: undefined };

/** `rtpferry.toml:12: port-max: ...` */
export function formatProblem({ place, message }: Problem): string {
  return `${place.source}${place.line === undefined ? "" : `:${place.line}`}: ${message}`;
}

/** The file's first, in the order of its lines. */
export function inReadingOrder(problems: readonly Problem[]): readonly Problem[] {
  const rank = ({ place }: Problem): number => place.line ?? Number.MAX_SAFE_INTEGER;
  return problems.toSorted((a, b) => rank(a) - rank(b));
}

/** A value for a message: quoted, short, without anything that could steer a terminal. */
export function quote(text: string): string {
  const short = text.length > 80 ? `${text.slice(0, 77)}...` : text;
  return JSON.stringify(short).replace(/[\u007f-\u009f\u2028\u2029]/g, "?");
}
