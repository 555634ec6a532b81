/**
 * The outer form of an ng message: `<cookie> SP <dictionary>`, one message a datagram.
 *
 * The first byte of the payload tells the encoding, `d` for bencode and `{` for JSON; a reply has the encoding of its
 * request. A datagram without a cookie is nobody's request and gets no reply.
 */
import { Buffer } from "node:buffer";
import { controlCookieSizeBytesMax } from "../../core/limits.ts";
import { decodeBencode, encodeBencode } from "./bencode.ts";
import { decodeJson, encodeJson } from "./json.ts";
import type { NgDict } from "./value.ts";

export type NgEncoding = "bencode" | "json";

export interface NgFrame {
  readonly cookie: string;
  readonly payload: Uint8Array;
}

export type NgPayload =
  | { readonly ok: true; readonly encoding: NgEncoding; readonly dict: NgDict }
  | { readonly ok: false; readonly encoding: NgEncoding; readonly error: string };

const space = 0x20;

/** Cookie and payload, or undefined for a datagram to be dropped. The payload is a view into the datagram. */
export function splitFrame(datagram: Uint8Array): NgFrame | undefined {
  const end = datagram.indexOf(space);
  if (end <= 0 || end > controlCookieSizeBytesMax) return undefined;
  const cookie = Buffer.from(datagram.buffer, datagram.byteOffset, end).toString("latin1");
  return { cookie, payload: datagram.subarray(end + 1) };
}

/** The dictionary of a payload, or the text that tells the client why not. */
export function decodePayload(payload: Uint8Array): NgPayload {
  if (payload.length === 0) return malformed("bencode", "Invalid data (no payload)");
  if (payload[0] === 0x64) {
    const dict = decodeBencode(payload);
    return dict === undefined
      ? malformed("bencode", "Could not decode bencode dictionary")
      : { ok: true, encoding: "bencode", dict };
  }
  if (payload[0] === 0x7b) {
    const dict = decodeJson(payload);
    return dict === undefined
      ? malformed("json", "Failed to parse JSON document")
      : { ok: true, encoding: "json", dict };
  }
  return malformed("bencode", "Invalid NG data format");
}

function malformed(encoding: NgEncoding, error: string): NgPayload {
  return { ok: false, encoding, error };
}

/** A whole reply datagram. */
export function encodeMessage(cookie: string, encoding: NgEncoding, dict: NgDict): Uint8Array {
  const payload = encoding === "json" ? encodeJson(dict) : encodeBencode(dict);
  return Buffer.from(`${cookie} ${payload}`, "latin1");
}
