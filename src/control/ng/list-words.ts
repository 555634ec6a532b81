/** The vocabularies of the keys that take a list of words (or one word). */
import type { RtcpMuxItem } from "../../call/requests.ts";
import type { LearningPolicy } from "../../core/plan/plan.ts";
import type { ReplaceItem } from "../../sdp/edits.ts";
import { withItems } from "./request.ts";
import { accepted, applied, refused, type Word, WordTable, warned } from "./word-table.ts";

function replaceWord(item: ReplaceItem, about: string): Word {
  return applied(item, about, ({ media }) => {
    media.replace = withItems(media.replace, item);
  });
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
  return applied(item, about, ({ media }) => {
    media.rtcpMux = withItems(media.rtcpMux, item);
    if (item === "require") media.rtcpMux = withItems(media.rtcpMux, "offer");
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

export const t38Words = new WordTable<Word>([
  warned("decode|force|stop", "T.38 gateway"),
  accepted(
    "no-ECM|no-V.17|no-V17|no-V.27ter|no-V27ter|no-V.29|no-V29|no-V.34|no-V34",
    "concerns the gateway alone",
  ),
  accepted("no-IAF|FEC", "concerns the gateway alone"),
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
