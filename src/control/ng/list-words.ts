/** The vocabularies of the keys that take a list of words (or one word). */
import type { RtcpMuxItem } from "../../call/requests.ts";
import type { LearningPolicy } from "../../core/plan/plan.ts";
import type { ReplaceItem } from "../../sdp/edits.ts";
import { accepted, applied, refused, type Word, WordTable, warned } from "./word-table.ts";

function replaceWord(item: ReplaceItem, about: string): Word {
  return applied(item, about, (request) => request.media.replace.add(item));
}

export const replaceWords = new WordTable<Word>([
  replaceWord("origin", "address in o="),
  replaceWord("origin-full", "all of o="),
  replaceWord("session-connection", "no-op: c= is always written"),
  replaceWord("session-name", "s="),
  replaceWord("sdp-version", "version in o="),
  replaceWord("username", "user name in o="),
  replaceWord("zero-address", "0.0.0.0 too"),
  replaceWord("force-increment-sdp-ver", "raise the version in o= each time"),
]);

function muxWord(item: RtcpMuxItem, about: string): Word {
  return applied(item, about, (request) => {
    request.media.rtcpMux.add(item);
    if (item === "require") request.media.rtcpMux.add("offer");
  });
}

export const rtcpMuxWords = new WordTable<Word>([
  muxWord("offer", "towards the peer, even if not offered to us"),
  muxWord("require", "offer, and take it as accepted"),
  muxWord("demux", "accept it here, do not offer it on"),
  muxWord("accept", "accept it here, offer it on"),
  muxWord("reject", "do not accept it"),
]);

function learningWord(mode: LearningPolicy["mode"], about: string): Word {
  return applied(mode, about, (request) => {
    request.media.learning.mode = mode;
  });
}

export const learningWords = new WordTable<Word>([
  learningWord("off", "never"),
  learningWord("immediate", "first packet"),
  learningWord("delayed", "first packet after 3 s"),
  learningWord("heuristic", "best match within 3 s"),
]);

export const supportsWords = new WordTable<Word>([
  applied("load limit", "a limit is answered with `load limit`", (request) => {
    request.supportsLoadLimit = true;
  }),
]);

export const iceWords = new WordTable<Word>([
  applied("remove", "take ICE out", (request) => {
    request.media.ice = "remove";
  }),
  applied("default", "as `remove`", (request) => {
    request.media.ice = "default";
  }),
  warned("optional", "ICE is taken out all the same"),
  refused("force", "ICE towards the peer"),
  refused("force-relay", "ICE towards the peer, relay candidate only"),
  accepted("lite|lite-fw|lite-fwd|lite-forward|lite-offer", "concerns ICE alone"),
  accepted(
    "lite-backward|lite-backwards|lite-reverse|lite-answer|lite-back|lite-bkw|lite-bk",
    "concerns ICE alone",
  ),
  accepted("lite-both|lite-off|lite-no|lite-none|no-lite", "concerns ICE alone"),
  accepted("trickle|ice2", "concerns ICE alone"),
]);

export const iceLiteWords = new WordTable<Word>([
  accepted("off|none|no|both", "concerns ICE alone"),
  accepted("forward|offer|fwd|fw", "concerns ICE alone"),
  accepted("backward|backwards|reverse|answer|back|bkw|bk", "concerns ICE alone"),
]);

export const bundleWords = new WordTable<Word>([
  accepted("reject", "BUNDLE is taken out"),
  warned("accept|offer", "media stay on ports of their own"),
  refused("require|strict", "all media on one port"),
]);

export const sdesWords = new WordTable<Word>([
  accepted("off|no|disable|disabled", "no crypto lines"),
  accepted("pad|lifetime|static|nonew|prefer|priority", "concerns crypto lines alone"),
  accepted("unencrypted_srtp|unencrypted_srtcp|unauthenticated_srtp", "concerns crypto lines alone"),
  accepted("encrypted_srtp|encrypted_srtcp|authenticated_srtp", "concerns crypto lines alone"),
]);

export const dtlsWords = new WordTable<Word>([
  accepted("off|no|disable|disabled", "no DTLS"),
  accepted("passive|active", "concerns DTLS alone"),
]);

export const osrtpWords = new WordTable<Word>([
  accepted("accept|accept-RFC|accept-legacy", "plain RTP is answered"),
  warned("offer|offer-RFC|offer-legacy", "plain RTP is offered"),
]);

export const t38Words = new WordTable<Word>([
  warned("decode|force|stop", "T.38 gateway"),
  accepted(
    "no-ECM|no-V.17|no-V17|no-V.27ter|no-V27ter|no-V.29|no-V29|no-V.34|no-V34",
    "concerns the gateway alone",
  ),
  accepted("no-IAF|FEC", "concerns the gateway alone"),
]);

export const transportWords = new WordTable<Word>([
  ...["RTP/AVP", "RTP/AVPF"].map((profile) =>
    applied(profile, "plain RTP", (request) => {
      request.media.transportProtocol = profile;
    }),
  ),
  applied("accept", "as offered", (request) => {
    request.media.transportProtocol = undefined;
  }),
  refused("RTP/SAVP|RTP/SAVPF", "SRTP"),
  refused("UDP/TLS/RTP/SAVP|UDP/TLS/RTP/SAVPF", "DTLS-SRTP"),
]);

/** Keys whose `off` costs nothing and whose `on` is an extra, by what `on` would be. */
export function offOrWarned(on: string): WordTable<Word> {
  return new WordTable<Word>([
    accepted("off|no|none|false|0|disable|disabled", "nothing to be done"),
    warned(on, "not available"),
  ]);
}

export const blockModeWords = new WordTable<Word>([
  accepted("off", "nothing to be done"),
  refused("drop|DTMF|random|silence|tone|zero", "DTMF would pass"),
]);

export const dropTrafficWords = new WordTable<Word>([
  accepted("stop", "nothing to be done"),
  refused("start", "media would pass"),
]);
