/**
 * From a decoded request to what is asked of the call model, or to an answer that needs no call model. The order of the
 * checks and the error texts are rtpengine's.
 */
import type { CallRequest } from "../../call/requests.ts";
import { findCommand } from "./command-names.ts";
import { readRequest } from "./read-request.ts";
import { type NgRequest, quoted } from "./request.ts";
import type { NgDict } from "./value.ts";

export type Interpretation =
  | { readonly kind: "pong" }
  | { readonly kind: "statistics" }
  | { readonly kind: "error"; readonly text: string; readonly request: NgRequest | undefined }
  | { readonly kind: "call"; readonly call: CallRequest; readonly request: NgRequest };

export function interpret(dict: NgDict): Interpretation {
  const name = dict.get("command");
  if (typeof name !== "string") return failed('Dictionary contains no key "command"');
  // Before anything else: a proxy that gets no pong takes this relay for dead.
  if (name === "ping") return { kind: "pong" };
  const command = findCommand(name);
  if (command === undefined) return failed("Unrecognized command");
  if (!command.isSupported) return failed(`Command ${quoted(name)} is not supported`);
  if (name === "statistics") return { kind: "statistics" };
  const request = readRequest(name, dict);
  const call = callRequest(request);
  return typeof call === "string" ? failed(call, request) : { kind: "call", call, request };
}

function failed(text: string, request?: NgRequest): Interpretation {
  return { kind: "error", text, request };
}

/** The call request, or the text of the error. */
function callRequest(request: NgRequest): CallRequest | string {
  if (request.tooLong !== undefined) return request.tooLong;
  switch (request.command) {
    case "offer":
    case "answer":
      return offerOrAnswer(request);
    case "delete":
      return deletion(request);
    case "query":
      return query(request);
    default:
      if (request.limit < 0) return "invalid limit, must be >= 0";
      return { kind: "list", limit: request.limit };
  }
}

function offerOrAnswer(request: NgRequest): CallRequest | string {
  const { callId, fromTag, toTag, viaBranch, sdp, media } = request;
  if (sdp === undefined) return "No SDP body in message";
  if (callId === undefined) return "No call-id in message";
  if (fromTag === undefined) return "No from-tag in message";
  const isAnswer = request.command === "answer";
  if (isAnswer && toTag === undefined) return "No to-tag in message";
  if (request.refusal !== undefined) return request.refusal;
  const common = { callId, fromTag, viaBranch, sdp, options: media };
  return isAnswer && toTag !== undefined
    ? { kind: "answer", ...common, toTag }
    : { kind: "offer", ...common, toTag };
}

function deletion(request: NgRequest): CallRequest | string {
  const { callId, fromTag, viaBranch, deleteDelaySec } = request;
  if (callId === undefined) return "No call-id in message";
  const toTag = request.usesToTag ? request.toTag : undefined;
  return { kind: "delete", callId, fromTag, toTag, viaBranch, deleteDelaySec };
}

/** Always of the whole call: the reply shows the part that was asked for. */
function query(request: NgRequest): CallRequest | string {
  const { callId } = request;
  if (callId === undefined) return "No call-id in message";
  return { kind: "query", callId, fromTag: undefined, toTag: undefined };
}
