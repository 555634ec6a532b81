/**
 * The numbers of rtpproxy's error replies `E<n>`, with the situation each one stands for.
 *
 * What a proxy makes of them: Kamailio fails the one script function whatever the number is, and disables a node only
 * when it does not answer. OpenSIPS takes 7 to 10 for a broken node, disables it and asks the next one; a disabled node
 * also loses the re-INVITEs and BYEs of the calls it carries. So a full or stopping relay answers 98 or 99, which fail
 * the new call alone.
 */
import type { CallRefusal } from "../../call/requests.ts";

export const errorCode = {
  unknownCommand: 0,
  argumentsCount: 1,
  modifierNotAllowed: 2,
  subcommandNotAllowed: 3,
  syntax: 5,
  playCount: 6,
  recordModifier: 7,
  deleteModifier: 8,
  statisticsModifier: 9,
  notifyTag: 10,
  bridgeExternal: 11,
  bridgeInternal: 12,
  repacketizing: 13,
  codecs: 14,
  localAddressSyntax: 15,
  routeSyntax: 16,
  infoModifier: 18,
  queryModifier: 19,
  statisticsReplyTooBig: 25,
  queryReplyTooBig: 26,
  localAddressUnknown: 31,
  routeUnknown: 32,
  streamNumber: 34,
  unknownModifier: 35,
  familyUnavailable: 36,
  remoteAddress: 37,
  unknownSession: 50,
  player: 60,
  queryCounter: 62,
  recording: 65,
  statisticsCounter: 68,
  portsOfExisting: 71,
  portsOfNew: 72,
  notificationOff: 75,
  overload: 98,
  shuttingDown: 99,
} as const;

export type ErrorCode = (typeof errorCode)[keyof typeof errorCode];

export function errorText(code: ErrorCode): string {
  return `E${code}`;
}

/** Refusals of the call model. An unknown call is no error for `L`, see commands.ts. */
const refusalCodes: Readonly<Record<CallRefusal, ErrorCode>> = {
  "unknown-call": errorCode.unknownSession,
  "unknown-tag": errorCode.unknownSession,
  "tags-mismatch": errorCode.unknownSession,
  "dialogue-invalid": errorCode.unknownSession,
  "no-ports": errorCode.portsOfNew,
  "no-interface": errorCode.familyUnavailable,
  "sessions-exhausted": errorCode.overload,
  "load-limit": errorCode.overload,
  "limit-exceeded": errorCode.overload,
  "unsupported-address": errorCode.remoteAddress,
  "shutting-down": errorCode.shuttingDown,
  // The rest belongs to SDP, which this protocol does not carry.
  "unsupported-protocol": errorCode.syntax,
  "sdp-malformed": errorCode.syntax,
  "sdp-incomplete": errorCode.syntax,
  "sdp-rewrite-failed": errorCode.syntax,
};

export function codeOfRefusal(refusal: CallRefusal): ErrorCode {
  return refusalCodes[refusal];
}
