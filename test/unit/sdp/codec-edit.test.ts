import assert from "node:assert/strict";
import type { Codec } from "../../../src/sdp/codec.ts";
import { editAnsweredCodecs, editOfferedCodecs } from "../../../src/sdp/codec-edit.ts";
import type { CodecEdit } from "../../../src/sdp/edits.ts";
import { suite } from "../../support/suite.ts";
import { firstMedia } from "./bodies.ts";

const encodings: Readonly<Record<string, string>> = {
  "96": "opus/48000/2",
  "97": "speex/16000",
  "100": "telephone-event/48000",
  "101": "telephone-event/8000",
};

function codecs(formats: string): readonly Codec[] {
  const maps = formats.split(" ").filter((format) => format in encodings);
  return firstMedia(`v=0
    c=IN IP4 192.0.2.1
    m=audio 4000 RTP/AVP ${formats}
    ${maps.map((format) => `a=rtpmap:${format} ${encodings[format]}`).join("\n")}`).codecs;
}

const none: CodecEdit = { strip: [], offer: [], except: [], ignore: [] };
const print = (list: readonly Codec[]): string => list.map((codec) => codec.payloadType).join(" ");
const full = "96 0 8 18 101 100";

function offered(edit: Partial<CodecEdit>, formats = full): string {
  return print(editOfferedCodecs(codecs(formats), { ...none, ...edit }));
}

suite("sdp/codec-edit", (test) => {
  test("an offer", () => {
    assert.equal(offered({}), full);
    assert.equal(offered({ strip: ["PCMU"] }), "96 8 18 101 100");
    assert.equal(offered({ strip: ["pcma/8000"] }), "96 0 18 101 100");
    assert.equal(offered({ strip: ["PCMA/8000/1", "nothing"] }), "96 0 18 101 100");
    assert.equal(offered({ strip: ["PCMA/16000"] }), full);
    assert.equal(offered({ ignore: ["PCMU"] }), "96 8 18 101 100");
    assert.equal(offered({ strip: ["telephone-event"] }), "96 0 8 18");
  });

  test("telephone events go with the last codec of their clock rate", () => {
    assert.equal(offered({ strip: ["opus"] }), "0 8 18 101");
    assert.equal(offered({ strip: ["PCMU", "PCMA", "G729"] }), "96 100");
    assert.equal(offered({ strip: ["speex"] }, "0 97 100"), "0 100");
  });

  test("all but some, and some back again", () => {
    assert.equal(offered({ strip: ["all"], except: ["PCMA"] }), "8");
    assert.equal(offered({ strip: ["all"], except: ["PCMA", "telephone-event"] }), "8 101");
    assert.equal(offered({ strip: ["full"], except: ["opus/48000/2"] }), "96");
    assert.equal(offered({ strip: ["all"], offer: ["G729", "PCMA"] }), "18 8");
    assert.equal(offered({ strip: ["PCMU"], offer: ["PCMU"] }), "96 8 18 0 101 100");
    assert.equal(offered({ strip: ["PCMU"], except: ["PCMU"] }), "96 8 18 101 100");
    assert.equal(offered({ offer: ["PCMU", "G722"] }), full);
  });

  test("nothing may be left of an offer", () => {
    assert.equal(offered({ strip: ["all"] }), "");
    assert.equal(offered({ strip: ["PCMU"] }, "0"), "");
  });

  test("an answer carries what was offered, under the same payload type", () => {
    const answer = (answered: string, toAnswerer: string, byOfferer: string, edit: Partial<CodecEdit> = {}) =>
      print(
        editAnsweredCodecs(
          {
            answered: codecs(answered),
            toAnswerer: codecs(toAnswerer),
            byOfferer: codecs(byOfferer),
            allowsOtherTypes: false,
          },
          { ...none, ...edit },
        ),
      );
    assert.equal(answer("8 101", full, full), "8 101");
    assert.equal(answer("101 8", full, full), "101 8");
    assert.equal(answer("9 8", "0 8", "0 8"), "8");
    assert.equal(answer("0 8", "8", "0 8"), "0 8");
    assert.equal(answer("9 3", "0 8", "0 8"), "9 3");
    const renumbered = codecs("101").map((codec) => ({ ...codec, payloadType: 110 }));
    const offer = { toAnswerer: codecs("8 101"), byOfferer: codecs("8 101") };
    const answered = [...codecs("8"), ...renumbered];
    assert.deepEqual(editAnsweredCodecs({ answered, ...offer, allowsOtherTypes: true }, none), answered);
    assert.deepEqual(editAnsweredCodecs({ answered, ...offer, allowsOtherTypes: false }, none), codecs("8"));
    const annexA = codecs("18").map((codec) => ({ ...codec, name: "G729a" }));
    const edited = editAnsweredCodecs(
      {
        answered: [...annexA, ...codecs("9")],
        toAnswerer: codecs("18"),
        byOfferer: codecs("18"),
        allowsOtherTypes: false,
      },
      none,
    );
    assert.deepEqual(edited, annexA, "G729a is G729 on the wire");
    assert.equal(answer("0 8", "0 8", "0 8", { strip: ["PCMU"] }), "8");
    assert.equal(answer("0", "0 8", "0 8", { strip: ["PCMU"] }), "0");
  });
});
