/** The words of the list `flags`, except those that start with a key's name (`replace-origin`). */
import { useWebRtc } from "./security-words.ts";
import { accepted, applied, refused, type Word, WordTable, warned } from "./word-table.ts";

/** Addressing, NAT and learning. */
const addressFlags: readonly Word[] = [
  applied("trust-address", "believe the addresses in the SDP (default)", (request) => {
    request.media.trustsSdpAddress = true;
  }),
  applied("SIP-source-address", "use `received-from` in their place", (request) => {
    request.media.trustsSdpAddress = false;
  }),
  accepted("symmetric", "always so"),
  applied("asymmetric", "what is received never changes where we send", (request) => {
    request.media.learning.isAsymmetric = true;
  }),
  applied("strict-source", "relay from signalled and proven sources alone", (request) => {
    request.media.learning.isStrict = true;
  }),
  applied("media-handover", "any packet from another address moves the leg", (request) => {
    request.media.learning.followsAnySource = true;
  }),
  applied("port-latching", "keep our port although the peer's changed", (request) => {
    request.media.portLatching = true;
  }),
  applied("no-port-latching", "take a new port when the peer's changed", (request) => {
    request.media.portLatching = false;
  }),
  applied("reset", "forget what the peer did not support before", (request) => {
    request.media.resets = true;
  }),
  accepted("unidirectional", "concerns kernel forwarding"),
  warned("NAT-wait", "send nothing before the peer is heard"),
  warned("pierce-NAT", "send empty packets until the peer is heard"),
];

/** The body we write. */
const sdpFlags: readonly Word[] = [
  applied("original-sendrecv", "leave direction attributes as they are", (request) => {
    request.media.keepsDirection = true;
  }),
  applied("no-rtcp-attribute", "no a=rtcp", (request) => {
    request.media.rtcpAttribute = "none";
  }),
  applied("full-rtcp-attribute", "a=rtcp with address", (request) => {
    if (request.media.rtcpAttribute !== "none") request.media.rtcpAttribute = "full";
  }),
  applied("generate-mid", "add a=mid", (request) => {
    request.media.generatesMid = true;
  }),
  applied("loop-protect", "a=rtpengine marks a body that went through us", (request) => {
    request.media.loopProtect = true;
  }),
  applied("fragment", "a trickle ICE body: consumed, no SDP back", (request) => {
    request.media.isFragment = true;
  }),
  warned("strip-extmap", "take out RTP header extensions"),
  warned("inactive", "media start inactive"),
  applied("ICE-reject|reject-ICE", "the party that speaks is told we do no ICE", (request) => {
    request.media.rejectsIce = true;
  }),
  applied("trickle-ICE", "our offers say that candidates may follow", (request) => {
    request.media.tricklesIce = true;
  }),
];

/** Encryption. */
const cryptoFlags: readonly Word[] = [
  applied(
    "WebRTC",
    "DTLS-SRTP with feedback, ICE with trickling, rtcp-mux and BUNDLE required, a=mid, no SDES, no a=rtcp",
    useWebRtc,
  ),
  applied("recrypt", "SRTP gets keys of our own even where it could pass", (request) => {
    request.media.recrypts = true;
  }),
  applied("passthrough", "encryption and ICE are the parties' own", (request) => {
    request.media.passthrough = true;
  }),
  applied("no-passthrough", "encryption and ICE end here", (request) => {
    request.media.passthrough = false;
  }),
  applied("no-tls-id", "no a=tls-id", (request) => {
    request.media.showsTlsId = false;
  }),
  accepted("pad-crypto", "always so"),
];

/** Codecs and the media engine. */
const mediaFlags: readonly Word[] = [
  accepted("symmetric-codecs|asymmetric-codecs|reorder-codecs", "obsolete"),
  accepted("allow-transcoding", "there is none"),
  applied("allow-asymmetric-codecs|allow-asymmetric-codec", "an answer may number codecs anew", (request) => {
    request.media.allowsOtherTypes = true;
  }),
  applied(
    "allow-no-codec-media|allow-no-codec-medias",
    "offered as rejected when no codec is left",
    (request) => {
      request.media.mayEmptyMedia = true;
    },
  ),
  accepted("allow-empty-codec-media|allow-empty-codec-medias", "always so"),
  accepted("static-codecs|static-codec", "always so"),
  accepted("reuse-codecs|no-codec-renegotiation", "always so"),
  warned("single-codec", "answer with one codec"),
  warned("always-transcode|force-transcoding", "transcoding"),
  warned("generate-RTCP", "RTCP of our own"),
  warned("mirror-RTCP|RTCP-mirror", "RTCP sent back"),
  warned("inject-DTMF", "prepares `play DTMF`"),
  warned("detect-DTMF", "DTMF events"),
  warned("audio-player|player", "our own audio"),
  accepted("no-audio-player|no-player|no-jitter-buffer|early-media", "nothing to be done"),
  refused("block-DTMF", "DTMF would pass"),
  refused("block-short|block-shorts|block-short-packets", "short packets would pass"),
  refused("block-egress", "media would pass"),
];

/** Identity, lifetime, recording and other commands. */
const callFlags: readonly Word[] = [
  applied("to-tag", "delete: use the to-tag", (request) => {
    request.usesToTag = true;
  }),
  applied("fatal", "delete: nothing found is an error", (request) => {
    request.isFatal = true;
  }),
  applied("fast", "delete: no statistics in the reply", (request) => {
    request.isFast = true;
  }),
  accepted("provisional", "always so"),
  warned("new-branch", "a changed to-tag is a new leg"),
  warned("record-call", "recording"),
  warned("recording-vsc|recording-announcement", "recording"),
  accepted(
    "discard-recording|exclude-recording|skip-recording-db|skip-recording-database",
    "nothing is recorded",
  ),
  accepted("no-redis-update|debug|debugging", "nothing to be done"),
  accepted("all|directional|bidirectional|egress|mix|mixed|siprec|unsubscribe|pause", "for other commands"),
];

export const flagWords = new WordTable<Word>([
  ...addressFlags,
  ...sdpFlags,
  ...cryptoFlags,
  ...mediaFlags,
  ...callFlags,
]);
