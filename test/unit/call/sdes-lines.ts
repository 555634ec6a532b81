/** SDES bodies and lines, for the tests of calls. */
import assert from "node:assert/strict";
import type { SdesOptions } from "../../../src/call/requests.ts";
import type { CryptoAttribute } from "../../../src/sdp/crypto-attribute.ts";
import { plainOptions } from "./lab.ts";
import { body, cryptoLine } from "./parties.ts";

export const line80 = cryptoLine(1, "AES_CM_128_HMAC_SHA1_80", 1);
export const line32 = cryptoLine(2, "AES_CM_128_HMAC_SHA1_32", 2);

export function words(some: Partial<SdesOptions>) {
  return { sdes: { ...plainOptions.sdes, ...some } };
}

export function secure(crypto: readonly string[], version = 1): string {
  return body({ version, media: [{ protocol: "RTP/SAVP", crypto }] });
}

export function bobs(crypto: readonly string[], version = 1): string {
  return body({ ip: "203.0.113.6", version, media: [{ port: 5000, protocol: "RTP/SAVP", crypto }] });
}

export function suitesOf(lines: readonly CryptoAttribute[]): readonly string[] {
  return lines.map(({ key }) => key.suite);
}

export function lineAt(lines: readonly CryptoAttribute[], suite: string): CryptoAttribute {
  const line = lines.find(({ key }) => key.suite === suite);
  assert.ok(line !== undefined, `${suite} is offered`);
  return line;
}
