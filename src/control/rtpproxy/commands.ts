/** Each command of the protocol as a request to the call model, or as an answer that needs none. */
import type { CallReply, CallRequest, StreamKey } from "../../call/requests.ts";
import { type Endpoint, familyOf, type IpAddress, isUnspecified, parseIp } from "../../core/address.ts";
import type { CounterReader } from "../../core/plan/counters.ts";
import { ok, type Result, refused } from "../../core/result.ts";
import type { MonotonicMs } from "../../core/time.ts";
import { baseVersion, hasCapability } from "./capabilities.ts";
import { codeOfRefusal, type ErrorCode, errorCode } from "./errors.ts";
import { type Command, parseStreamTag, type StreamTag, urlUnquote } from "./grammar.ts";
import { type LocalAddresses, parseModifiers } from "./modifiers.ts";
import { notifyTarget } from "./notify-target.ts";
import { type CommandCounters, infoText, type RelayTotals, streamText, totalsText } from "./statistics.ts";

/** The reply line without its end, or an error. */
export type ReplyText = Result<string, ErrorCode>;

/** What a command comes to: an answer at once, or a request and how its reply is to be told. */
export type Outcome =
  | { readonly kind: "reply"; readonly reply: ReplyText }
  | {
      readonly kind: "request";
      readonly request: CallRequest;
      readonly answer: (nowMs: MonotonicMs, reply: CallReply) => ReplyText;
    };

export interface CommandContext {
  readonly local: LocalAddresses;
  /** Sockets that may be told of timeouts; none switches notification off. */
  readonly notifySockets: readonly string[];
  /** Silence that ends a session. */
  readonly timeoutMs: number;
  readonly counters: CounterReader;
  readonly readTotals: () => RelayTotals;
  readonly commands: CommandCounters;
  /** Where the command came from; undefined for unix sockets. */
  readonly source: IpAddress | undefined;
}

export function runCommand(command: Command, context: CommandContext): Outcome {
  switch (command.name) {
    case "version":
      return answered(ok(baseVersion));
    case "capability":
      return answered(ok(hasCapability(command.args[0] ?? "", context.notifySockets.length > 0) ? "1" : "0"));
    case "update":
    case "lookup":
      return settled(updateOrLookup(command, context));
    case "delete":
      return settled(deleteStream(command));
    case "query":
      return settled(query(command, context));
    case "delete-all":
      return { kind: "request", request: { kind: "delete-all" }, answer: (_, reply) => doneText(reply) };
    case "info":
      return answered(info(command, context));
    case "statistics":
      return answered(statistics(command, context));
    case "play":
      return answered(
        refused(/^(?:|[+-]?[0-9]+)$/.test(command.modifiers) ? errorCode.player : errorCode.playCount),
      );
    case "stop-play":
      return answered(refused(errorCode.player));
    case "record":
    case "copy":
    case "stop-record":
      return answered(refused(recordingCode(command)));
  }
}

function answered(reply: ReplyText): Outcome {
  return { kind: "reply", reply };
}

function settled(outcome: Result<Outcome, ErrorCode>): Outcome {
  return outcome.ok ? outcome.value : answered(outcome);
}

/** There is no recorder; a command that rtpproxy would not have understood is still told apart. */
function recordingCode(command: Command): ErrorCode {
  const known = { record: /^s*$/i, copy: /^[sp]*$/i, "stop-record": /^a?$/i } as const;
  if (command.name !== "record" && command.name !== "copy" && command.name !== "stop-record")
    return errorCode.recording;
  return known[command.name].test(command.modifiers) ? errorCode.recording : errorCode.recordModifier;
}

/** `U[mods] callid ip port from_tag [to_tag] [notify_socket notify_tag]`, `L[mods] callid ip port from_tag [to_tag]`. */
function updateOrLookup(command: Command, context: CommandContext): Result<Outcome, ErrorCode> {
  const [callId = "", ipText = "", portText = "", fromText = "", ...rest] = command.args;
  // Three or two more tokens end with the notification, which has two.
  const hasNotify = rest.length >= 2;
  const toText = rest.length === 2 ? undefined : rest[0];
  const notify = hasNotify ? readNotify(rest.at(-2) ?? "", rest.at(-1) ?? "", context) : ok(undefined);
  // The tag's form is judged before the modifiers, the socket after them, as rtpproxy does it.
  if (!notify.ok && notify.reason === errorCode.notifyTag) return notify;
  const options = parseModifiers(command.modifiers, context.local);
  if (!options.ok) return options;
  const remote = readRemote(ipText, portText, options.value.family);
  if (!remote.ok) return remote;
  if (command.hasSubcommand) return refused(errorCode.subcommandNotAllowed);
  const key = readKey(callId, fromText, toText);
  if (!key.ok) return key;
  if (!notify.ok) return notify;
  const shared = { key: key.value, remote: remote.value, options: options.value };
  const request: CallRequest =
    command.name === "update"
      ? { kind: "update", ...shared, notify: notify.value }
      : { kind: "lookup", ...shared };
  return ok({
    kind: "request",
    request,
    answer: (_, reply) => endpointText(reply, command.name === "lookup"),
  });
}

type Notify = { readonly socket: string; readonly tag: string } | undefined;

function readNotify(socket: string, tagText: string, context: CommandContext): Result<Notify, ErrorCode> {
  const tag = urlUnquote(tagText);
  if (tag === undefined) return refused(errorCode.notifyTag);
  if (context.notifySockets.length === 0) return refused(errorCode.notificationOff);
  // An unknown socket costs the notification, not the call.
  const target = notifyTarget(socket, context.notifySockets, context.source);
  return ok(target === undefined ? undefined : { socket: target, tag });
}

/** An unspecified address or port 0 is a party on hold; the call model keeps what it has learned. */
function readRemote(ipText: string, portText: string, family: 4 | 6): Result<Endpoint, ErrorCode> {
  const ip = parseIp(ipText);
  const port = /^[0-9]{1,5}$/.test(portText) ? Number(portText) : Number.NaN;
  if (ip === undefined || familyOf(ip) !== family || !(port <= 65_535))
    return refused(errorCode.remoteAddress);
  return ok({ ip, port });
}

interface Tags {
  readonly fromTag: string;
  readonly toTag: string | undefined;
  readonly mediaIndex: number | undefined;
}

/** The medianum stands behind both tags in U and L, behind the first in Q, and in D behind both or none. */
function readTags(fromText: string, toText: string | undefined): Result<Tags, ErrorCode> {
  const from = parseStreamTag(fromText);
  const to: StreamTag | undefined =
    toText === undefined ? { tag: "", mediaIndex: undefined } : parseStreamTag(toText);
  if (from === undefined || to === undefined) return refused(errorCode.streamNumber);
  return ok({
    fromTag: from.tag,
    toTag: toText === undefined ? undefined : to.tag,
    mediaIndex: from.mediaIndex ?? to.mediaIndex,
  });
}

function readKey(callId: string, fromText: string, toText: string | undefined): Result<StreamKey, ErrorCode> {
  const tags = readTags(fromText, toText);
  if (!tags.ok) return tags;
  return ok({ callId, ...tags.value, mediaIndex: tags.value.mediaIndex ?? 0 });
}

/** `port [address [6]]`; the address of a wildcard socket is left out, and the proxy takes the one it asked. */
function endpointText(reply: CallReply, isLookup: boolean): ReplyText {
  if (reply.kind === "endpoint") {
    const { ip, port } = reply.endpoint;
    if (isUnspecified(ip)) return ok(String(port));
    return ok(`${port} ${ip}${familyOf(ip) === 6 ? " 6" : ""}`);
  }
  if (reply.kind !== "refused") return refused(errorCode.syntax);
  const isUnknown = reply.reason === "unknown-call" || reply.reason === "unknown-tag";
  if (isLookup && isUnknown) return ok("0");
  if (isLookup && reply.reason === "no-ports") return refused(errorCode.portsOfExisting);
  return refused(codeOfRefusal(reply.reason));
}

/** `D[w] callid from_tag [to_tag]`; with an empty from-tag, as OpenSIPS sends it, the to-tag stands in its place. */
function deleteStream(command: Command): Result<Outcome, ErrorCode> {
  if (!/^w*$/i.test(command.modifiers)) return refused(errorCode.deleteModifier);
  const [callId = "", fromText = "", toText] = command.args;
  const tags = readTags(fromText, toText);
  if (!tags.ok) return tags;
  return ok({
    kind: "request",
    request: { kind: "delete-stream", callId, ...tags.value, isWeak: command.modifiers !== "" },
    answer: (_, reply) => doneText(reply),
  });
}

function doneText(reply: CallReply): ReplyText {
  return reply.kind === "refused" ? refused(codeOfRefusal(reply.reason)) : ok("0");
}

/** `Q[v] callid from_tag [to_tag [counter...]]`. */
function query(command: Command, context: CommandContext): Result<Outcome, ErrorCode> {
  if (command.hasSubcommand) return refused(errorCode.subcommandNotAllowed);
  const [callId = "", fromText = "", toText, ...names] = command.args;
  const tags = readTags(fromText, toText);
  if (!tags.ok) return tags;
  const isVerbose = command.modifiers !== "";
  const hasUnknownModifier = !/^v*$/i.test(command.modifiers);
  const wanted = { ...tags.value, mediaIndex: tags.value.mediaIndex ?? 0, isVerbose, names };
  return ok({
    kind: "request",
    request: { kind: "query-stream", callId, ...tags.value },
    answer: (nowMs, reply) => {
      if (reply.kind === "refused") return refused(codeOfRefusal(reply.reason));
      // rtpproxy looks for the session before it looks at the modifiers.
      if (hasUnknownModifier || reply.kind !== "report") return refused(errorCode.queryModifier);
      return streamText(reply.report, wanted, { ...context, nowMs });
    },
  });
}

/** `I[b][l]`: brief is all there is. */
function info(command: Command, context: CommandContext): ReplyText {
  if (!/^[bl]*$/i.test(command.modifiers)) return refused(errorCode.infoModifier);
  return ok(infoText(context.readTotals(), /l/i.test(command.modifiers)));
}

/** `G[v] [counter...]`. */
function statistics(command: Command, context: CommandContext): ReplyText {
  if (!/^v*$/i.test(command.modifiers)) return refused(errorCode.statisticsModifier);
  return totalsText(command.args, command.modifiers !== "", context.readTotals(), context.commands);
}
