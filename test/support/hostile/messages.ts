/** What proxies send when all is well; the ground on which hostile messages are built. */
import { Buffer } from "node:buffer";
import { encodeMessage } from "../../../src/control/ng/message.ts";
import type { NgValue } from "../../../src/control/ng/value.ts";

export const plainBody = [
  "v=0",
  "o=- 1545997027 1 IN IP4 203.0.113.5",
  "s=-",
  "c=IN IP4 203.0.113.5",
  "t=0 0",
  "m=audio 4000 RTP/AVP 0 8 101",
  "a=rtpmap:101 telephone-event/8000",
  "a=sendrecv",
  "",
].join("\r\n");

const browserBody = [
  "v=0",
  "o=mozilla 4962303333179871722 1 IN IP4 0.0.0.0",
  "s=-",
  "t=0 0",
  "a=group:BUNDLE audio video",
  "a=msid-semantic:WMS *",
  "m=audio 9 RTP/AVPF 111 0",
  "c=IN IP4 203.0.113.9",
  "b=TIAS:64000",
  "a=mid:audio",
  "a=rtcp:9 IN IP4 203.0.113.9",
  "a=rtcp-mux",
  "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
  "a=rtpmap:111 opus/48000/2",
  "a=fmtp:111 minptime=10;useinbandfec=1",
  "a=candidate:1 1 udp 2130706431 203.0.113.9 5000 typ host",
  "a=ice-ufrag:abcd",
  "a=ice-pwd:0123456789012345678901",
  "m=video 5002/2 RTP/AVP 96 97",
  "c=IN IP6 2001:db8:5::9",
  "a=rtpmap:96 VP8/90000",
  "a=rtpmap:97 rtx/90000",
  "a=fmtp:97 apt=96",
  "a=inactive",
  "",
].join("\r\n");

const faxBody = [
  "v=0",
  "o=fax 1 2 IN IP4 203.0.113.7",
  "s=fax",
  "c=IN IP4 203.0.113.7",
  "t=0 0",
  "m=audio 0 RTP/AVP 0",
  "m=image 4010 udptl t38",
  "a=T38FaxVersion:0",
  "a=T38FaxRateManagement:transferredTCF",
  "m=application 4012 UDP/BFCP *",
  "a=floorctrl:c-only",
  "",
].join("\r\n");

export const bodies: readonly string[] = [plainBody, browserBody, faxBody];

export interface NgWords {
  readonly [key: string]: string | number | readonly string[] | NgWords;
}

/** Objects become dictionaries. */
function dictOf(words: NgWords): Map<string, NgValue> {
  return new Map(
    Object.entries(words).map(([key, value]) => [key, isWords(value) ? dictOf(value) : value] as const),
  );
}

function isWords(value: NgWords[string]): value is NgWords {
  return typeof value === "object" && !Array.isArray(value);
}

export function ngMessage(
  cookie: string,
  words: NgWords,
  encoding: "bencode" | "json" = "bencode",
): Uint8Array {
  return encodeMessage(cookie, encoding, dictOf(words));
}

const offers: readonly NgWords[] = bodies.flatMap((sdp, index) => [
  {
    command: "offer",
    "call-id": `bad-${index}`,
    "from-tag": "evil",
    sdp,
    flags: ["trust-address", "generate-mid", "codec-strip-PCMA"],
    replace: ["origin", "session-connection"],
    "via-branch": "z9hG4bK1",
    "received-from": ["IP4", "192.0.2.7"],
    "transport-protocol": "RTP/AVP",
    ICE: "remove",
    "rtcp-mux": ["demux"],
    direction: ["external", "internal"],
    "address-family": "IP6",
    TOS: 184,
    "media-address": "203.0.113.77",
    codec: { strip: ["PCMA"], offer: ["opus"] },
    "sdp-attr": { audio: { add: ["ptime:20"], remove: ["sendrecv"] } },
    "sdp-media-remove": ["video"],
    label: "left",
    supports: ["load limit"],
  },
  {
    command: "offer",
    "call-id": `bad-${index}`,
    "from-tag": "evil",
    "to-tag": "twin",
    sdp,
    "rtpp-flags":
      "replace-origin via-branch=extra ICE=remove RTP/AVP direction=external direction=internal codec-mask-all",
  },
  {
    command: "answer",
    "call-id": `bad-${index}`,
    "from-tag": "evil",
    "to-tag": "twin",
    sdp,
    flags: ["asymmetric"],
  },
]);

const others: readonly NgWords[] = [
  { command: "ping" },
  {
    command: "delete",
    "call-id": "bad-0",
    "from-tag": "evil",
    "to-tag": "twin",
    "delete-delay": 1,
    flags: ["fatal"],
  },
  { command: "query", "call-id": "bad-0", "from-tag": "evil" },
  { command: "list", limit: 32 },
  { command: "statistics" },
  { command: "play media", "call-id": "bad-0", file: "/etc/passwd" },
];

export const ngRequests: readonly NgWords[] = [...offers, ...others];

/** In both encodings. */
export const ngMessages: readonly Uint8Array[] = ngRequests.flatMap((words, index) => [
  ngMessage(`8_${index}_1`, words),
  ngMessage(`8_${index}_2`, words, "json"),
]);

/** Without cookies. */
export const rtpproxyCommands: readonly string[] = [
  "V",
  "VF 20071218",
  "U bad-1 203.0.113.5 4000 evil;1",
  "Uc0,8,101 bad-1 203.0.113.5 4000 evil;1 twin;1 unix:/run/notify tag%20x",
  "U6 bad-1 2001:db8:5::5 4000 evil;2",
  "Uaswn bad-1 203.0.113.5 0 evil",
  "Uei bad-2 203.0.113.5 4000 evil;1",
  "Ul198.51.100.1 bad-2 203.0.113.5 4000 evil;1",
  "Ur203.0.113.9 bad-2 203.0.113.5 4000 evil;1",
  "Uz20 bad-2 203.0.113.5 4000 evil;1",
  "L bad-1 203.0.113.6 5000 evil;1 twin;1",
  "D bad-1 evil twin",
  "Dw bad-1 evil",
  "Q bad-1 evil;1 twin;1",
  "Qv bad-1 evil;1 twin;1 npkts_ina ttl",
  "Ib",
  "Gv nsess_created",
  "X",
  "P10 bad-1 /etc/passwd 0 evil",
  "R bad-1 evil",
  "U bad-3 203.0.113.5 4000 evil;1 && M4:6",
];

export const rtpproxyDatagrams: readonly Uint8Array[] = rtpproxyCommands.map((command, index) =>
  Buffer.from(`7_${index} ${command}\n`, "latin1"),
);
