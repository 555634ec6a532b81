/** What Kamailio and OpenSIPS put on the wire, byte for byte in the order their modules write it. */
import assert from "node:assert/strict";
import { decodePayload } from "../../../../src/control/ng/message.ts";
import { readRequest } from "../../../../src/control/ng/read-request.ts";
import { newMediaDraft } from "../../../../src/control/ng/request.ts";
import { defaultLearning as learning } from "../../../../src/core/plan/plan.ts";
import { suite } from "../../../support/suite.ts";
import { b, bencoded, latin1, Rig } from "./rig.ts";

const noCodecs = { strip: [], offer: [], except: [], ignore: [] };
const sdp =
  "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 30000 RTP/AVP 0 8\r\n";

suite("control/ng as the proxies speak it", (test) => {
  test("Kamailio 5.6: offer with words and values in the module's order", () => {
    const text = `2412_7_11 ${bencoded({
      supports: ["load limit"],
      sdp,
      "endpoint-learning": "immediate",
      "delete delay": 5,
      "delete-delay": "5",
      TOS: 184,
      repacketize: 20,
      ICE: "remove",
      direction: ["internal", "external"],
      replace: ["origin", "session-connection"],
      codec: { raw: `d5:strip${"l4:G722e"}5:offer${"l4:PCMUe"}e` },
      "transport-protocol": "RTP/AVP",
      "rtcp-mux": ["demux"],
      SDES: ["off"],
      "received-from": ["IP4", "192.0.2.33"],
      "call-id": "1-2@192.0.2.1",
      "via-branch": "z9hG4bK-1-0",
      "from-tag": "ft1",
      "to-tag": "tt1",
      command: "offer",
      flags: ["trust-address", "symmetric", "no-rtcp-attribute"],
    })}`;
    const { request, log } = new Rig().call(text);
    assert.equal(log, "");
    const options = {
      ...newMediaDraft(),
      learning: { ...learning, mode: "immediate" as const },
      tos: 184,
      ice: "remove" as const,
      direction: ["internal", "external"] as const,
      replace: new Set(["origin", "session-connection"] as const),
      codec: { ...noCodecs, strip: ["G722"], offer: ["PCMU"] },
      transportProtocol: "RTP/AVP",
      rtcpMux: new Set(["demux"] as const),
      receivedFrom: "192.0.2.33",
      rtcpAttribute: "none" as const,
      sdes: { ...newMediaDraft().sdes, isOff: true },
    };
    const tags = { fromTag: "ft1", toTag: "tt1", viaBranch: "z9hG4bK-1-0" };
    assert.deepEqual(request, { kind: "offer", callId: "1-2@192.0.2.1", ...tags, sdp, options });
  });

  test("Kamailio 5.6: delete with the delay sent twice, from either party", () => {
    const text = `2412_7_12 ${bencoded({
      supports: ["load limit"],
      "delete delay": 5,
      "delete-delay": "5",
      "received-from": ["IP4", "192.0.2.33"],
      "call-id": "c",
      "from-tag": "callee",
      command: "delete",
    })}`;
    const expected = {
      callId: "c",
      fromTag: "callee",
      toTag: undefined,
      viaBranch: undefined,
      deleteDelaySec: 5,
    };
    assert.deepEqual(new Rig().call(text).request, { kind: "delete", ...expected });
  });

  test("Kamailio 6: flags as one text, SIP message type, no received-from", () => {
    const text = `7_81_3 ${bencoded({
      supports: ["load limit"],
      sdp,
      "call-id": "c",
      "via-branch": "z9hG4bK1",
      "from-tag": "f",
      command: "offer",
      "sip-message-type": "sip_request",
      "rtpp-flags":
        "replace-origin ICE=remove RTP AVP strict-source label=caller direction=in direction=out TOS=46",
    })}`;
    const { request, log } = new Rig().call(text);
    assert.equal(log, "");
    assert.deepEqual(request.kind === "offer" && request.options, {
      ...newMediaDraft(),
      replace: new Set(["origin"]),
      ice: "remove",
      transportProtocol: "RTP/AVP",
      learning: { ...learning, isStrict: true },
      label: "caller",
      direction: ["in", "out"],
      tos: 46,
    });
  });

  test("OpenSIPS: unsorted offer, unknown words in flags, no supports", () => {
    const text = `3061_1804289383_2 ${bencoded({
      "call-id": "c",
      "received-from": ["IP4", "192.0.2.33"],
      command: "offer",
      "from-tag": "f",
      DTLS: "off",
      flags: ["trust-address", "SDES-pad", "SDES-off", "vendor-word"],
      replace: ["origin"],
      ICE: "remove",
      "transport-protocol": "RTP/AVP",
      sdp,
    })}`;
    const rig = new Rig();
    const { id, request, log } = rig.call(text);
    assert.equal(log, "Unknown flag: 'vendor-word'");
    const options = request.kind === "offer" ? request.options : undefined;
    assert.deepEqual(
      [options?.receivedFrom, options?.dtls, options?.sdes.isOff, options?.transportProtocol],
      ["192.0.2.33", "off", true, "RTP/AVP"],
    );
    const reply = rig.reply(id, { kind: "refused", reason: "sessions-exhausted" });
    const [send] = reply;
    assert.deepEqual(
      send?.kind === "send" && send.bytes,
      Buffer.from(
        latin1(`3061_1804289383_2 d6:result5:error12:error-reason${b("Parallel session limit reached")}e`),
      ),
    );
  });

  test("OpenSIPS: delete of the whole call, and with a to-tag alone", () => {
    const base = {
      kind: "delete",
      callId: "c",
      fromTag: undefined,
      toTag: undefined,
      viaBranch: undefined,
      deleteDelaySec: undefined,
    };
    const plain = { "call-id": "c", "received-from": ["IP4", "192.0.2.33"], command: "delete" };
    const relay = { "to-tag": "t", "call-id": "c", "received-from": ["IP4", "0.0.0.0"], command: "delete" };
    assert.deepEqual(new Rig().call(`1 ${bencoded(plain)}`).request, base);
    assert.deepEqual(new Rig().call(`1 ${bencoded(relay)}`).request, base);
  });

  test("OpenSIPS: a re-INVITE is an offer with both tags and no transport words", () => {
    const again = {
      "call-id": "c",
      "from-tag": "t",
      "to-tag": "f",
      command: "offer",
      "received-from": ["IP4", "192.0.2.33"],
      sdp,
    };
    const { request } = new Rig().call(`1 ${bencoded(again)}`);
    const options = { ...newMediaDraft(), receivedFrom: "192.0.2.33" };
    assert.deepEqual(request, {
      kind: "offer",
      callId: "c",
      fromTag: "t",
      toTag: "f",
      viaBranch: undefined,
      sdp,
      options,
    });
  });

  test("JSON says the same as bencode", () => {
    const message = {
      command: "offer",
      "call-id": "c",
      "from-tag": "f",
      sdp,
      flags: ["reset"],
      TOS: "8",
      replace: "origin",
    };
    const json = decodePayload(latin1(JSON.stringify(message)));
    const bencode = decodePayload(latin1(bencoded(message)));
    assert.ok(json.ok && bencode.ok);
    assert.deepEqual(readRequest("offer", json.dict), readRequest("offer", bencode.dict));
  });
});
