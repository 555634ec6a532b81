/** The vocabularies of the keys for encryption, ICE and bundles. */
import type { BundleItem, MediaOptions, OsrtpItem, RtcpMuxItem } from "../../call/requests.ts";
import { parseSuite } from "../../sdp/crypto-suites.ts";
import { parseHash } from "../../sdp/fingerprint.ts";
import { type MediaDraft, type NgRequest, quoted, withItems } from "./request.ts";
import { type NgValue, wordsOf } from "./value.ts";
import { accepted, applied, normalise, useWord, type Word, WordTable, warned } from "./word-table.ts";

function profileWord(profile: string, about: string): Word {
  return applied(profile, about, ({ media }) => {
    media.transportProtocol = profile;
  });
}

export const transportWords = new WordTable<Word>([
  profileWord("RTP/AVP", "plain RTP"),
  profileWord("RTP/AVPF", "plain RTP, early feedback"),
  profileWord("RTP/SAVP", "SRTP"),
  profileWord("RTP/SAVPF", "SRTP, early feedback"),
  profileWord("UDP/TLS/RTP/SAVP", "DTLS-SRTP"),
  profileWord("UDP/TLS/RTP/SAVPF", "DTLS-SRTP, early feedback"),
  profileWord("accept", "answer: a profile that is not the offered one goes on to the offerer"),
]);

function iceWord(ice: MediaOptions["ice"], about: string): Word {
  return applied(ice, about, ({ media }) => {
    media.ice = ice;
  });
}

function liteWord(names: string, side: NonNullable<MediaOptions["iceLite"]>, about: string): Word {
  return applied(names, about, ({ media }) => {
    media.iceLite = side;
  });
}

export const iceWords = new WordTable<Word>([
  iceWord("default", "as the speaking party does, with candidates of our own"),
  iceWord("remove", "take ICE out"),
  iceWord("force", "ICE with candidates of our own"),
  iceWord("optional", "the parties' ICE passes, we are one more candidate; without it as `force`"),
  iceWord("force-relay", "as `optional`, but ours is the one candidate of type relay, and c= and m= stay"),
  liteWord("lite|lite-fw|lite-fwd|lite-forward|lite-offer", "forward", "as `ICE-lite=forward`"),
  liteWord(
    "lite-backward|lite-backwards|lite-reverse|lite-answer|lite-back|lite-bkw|lite-bk",
    "backward",
    "as `ICE-lite=backward`",
  ),
  liteWord("lite-both", "both", "as `ICE-lite=both`"),
  liteWord("lite-off|lite-no|lite-none|no-lite", "off", "as `ICE-lite=off`"),
  applied("trickle", "as flag `trickle-ICE`", ({ media }) => {
    media.tricklesIce = true;
  }),
  applied(
    "ice2",
    "`a=ice-options:ice2` in our offers (RFC 8445 section 10), as in answers to whoever says so",
    ({ media }) => {
      media.isIce2 = true;
    },
  ),
]);

export const iceLiteWords = new WordTable<Word>([
  liteWord("off|none|no", "off", "we are a full agent on both sides"),
  liteWord("forward|offer|fwd|fw", "forward", "we are lite towards the peer"),
  liteWord(
    "backward|backwards|reverse|answer|back|bkw|bk",
    "backward",
    "we are lite towards the party that speaks",
  ),
  liteWord("both", "both", "we are lite towards both"),
]);

function bundleWord(about: string, ...items: readonly [BundleItem, ...BundleItem[]]): Word {
  return applied(items[0], about, ({ media }) => {
    media.bundle = withItems(media.bundle, ...items);
    if (media.bundle.has("offer")) media.generatesMid = true;
  });
}

export const bundleWords = new WordTable<Word>([
  bundleWord("accept it from the party that speaks", "accept"),
  bundleWord("offer it to the peer, with a=mid", "offer"),
  bundleWord("offer it, and take it as accepted: all media on one port", "require", "offer"),
  bundleWord("as `require`, and all but one have port 0 (RFC 8843 section 6)", "strict", "require", "offer"),
  bundleWord("take bundles apart", "reject"),
]);

type SessionParameter = "wantsUnencryptedRtp" | "wantsUnencryptedRtcp" | "wantsUnauthenticatedRtp";

function parameterWord(name: string, parameter: SessionParameter, isWanted: boolean, about: string): Word {
  return applied(name, about, ({ media }) => {
    media.sdes[parameter] = isWanted;
  });
}

type SdesSwitch = "isOff" | "showsLifetime" | "isStatic" | "addsNone" | "isPreferred";

function sdesWord(names: string, name: SdesSwitch, about: string): Word {
  return applied(names, about, ({ media }) => {
    media.sdes[name] = true;
  });
}

/** Words that have the names of suites in them: `readSdes` reads them, here they stand for docs/ng.md. */
function suiteWord(name: string, about: string): Word {
  return { names: [name], effect: "applied", about };
}

export const sdesWords = new WordTable<Word>([
  sdesWord("off|no|disable|disabled", "isOff", "no crypto lines are offered"),
  suiteWord("only-SUITE", "offer and accept this suite alone; may be given several times"),
  suiteWord("no-SUITE", "neither offer nor accept this suite"),
  suiteWord("order:A;B", "offer these suites first, in this order"),
  suiteWord("offerer_pref:A;B", "take the first of these the offerer has"),
  sdesWord("nonew", "addsNone", "add no suites to those the offerer has"),
  sdesWord("static", "isStatic", "the suite and our keys stay as they were negotiated"),
  sdesWord("prefer|priority", "isPreferred", "accept SDES where DTLS is offered as well"),
  sdesWord("lifetime", "showsLifetime", "crypto lines name a lifetime"),
  accepted("pad", "always so"),
  parameterWord("unencrypted_srtp", "wantsUnencryptedRtp", true, "offer this session parameter"),
  parameterWord("unencrypted_srtcp", "wantsUnencryptedRtcp", true, "offer this session parameter"),
  parameterWord("unauthenticated_srtp", "wantsUnauthenticatedRtp", true, "offer this session parameter"),
  parameterWord("encrypted_srtp", "wantsUnencryptedRtp", false, "do not offer `unencrypted_srtp` on"),
  parameterWord("encrypted_srtcp", "wantsUnencryptedRtcp", false, "do not offer `unencrypted_srtcp` on"),
  parameterWord(
    "authenticated_srtp",
    "wantsUnauthenticatedRtp",
    false,
    "do not offer `unauthenticated_srtp` on",
  ),
]);

const suiteLists: readonly (readonly [string, keyof SuiteLists])[] = [
  ["only-", "only"],
  ["no-", "without"],
  ["order:", "order"],
  ["offerer-pref:", "offererPreference"],
];
type SuiteLists = Pick<MediaDraft["sdes"], "only" | "without" | "order" | "offererPreference">;

export function readSdes(request: NgRequest, value: NgValue): void {
  for (const text of wordsOf(value)) {
    const normal = normalise(text);
    const [prefix, list] = suiteLists.find(([start]) => normal.startsWith(start)) ?? [];
    const word = sdesWords.find(text);
    if (prefix !== undefined && list !== undefined) addSuites(request, list, text.slice(prefix.length));
    else if (word !== undefined) useWord(request, word, text);
    else request.warnings.push(`Unknown 'SDES' value: ${quoted(text)}`);
  }
}

function addSuites(request: NgRequest, list: keyof SuiteLists, text: string): void {
  const suites = request.media.sdes[list];
  for (const name of text.split(";").filter((part) => part !== "")) {
    const suite = parseSuite(name);
    if (suite === undefined) request.warnings.push(`Unknown crypto suite: ${quoted(name)}`);
    else if (!suites.includes(suite)) suites.push(suite);
  }
}

/** Who is the server is settled by the offer. `off` is not undone. */
function dtlsRoleWord(role: "passive" | "active", about: string): Word {
  return applied(role, about, (request) => {
    const { media } = request;
    if (request.command === "answer") request.warnings.push(`'DTLS=${role}' comes too late in an answer`);
    else if (media.dtls !== "off") media.dtls = role;
  });
}

export const dtlsWords = new WordTable<Word>([
  applied("off|no|disable|disabled", "no DTLS is offered, nor taken where SDES is to be had", ({ media }) => {
    media.dtls = "off";
  }),
  dtlsRoleWord("passive", "offer: be the server towards the offerer where he leaves the choice"),
  dtlsRoleWord("active", "offer: be the client where he leaves the choice (default)"),
]);

export function readFingerprintHash(request: NgRequest, text: string): void {
  const hash = parseHash(text);
  if (hash === undefined) request.warnings.push(`Unknown 'DTLS-fingerprint': ${quoted(text)}`);
  else request.media.fingerprintHash = hash;
}

function osrtpWord(names: string, about: string, ...items: readonly OsrtpItem[]): Word {
  return applied(names, about, ({ media }) => {
    media.osrtp = withItems(media.osrtp, ...items);
  });
}

export const osrtpWords = new WordTable<Word>([
  osrtpWord("offer|offer-RFC", "offer plain RTP with keys beside it (RFC 8643 section 3)", "offer"),
  warned("offer-legacy", "each media offered twice, plain and as SRTP"),
  osrtpWord(
    "accept|accept-RFC",
    "an offerer of OSRTP gets SRTP although the peer answers plain RTP",
    "accept",
  ),
  warned("accept-legacy", "media offered twice, taken as SRTP"),
]);

export const passthroughWords = new WordTable<Word>([
  applied("on|yes|enable|enabled", "as flag `passthrough`", ({ media }) => {
    media.passthrough = true;
  }),
  applied("off|no|none|false|0|disable|disabled", "as flag `no-passthrough`", ({ media }) => {
    media.passthrough = false;
  }),
]);

/** Flag `WebRTC`: what a browser needs, in one word. */
export function useWebRtc({ media }: NgRequest): void {
  media.transportProtocol = "UDP/TLS/RTP/SAVPF";
  media.ice = "force";
  media.tricklesIce = true;
  media.rtcpMux = withItems<RtcpMuxItem>(media.rtcpMux, "offer", "require");
  media.rtcpAttribute = "none";
  media.sdes.isOff = true;
  media.generatesMid = true;
  media.bundle = withItems<BundleItem>(media.bundle, "offer", "require");
}
