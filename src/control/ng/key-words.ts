/** Every key of a message, and what becomes of it. */
import { isUnspecified, parseIp } from "../../core/address.ts";
import {
  blockModeWords,
  dropTrafficWords,
  learningWords,
  offOrWarned,
  replaceWords,
  rtcpMuxWords,
  supportsWords,
  t38Words,
} from "./list-words.ts";
import { identifier, type NgRequest, quoted } from "./request.ts";
import { sdpKeys } from "./sdp-words.ts";
import {
  bundleWords,
  dtlsWords,
  iceLiteWords,
  iceWords,
  osrtpWords,
  passthroughWords,
  readFingerprintHash,
  readSdes,
  sdesWords,
  transportWords,
} from "./security-words.ts";
import { integerOf, isList, type NgValue, wordsOf } from "./value.ts";
import { type Effect, type Key, useListWord, type Word, WordTable } from "./word-table.ts";

type Read = (request: NgRequest, value: NgValue) => void;
type TextRead = (request: NgRequest, text: string) => void;

function key(names: string, effect: Effect, about: string, read?: Read): Key {
  const entry = { names: names.split("|"), effect, about };
  return read === undefined ? entry : { ...entry, read };
}

function textKey(names: string, about: string, read: TextRead): Key {
  return key(names, "applied", about, (request, value) => {
    if (typeof value === "string") read(request, value);
    else if (typeof value === "number") read(request, String(value));
    else request.warnings.push(`Value of '${names.split("|")[0]}' is no text`);
  });
}

function integerKey(names: string, about: string, read: (request: NgRequest, value: number) => void): Key {
  return key(names, "applied", about, (request, value) => {
    const integer = integerOf(value);
    if (integer === undefined) request.warnings.push(`Value of '${names.split("|")[0]}' is no integer`);
    else read(request, integer);
  });
}

function listKey(names: string, words: WordTable<Word>, about: string, isFlagPrefix = false): Key {
  return { names: names.split("|"), effect: "applied", about, words, isFlagPrefix };
}

const identityKeys: readonly Key[] = [
  key("command", "applied", "what to do"),
  textKey("call-id", "names the call", (request, text) => {
    request.callId = identifier(request, "call-id", text);
  }),
  textKey("from-tag", "offer and answer: the offerer", (request, text) => {
    request.fromTag = identifier(request, "from-tag", text);
  }),
  textKey("to-tag", "the other party", (request, text) => {
    request.toTag = identifier(request, "to-tag", text);
  }),
  textKey("via-branch", "names a forked leg", (request, text) => {
    request.viaBranch = identifier(request, "via-branch", text);
  }),
  textKey("label|from-label", "name of the leg", (request, text) => {
    request.media.label = identifier(request, "label", text);
  }),
  textKey("to-label", "name of the peer's leg", (request, text) => {
    request.media.toLabel = identifier(request, "to-label", text);
  }),
  textKey("SDP", "the body", (request, text) => {
    request.sdp = text === "" ? undefined : text;
  }),
  key("flags", "applied", "list of flags"),
  key("rtpp-flags", "applied", "flags as one text, see below"),
  listKey("supports", supportsWords, "what the client understands"),
  integerKey("delete-delay", "seconds a deleted call stays; below 0: as configured", (request, seconds) => {
    request.deleteDelaySec = seconds < 0 ? undefined : seconds;
  }),
  integerKey("limit", "list: how many calls (32)", (request, limit) => {
    request.limit = limit;
  }),
];

/** `[IP4, 192.0.2.1]`, `[192.0.2.1]` or `192.0.2.1`. OpenSIPS sends 0.0.0.0 where it knows no address. */
function readReceivedFrom(request: NgRequest, value: NgValue): void {
  const words = isList(value) ? wordsOf(value) : [value];
  const text = words[words.length > 1 ? 1 : 0];
  const ip = typeof text === "string" ? parseIp(text) : undefined;
  if (ip === undefined) request.warnings.push("Value of 'received-from' is no IP address");
  else request.media.receivedFrom = isUnspecified(ip) ? undefined : ip;
}

function setInterface(request: NgRequest, side: 0 | 1, name: string): void {
  const [from, to] = request.media.direction ?? ["", ""];
  request.media.direction = side === 0 ? [name, to] : [from, name];
}

/** As in rtpengine a plain text is no direction: one name does not say which side it is for. */
function readDirection(request: NgRequest, value: NgValue): void {
  const names = wordsOf(value);
  if (!isList(value) && names.length !== 2) {
    request.warnings.push("Value of 'direction' is no list of two");
    return;
  }
  for (const [index, name] of names.slice(0, 2).entries()) setInterface(request, index === 0 ? 0 : 1, name);
}

const addressKeys: readonly Key[] = [
  key("received-from", "applied", "where SIP came from: `[IP4, addr]` or a text", readReceivedFrom),
  textKey("address-family", "IP4 or IP6: of the peer's side", (request, text) => {
    if (text === "IP4") request.media.addressFamily = 4;
    else if (text === "IP6") request.media.addressFamily = 6;
    else request.warnings.push(`Unknown 'address-family': ${quoted(text)}`);
  }),
  textKey("media-address", "address written into the body", (request, text) => {
    const ip = parseIp(text);
    if (ip === undefined) request.warnings.push("Value of 'media-address' is no IP address");
    else request.media.mediaAddress = ip;
  }),
  key("direction", "applied", "interfaces `[of this party, of the peer]`", readDirection),
  textKey("from-interface", "interface of this party", (request, text) => setInterface(request, 0, text)),
  textKey("to-interface", "interface of the peer", (request, text) => setInterface(request, 1, text)),
  listKey("endpoint-learning", learningWords, "rtpengine's learning modes", true),
  integerKey("TOS", "TOS byte; below 0: keep, above 255: as configured", (request, tos) => {
    request.media.tos = tos;
  }),
  key("inbound-peer|outbound-peer|peer", "warned", "interface by route"),
];

const mediaKeys: readonly Key[] = [
  listKey("replace", replaceWords, "more of the body to write afresh", true),
  listKey("rtcp-mux", rtcpMuxWords, "RTCP on the RTP port", true),
  { ...listKey("transport-protocol", transportWords, "profile towards the peer"), read: readTransport },
  listKey("ICE", iceWords, "ICE towards the peer"),
  listKey("ICE-lite", iceLiteWords, "which side is ICE lite"),
  listKey("bundle", bundleWords, "several media on one port", true),
  { ...listKey("SDES", sdesWords, "SRTP keys in the body (RFC 4568 section 4)", true), read: readSdes },
  listKey("DTLS|DTLS-reverse", dtlsWords, "DTLS-SRTP"),
  textKey(
    "DTLS-fingerprint",
    "hash we show: SHA-1, -224, -256, -384, -512; else the peer's",
    readFingerprintHash,
  ),
  listKey("OSRTP", osrtpWords, "opportunistic SRTP", true),
  listKey("passthrough|passthru", passthroughWords, "encryption and ICE are the parties' own"),
  ...sdpKeys,
  key("ptime|ptime-reverse|reverse-ptime", "warned", "packet length, needs transcoding"),
  listKey("T.38|T38", t38Words, "T.38 gateway", true),
  key("T.38-version|T38-version", "accepted", "concerns the gateway alone"),
  listKey("generate-RTCP", offOrWarned("on"), "RTCP of our own"),
  listKey(
    "audio-player|player",
    offOrWarned("default|on|yes|enable|enabled|transcode|transcoding|force|forced|always|everything"),
    "our own audio",
  ),
  key("moh", "warned", "music on hold"),
  listKey("DTMF-security", blockModeWords, "DTMF blocking"),
  listKey("DTMF-security-trigger", blockModeWords, "DTMF blocking"),
  listKey("DTMF-security-trigger-end", blockModeWords, "DTMF blocking"),
  key("DTMF-delay|delay-buffer", "warned", "delay"),
  key("dtmf-log-dest|dtmf-log-destination", "warned", "DTMF events"),
  key("trigger|trigger-end|end-trigger", "warned", "DTMF triggers"),
  key("trigger-end-time|end-trigger-time", "warned", "DTMF triggers"),
  key("trigger-end-digits|end-trigger-digits", "warned", "DTMF triggers"),
  key("media-echo", "refused", "media would take another way"),
  listKey("drop-traffic", dropTrafficWords, "media stop"),
];

/** A transport nobody knows leaves the profile as it was offered. */
function readTransport(request: NgRequest, value: NgValue): void {
  const entry = keyWords.find("transport-protocol");
  if (entry !== undefined && typeof value === "string") useListWord(request, entry, value);
  else request.warnings.push("Value of 'transport-protocol' is no text");
}

const recordNames =
  "recording-file|recording-destination|recording-dest|output-destination|output-dest|output-file" +
  "|recording-path|recording-dir|recording-directory|recording-folder" +
  "|output-path|output-dir|output-directory|output-folder|recording-pattern|output-pattern" +
  "|recording-media-slot-offer|recording-media-slot-answer|recording-media-slots|metadata";
const starCodeNames = ["pause", "pause-resume", "start-pause-resume", "start", "start-stop", "stop"]
  .flatMap((action) => [`vsc-${action}-rec`, `vsc-${action}-recording`])
  .join("|");
const otherCommandNames =
  "address|all|blob|blob64|calls|code|digit|db-id|duration|file|frequency|frequencies|instance|interface|media" +
  "|medias|pause|repeat-times|repeat-duration|source-tag|source-call-id|start-pos|tags|to-call-id|volume";

const callKeys: readonly Key[] = [
  listKey("record-call", offOrWarned("on|yes"), "recording"),
  key(recordNames, "accepted", "nothing is recorded"),
  key(starCodeNames, "warned", "recording by star codes"),
  listKey("alias-key", offOrWarned("SDP|address|endpoint"), "merging of a changed to-tag"),
  key("SIP-message-type", "accepted", "request or reply"),
  key("SIP-code|SIP-response-code", "accepted", "of the SIP reply"),
  key("set-label", "accepted", "for other commands"),
  { ...key("from-tags", "accepted", "for other commands"), isFlagPrefix: true },
  key("template", "warned", "named preset of flags"),
  key("xmlrpc-callback", "warned", "called when a call times out"),
  key("repacketize", "accepted", "obsolete"),
  key(otherCommandNames, "accepted", "for other commands"),
];

export const keyWords = new WordTable<Key>([...identityKeys, ...addressKeys, ...mediaKeys, ...callKeys]);
