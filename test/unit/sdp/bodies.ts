/** Shared by the SDP tests: bodies as operators read them, and the plainest way of writing one for the other side. */
import assert from "node:assert/strict";
import { type IpAddress, parseIp } from "../../../src/core/address.ts";
import type { SessionDescription } from "../../../src/sdp/description.ts";
import { originOf } from "../../../src/sdp/origin.ts";
import { parseSdp } from "../../../src/sdp/parse.ts";
import { type MediaSummary, type SessionSummary, summarise } from "../../../src/sdp/summary.ts";
import { type SessionDraft, type WrittenSdp, writeSdp } from "../../../src/sdp/write.ts";
import type { MediaDraft } from "../../../src/sdp/write-media.ts";

export function ip(text: string): IpAddress {
  return parseIp(text) ?? assert.fail(text);
}

/** Indented lines with LF, as they stand in a test. */
export function body(text: string): string {
  return text
    .trim()
    .split("\n")
    .map((line) => `${line.trimStart()}\r\n`)
    .join("");
}

export function parsed(text: string): SessionDescription {
  const result = parseSdp(body(text));
  return result.ok ? result.value : assert.fail(JSON.stringify(result.reason));
}

export function summary(text: string): SessionSummary {
  return summarise(parsed(text));
}

export function firstMedia(text: string): MediaSummary {
  return summary(text).media[0] ?? assert.fail("no media");
}

/** Relays every m-line through 203.0.113.1, ports 30000 and 30001, 30002 and 30003, ... */
export function plainDrafts(source: SessionDescription): readonly MediaDraft[] {
  const { media } = summarise(source);
  return source.media.map((section, index) => {
    const seen = media[index] ?? assert.fail();
    const rtpPort = 30000 + 2 * index;
    return {
      source: section,
      local: section.port === 0 ? undefined : { ip: ip("203.0.113.1"), rtpPort, rtcpPort: rtpPort + 1 },
      family: 4,
      protocol: seen.protocol.name,
      direction: seen.direction,
      zeroesAddress: seen.isHeldByAddress,
      rtcpMux: false,
      rtcpAttribute: "port",
      mid: seen.mid,
      ptimeMs: seen.ptimeMs,
      codecs: seen.codecs,
      secrecy: undefined,
      ice: undefined,
      isBundleOnly: false,
      midExtension: undefined,
    };
  });
}

export interface Changes {
  readonly session?: Partial<SessionDraft>;
  /** Applied to every m-line. */
  readonly media?: Partial<MediaDraft>;
}

export function rewrite(source: SessionDescription, { session = {}, media = {} }: Changes = {}): WrittenSdp {
  const drafts = plainDrafts(source).map((draft) => ({ ...draft, ...media }));
  const own = { ip: ip("203.0.113.1"), sessionId: "7", version: "1" };
  const draft: SessionDraft = {
    source,
    origin: originOf(source),
    memory: undefined,
    replace: new Set(),
    own,
    loopMark: undefined,
    attributes: [],
    keepsDirection: false,
    bundles: [],
    isIceLite: false,
    ...session,
  };
  return writeSdp(draft, drafts);
}

/** What comes in, a line of dashes, what goes out. */
export function golden(text: string, changes: Changes = {}): void {
  const [source = "", expected = ""] = text.split(/^\s*-{4,}\s*$/m);
  assert.equal(rewrite(parsed(source), changes).text, body(expected));
}
