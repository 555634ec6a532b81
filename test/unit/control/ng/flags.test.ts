import assert from "node:assert/strict";
import fc from "fast-check";
import { flagWords } from "../../../../src/control/ng/flag-words.ts";
import { keyWords } from "../../../../src/control/ng/key-words.ts";
import { readRequest } from "../../../../src/control/ng/read-request.ts";
import { type MediaDraft, type NgRequest, newMediaDraft } from "../../../../src/control/ng/request.ts";
import type { NgDict, NgValue } from "../../../../src/control/ng/value.ts";
import { fuzzRuns } from "../../../support/fuzz-runs.ts";
import { suite } from "../../../support/suite.ts";
import { b, bencoded, Rig } from "./rig.ts";

/** Plain objects and arrays as ng values. */
function ng(value: unknown): NgValue {
  if (Array.isArray(value)) return value.map(ng);
  if (typeof value !== "object" || value === null) return value as string | number;
  return new Map(Object.entries(value).map(([key, member]) => [key, ng(member)]));
}

function read(message: Record<string, unknown>, command = "offer"): NgRequest {
  return readRequest(command, ng(message) as NgDict);
}

/** What a message changes against the defaults. */
function changes(message: Record<string, unknown>): Partial<MediaDraft> {
  const defaults = newMediaDraft();
  const { media } = read(message);
  const names = Object.keys(media) as (keyof MediaDraft)[];
  return Object.fromEntries(
    names.filter((name) => !isSame(media[name], defaults[name])).map((name) => [name, media[name]]),
  );
}

function isSame(a: unknown, c: unknown): boolean {
  try {
    assert.deepEqual(a, c);
    return true;
  } catch {
    return false;
  }
}

const learning = { isAsymmetric: false, isStrict: false, followsAnySource: false, mode: "default" } as const;
const noCodecs = { strip: [], offer: [], except: [], ignore: [] };

suite("control/ng/flags", (test) => {
  test("what each word sets", () => {
    const table: readonly (readonly [Record<string, unknown>, Partial<MediaDraft>])[] = [
      [{ flags: ["trust-address"] }, {}],
      [{ flags: ["SIP-source-address"] }, { trustsSdpAddress: false }],
      [{ flags: "SIP-source-address,trust-address" }, {}],
      [
        { flags: ["asymmetric", "strict source", "media_handover"] },
        {
          learning: { isAsymmetric: true, isStrict: true, followsAnySource: true, mode: "default" },
        },
      ],
      [{ "endpoint-learning": "immediate" }, { learning: { ...learning, mode: "immediate" } }],
      [{ flags: ["endpoint-learning-off"] }, { learning: { ...learning, mode: "off" } }],
      [{ flags: ["port latching"] }, { portLatching: true }],
      [{ flags: ["no-port-latching"] }, { portLatching: false }],
      [
        { flags: ["reset", "original sendrecv", "generate-mid", "LOOP-PROTECT", "fragment"] },
        {
          resets: true,
          keepsDirection: true,
          generatesMid: true,
          loopProtect: true,
          isFragment: true,
        },
      ],
      [{ flags: ["no-rtcp-attribute"] }, { rtcpAttribute: "none" }],
      [{ flags: ["full-RTCP-attribute"] }, { rtcpAttribute: "full" }],
      [{ flags: ["no-rtcp-attribute", "full-rtcp-attribute"] }, { rtcpAttribute: "none" }],
      [
        { replace: ["origin", "session connection"] },
        { replace: new Set(["origin", "session-connection"] as const) },
      ],
      [{ replace: "origin,SDP-version" }, { replace: new Set(["origin", "sdp-version"] as const) }],
      [{ flags: ["replace-zero-address"] }, { replace: new Set(["zero-address"] as const) }],
      [{ "rtcp-mux": ["require"] }, { rtcpMux: new Set(["require", "offer"] as const) }],
      [{ "RTCP mux": ["demux", "accept"] }, { rtcpMux: new Set(["demux", "accept"] as const) }],
      [{ flags: ["rtcp-mux-reject"] }, { rtcpMux: new Set(["reject"] as const) }],
      [{ direction: ["in", "out"] }, { direction: ["in", "out"] }],
      [{ direction: ["in"] }, { direction: ["in", ""] }],
      [{ direction: "in" }, {}],
      [{ "from-interface": "in", "to interface": "out" }, { direction: ["in", "out"] }],
      [{ "address family": "IP6" }, { addressFamily: 6 }],
      [{ "address-family": "inet" }, {}],
      [{ "media address": "203.0.113.9" }, { mediaAddress: "203.0.113.9" as never }],
      [{ "media-address": "example.org" }, {}],
      [{ "received-from": ["IP4", "192.0.2.7"] }, { receivedFrom: "192.0.2.7" as never }],
      [{ "received from": ["IP6", "2001:DB8::7"] }, { receivedFrom: "2001:db8::7" as never }],
      [{ "received-from": "192.0.2.7" }, { receivedFrom: "192.0.2.7" as never }],
      [{ "received-from": ["IP4", "0.0.0.0"] }, {}],
      [{ TOS: 184 }, { tos: 184 }],
      [{ tos: "-1" }, { tos: -1 }],
      [{ "transport protocol": "RTP/AVPF" }, { transportProtocol: "RTP/AVPF" }],
      [{ "transport-protocol": "accept" }, { transportProtocol: "accept" }],
      [{ ICE: "remove" }, { ice: "remove" }],
      [{ ice: ["remove", "trickle"] }, { ice: "remove", tricklesIce: true }],
      [
        { label: "L", "to-label": "T" },
        { label: "L", toLabel: "T" },
      ],
      [{ "from-label": "L" }, { label: "L" }],
      [
        { codec: { strip: ["G722", "opus/48000/2"], offer: "PCMU,PCMA", except: ["x--1"], ignore: [] } },
        {
          codec: { strip: ["G722", "opus/48000/2"], offer: ["PCMU", "PCMA"], except: ["x=1"], ignore: [] },
        },
      ],
      [
        { flags: ["codec-strip-speex", "codec-offer-PCMU", "Codec Ignore G729"] },
        {
          codec: { ...noCodecs, strip: ["speex"], offer: ["PCMU"], ignore: ["G729"] },
        },
      ],
      [
        {
          "sdp-attr": {
            audio: { add: ["a=foo", "bar"], remove: "test" },
            global: { substitute: [["x", "y"], "p>q"] },
          },
        },
        {
          attributes: [
            { scope: "audio", action: "add", attribute: "foo" },
            { scope: "audio", action: "add", attribute: "bar" },
            { scope: "audio", action: "remove", attribute: "test" },
            { scope: "global", action: "substitute", attribute: "x", replacement: "y" },
            { scope: "global", action: "substitute", attribute: "p", replacement: "q" },
          ],
        },
      ],
      [
        {
          flags: [
            "sdp-attr-add-audio-fmtp:101..x--1",
            "sdp-attr-remove-none-a-b",
            "sdp-attr-substitute-video-a>b",
          ],
        },
        {
          attributes: [
            { scope: "audio", action: "add", attribute: "fmtp:101 x=1" },
            { scope: "none", action: "remove", attribute: "a-b" },
            { scope: "video", action: "substitute", attribute: "a", replacement: "b" },
          ],
        },
      ],
      [
        { "sdp-attr": { audio: { add: ["x\r\na=evil"] } } },
        {
          attributes: [{ scope: "audio", action: "add", attribute: "xa=evil" }],
        },
      ],
      [{ sdp_media_remove: ["video", "application"] }, { removesMedia: new Set(["video", "application"]) }],
    ];
    for (const [message, expected] of table)
      assert.deepEqual(changes(message), expected, JSON.stringify(message));
  });

  test("what the request as a whole learns", () => {
    const request = read({
      "call id": "c",
      "from tag": "f",
      to_tag: "t",
      "via-branch": "b",
      SDP: "v=0",
      "delete delay": "9",
      supports: ["load limit", "time travel"],
      flags: ["to-tag", "fatal", "fast"],
      limit: "7",
    });
    const { callId, fromTag, toTag, viaBranch, sdp, deleteDelaySec, supportsLoadLimit, limit } = request;
    assert.deepEqual(
      [callId, fromTag, toTag, viaBranch, sdp, deleteDelaySec],
      ["c", "f", "t", "b", "v=0", 9],
    );
    assert.deepEqual(
      [supportsLoadLimit, request.usesToTag, request.isFatal, request.isFast, limit],
      [true, true, true, true, 7],
    );
    assert.deepEqual(request.warnings, ["Unknown 'supports' value: 'time travel'"]);
  });

  test("unknown words are warnings and never fail a request", () => {
    const request = read({
      flags: ["frobnicate", "replace-", "x\n\xff"],
      wobble: "1",
      replace: ["all"],
      codec: { zip: [] },
    });
    assert.deepEqual(request.warnings, [
      "Unknown flag: 'frobnicate'",
      "Unknown flag: 'replace-'",
      "Unknown flag: 'x??'",
      "Unknown key: 'wobble'",
      "Unknown 'replace' value: 'all'",
      "Unknown 'codec' operation: 'zip'",
    ]);
    assert.deepEqual([request.lacks, request.refusal], [[], undefined]);
  });

  test("words that ask for less are taken quietly", () => {
    const request = read({
      flags: [
        "symmetric",
        "symmetric-codecs",
        "SDES-pad",
        "pad crypto",
        "allow transcoding",
        "unidirectional",
        "no-redis-update",
        "debug",
        "exclude-recording",
        "from-tags-x",
      ],
      SDES: ["pad"],
      ICE: ["default"],
      repacketize: 20,
      "sip-message-type": "sip_request",
      "SIP code": 200,
      "record call": "no",
      "generate RTCP": "off",
      "DTMF-security": "off",
      "drop-traffic": "stop",
      "alias-key": "off",
      metadata: "m",
      digit: "3",
      frequencies: [1, 2],
    });
    assert.deepEqual([request.warnings, request.lacks, request.refusal], [[], [], undefined]);
    assert.deepEqual(request.media, newMediaDraft());
  });

  test("extras we lack are told in the reply, and the call goes on", () => {
    const words: Record<string, unknown> = {
      flags: ["record-call", "inject DTMF", "transcode-PCMA", "always transcode"],
      ptime: "20",
      codec: { transcode: ["PCMA"], mask: ["all"] },
      "T.38": ["decode"],
      "record-call": "yes",
    };
    const shown = [
      "record-call",
      "inject DTMF",
      "codec-transcode",
      "always transcode",
      "ptime",
      "codec-transcode",
      "codec-mask",
      "T.38=decode",
      "record-call=yes",
    ].map((word) => `'${word}' is not supported and has no effect`);
    assert.deepEqual(read(words).lacks, shown);
    assert.equal(read(words).refusal, undefined);
    const offer = bencoded({ command: "offer", "call-id": "c", "from-tag": "f", sdp: "v=0", ptime: "20" });
    const warning = "'ptime' is not supported and has no effect";
    assert.equal(
      new Rig().exchange(`1 ${offer}`, { kind: "sdp", sdp: "v=0", warnings: [] }),
      `1 d3:sdp3:v=07:warning${b(warning)}6:result2:oke`,
    );
    assert.equal(new Rig().call(`1 ${offer}`).log, warning);
  });

  test("what would break the call or the operator's will is refused, in offers and answers only", () => {
    const table: readonly (readonly [Record<string, unknown>, string])[] = [
      [{ "drop-traffic": "start" }, "'drop-traffic=start' is not supported"],
      [{ flags: ["block DTMF"] }, "'block DTMF' is not supported"],
      [{ "DTMF-security": "tone" }, "'DTMF-security=tone' is not supported"],
      [{ "media-echo": "both" }, "'media-echo' is not supported"],
      [{ "sdp-attr": "x" }, "wrong type used"],
      [{ "sdp-attr": { audio: ["x"] } }, "wrong content given"],
      [{ "sdp-attr": { audio: { twist: ["x"] } } }, "unknown manipulation command"],
      [{ "sdp-attr": { smell: { add: ["x"] } } }, "unsupported sdp section"],
      [{ "sdp-media-remove": ["smell"] }, "unsupported sdp section"],
    ];
    for (const [message, text] of table) assert.equal(read(message).refusal, text, JSON.stringify(message));
    const common = { "call-id": "c", "from-tag": "f", "to-tag": "t", sdp: "v=0", "media-echo": "both" };
    for (const command of ["offer", "answer"]) {
      const reply = new Rig().answer(`1 ${bencoded({ command, ...common })}`);
      assert.equal(reply, `1 d6:result5:error12:error-reason${b("'media-echo' is not supported")}e`);
    }
    assert.equal(new Rig().call(`1 ${bencoded({ command: "delete", ...common })}`).request.kind, "delete");
    const bare = bencoded({ command: "offer", "media-echo": "both" });
    assert.equal(
      new Rig().answer(`1 ${bare}`),
      `1 d6:result5:error12:error-reason${b("No SDP body in message")}e`,
    );
  });

  test("every spelling of every word is the same word", () => {
    for (const table of [flagWords, keyWords]) {
      for (const entry of table.entries) {
        for (const name of entry.names) {
          const dashed = name.replace(/ /g, "-");
          const spellings = [
            dashed,
            dashed.replace(/-/g, "_"),
            dashed.replace(/-/g, " "),
            dashed.toUpperCase(),
          ];
          for (const spelling of spellings) assert.equal(table.find(spelling), entry, spelling);
        }
      }
    }
  });

  test("property: any message is read without a throw, and its defaults are not shared", () => {
    const word = fc.oneof(
      fc.constantFrom(...flagWords.entries.flatMap(({ names }) => names)),
      fc.constantFrom(
        "sdp-attr-add-audio-x",
        "sdp-attr-remove-x",
        "codec-strip-",
        "replace-origin",
        "SDES-x",
        "-",
        "",
      ),
      fc.string({ maxLength: 8 }),
    );
    const value = fc.letrec<{ any: unknown }>((tie) => ({
      any: fc.oneof(
        { depthSize: "small" },
        word,
        fc.integer(),
        fc.array(tie("any"), { maxLength: 4 }),
        fc.dictionary(fc.constantFrom("audio", "add", "strip", "x", "remove"), tie("any"), { maxKeys: 3 }),
      ),
    })).any;
    const key = fc.constantFrom(...keyWords.entries.flatMap(({ names }) => names), "x");
    fc.assert(
      fc.property(fc.array(fc.tuple(key, value), { maxLength: 8 }), (pairs) => {
        readRequest("offer", new Map(pairs.map(([name, member]) => [name, ng(member)])));
        assert.deepEqual(read({}).media, newMediaDraft());
      }),
      { numRuns: fuzzRuns(5_000) },
    );
  });
});
