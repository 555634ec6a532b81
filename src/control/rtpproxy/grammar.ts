/**
 * The outer grammar of rtpproxy's control protocol: bytes to tokens, tokens to a command with its arguments counted.
 *
 * A datagram is `cookie SP command`, a line on a stream is the command alone. Text is latin1, one character a byte, so
 * call-ids and tags go through unchanged.
 */
import { Buffer } from "node:buffer";
import {
  controlCookieSizeBytesMax,
  controlLineSizeBytesMax,
  identifierSizeBytesMax,
  mediaPerCallMax,
  rtpproxyTokensMax,
} from "../../core/limits.ts";
import { ok, type Result, refused } from "../../core/result.ts";
import { type ErrorCode, errorCode } from "./errors.ts";

export type CommandName =
  | "version"
  | "capability"
  | "update"
  | "lookup"
  | "delete"
  | "query"
  | "info"
  | "statistics"
  | "delete-all"
  | "play"
  | "stop-play"
  | "record"
  | "copy"
  | "stop-record";

export interface Command {
  readonly name: CommandName;
  /** What follows the command's letters in the first token. */
  readonly modifiers: string;
  /** The tokens after the first. */
  readonly args: readonly string[];
  /** A `&&` and something behind it; only U, L and Q get here with it. */
  readonly hasSubcommand: boolean;
}

interface Form {
  readonly name: CommandName;
  /** Least and most arguments, the command itself not counted. */
  readonly args: readonly [number, number];
  readonly takesModifiers: boolean;
  readonly takesSubcommand: boolean;
}

function form(
  name: CommandName,
  args: readonly [number, number],
  takes: { readonly modifiers?: boolean; readonly subcommand?: boolean } = {},
): Form {
  return {
    name,
    args,
    takesModifiers: takes.modifiers ?? false,
    takesSubcommand: takes.subcommand ?? false,
  };
}

const capabilityForm = form("capability", [1, 1]);

const forms: ReadonlyMap<string, Form> = new Map([
  ["V", form("version", [0, 0])],
  ["U", form("update", [4, 7], { modifiers: true, subcommand: true })],
  ["L", form("lookup", [4, 5], { modifiers: true, subcommand: true })],
  ["D", form("delete", [2, 3], { modifiers: true })],
  ["Q", form("query", [2, 14], { modifiers: true, subcommand: true })],
  ["I", form("info", [0, 0], { modifiers: true })],
  ["G", form("statistics", [0, rtpproxyTokensMax], { modifiers: true })],
  ["X", form("delete-all", [0, 0])],
  ["P", form("play", [4, 5], { modifiers: true })],
  ["S", form("stop-play", [2, 3])],
  ["R", form("record", [2, 3], { modifiers: true })],
  ["C", form("copy", [3, 4], { modifiers: true })],
  ["N", form("stop-record", [2, 3], { modifiers: true })],
]);

/** A datagram in two: whom to answer, and what was asked. */
export interface CookieFrame {
  readonly cookie: string;
  readonly text: string;
}

/** undefined for a datagram nobody could be answered for: it has no cookie, or one beyond all measure. */
export function splitDatagram(bytes: Uint8Array): CookieFrame | undefined {
  let start = 0;
  while (start < bytes.length && isSeparator(bytes[start])) start++;
  let end = start;
  const limit = Math.min(bytes.length, start + controlCookieSizeBytesMax + 1);
  while (end < limit && !isSeparator(bytes[end])) end++;
  const sizeBytes = end - start;
  if (sizeBytes === 0 || sizeBytes > controlCookieSizeBytesMax) return undefined;
  const cookie = latin1(bytes.subarray(start, end));
  return cookie.includes("\0") ? undefined : { cookie, text: latin1(bytes.subarray(end)) };
}

/** One line of a stream, or the whole of a unix connection. */
export function lineText(bytes: Uint8Array): string {
  return latin1(bytes);
}

/** The command in a text without cookie; the reason is the error to answer with. */
export function parseCommand(text: string): Result<Command, ErrorCode> {
  if (text.length > controlLineSizeBytesMax || text.includes("\0")) return refused(errorCode.syntax);
  const tokens = text.split(/[ \t\r\n]+/, rtpproxyTokensMax + 2).filter((token) => token !== "");
  // The cookie is one of the tokens rtpproxy counts.
  if (tokens.length >= rtpproxyTokensMax || tokens.some((token) => token.length > identifierSizeBytesMax)) {
    return refused(errorCode.syntax);
  }
  const split = tokens.indexOf("&&");
  const [head, ...args] = split < 0 ? tokens : tokens.slice(0, split);
  if (head === undefined || (split >= 0 && hasEmptySubcommand(tokens.slice(split)))) {
    return refused(errorCode.syntax);
  }
  return checkForm(head, args, split >= 0);
}

function hasEmptySubcommand(tokens: readonly string[]): boolean {
  return tokens.some((token, index) => token === "&&" && (tokens[index + 1] ?? "&&") === "&&");
}

function checkForm(
  head: string,
  args: readonly string[],
  hasSubcommand: boolean,
): Result<Command, ErrorCode> {
  const isCapability = /^vf/i.test(head);
  const found = isCapability ? capabilityForm : forms.get(head.charAt(0).toUpperCase());
  const modifiers = head.slice(isCapability ? 2 : 1);
  if (found === undefined) return refused(errorCode.unknownCommand);
  if (args.length < found.args[0] || args.length > found.args[1]) return refused(errorCode.argumentsCount);
  if (modifiers !== "" && !found.takesModifiers) return refused(errorCode.modifierNotAllowed);
  if (hasSubcommand && !found.takesSubcommand) return refused(errorCode.subcommandNotAllowed);
  return ok({ name: found.name, modifiers, args, hasSubcommand });
}

/** A tag as it is written for one stream of a session: `tag;medianum`, where streams count from 1. */
export interface StreamTag {
  readonly tag: string;
  /** 0-based; undefined without a medianum. */
  readonly mediaIndex: number | undefined;
}

/** undefined for a stream number that no call can have, or no tag before it. */
export function parseStreamTag(text: string): StreamTag | undefined {
  const match = /^(.*);([0-9]+)$/.exec(text);
  if (match === null) return { tag: text, mediaIndex: undefined };
  const [, tag = "", digits = ""] = match;
  const medianum = digits.length > 5 ? Number.NaN : Number(digits);
  if (tag === "" || !(medianum >= 1 && medianum <= mediaPerCallMax)) return undefined;
  return { tag, mediaIndex: medianum - 1 };
}

/** Undoes `%XX`; undefined for anything malformed, and for control characters, which would break the notification's line. */
export function urlUnquote(text: string): string | undefined {
  if (/%(?![0-9a-fA-F]{2})/.test(text)) return undefined;
  const plain = text.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  for (let index = 0; index < plain.length; index++) if (plain.charCodeAt(index) < 0x20) return undefined;
  return plain;
}

function isSeparator(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0d || byte === 0x0a;
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
