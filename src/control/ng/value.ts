/**
 * The values an ng message is made of, whatever its encoding.
 *
 * Text is latin1, one character a byte, so that an SDP body passes through without a loss. Dictionaries are maps: a key
 * from the wire is never a property name. Integers are safe integers.
 */

export type NgValue = string | number | NgList | NgDict;
export type NgList = readonly NgValue[];
export type NgDict = ReadonlyMap<string, NgValue>;

export function isList(value: NgValue | undefined): value is NgList {
  return Array.isArray(value);
}

export function isDict(value: NgValue | undefined): value is NgDict {
  return value instanceof Map;
}

/**
 * The integer in a value: proxies send `"ptime":"20"` as often as `20`. undefined for anything else, including a number
 * beyond 2^53.
 */
export function integerOf(value: NgValue | undefined): number | undefined {
  if (typeof value === "number") return value;
  if (typeof value !== "string" || !/^[+-]?[0-9]{1,16}$/.test(value)) return undefined;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : undefined;
}

/** The words of a list; a plain string is split on commas. Elements that are no strings are left out. */
export function wordsOf(value: NgValue): readonly string[] {
  if (typeof value === "string") return value.split(",").filter((word) => word !== "");
  if (!isList(value)) return [];
  return value.filter((word): word is string => typeof word === "string" && word !== "");
}
