import assert from "node:assert/strict";
import { suite } from "../../support/suite.ts";
import { answer, offer, portIn } from "./lab.ts";
import { body, cryptoLine, keyOf, mediaOf, secureLab } from "./parties.ts";

const line80 = cryptoLine(1, "AES_CM_128_HMAC_SHA1_80", 1);

suite("call: opportunistic SRTP (RFC 8643)", (test) => {
  const offered = body({ media: [{ crypto: [line80] }] });
  const taken = body({
    ip: "203.0.113.6",
    media: [{ port: 5000, crypto: [cryptoLine(1, "AES_CM_128_HMAC_SHA1_80", 9)] }],
  });

  test("it goes on to a peer nothing else was asked for, and is taken as the peer takes it", () => {
    const lab = secureLab();
    const toBob = lab.body(offer({ sdp: offered, options: { dtls: "off" } }));
    assert.match(toBob, /^m=audio \d+ RTP\/AVP 0\r$/m);
    assert.deepEqual(mediaOf(toBob).crypto[0]?.key, keyOf(line80));
    const toAlice = lab.body(answer({ sdp: taken }));
    assert.equal(mediaOf(toAlice).crypto.length, 1);
    assert.equal(lab.settingsOf(portIn(toAlice)).security.kind, "sdes");
  });

  test("a peer that declines leaves plain RTP on both sides, unless accept keeps the offerer's", () => {
    for (const accepts of [false, true]) {
      const lab = secureLab();
      const osrtp = new Set(accepts ? (["accept"] as const) : []);
      const toBob = lab.body(offer({ sdp: offered, options: { osrtp } }));
      const toAlice = lab.body(answer());
      assert.equal(lab.settingsOf(portIn(toBob)).security.kind, "none");
      assert.equal(lab.settingsOf(portIn(toAlice)).security.kind, accepts ? "sdes" : "none");
      assert.equal(mediaOf(toAlice).crypto.length, accepts ? 1 : 0);
    }
  });

  test("asked for RTP/AVP the peer is offered plain RTP alone", () => {
    const lab = secureLab();
    const toBob = lab.body(offer({ sdp: offered, options: { transportProtocol: "RTP/AVP" } }));
    assert.deepEqual([mediaOf(toBob).crypto.length, mediaOf(toBob).fingerprints.length], [0, 0]);
    const toAlice = lab.body(answer());
    assert.equal(lab.settingsOf(portIn(toAlice)).security.kind, "sdes");
  });

  test("offer makes a plain offer one", () => {
    const lab = secureLab();
    const toBob = lab.body(offer({ options: { osrtp: new Set(["offer"] as const) } }));
    assert.match(toBob, /^m=audio \d+ RTP\/AVP /m);
    assert.deepEqual([mediaOf(toBob).crypto.length, mediaOf(toBob).fingerprints.length], [8, 1]);
    lab.body(answer({ sdp: taken }));
    assert.equal(lab.settingsOf(portIn(toBob)).security.kind, "sdes");
  });
});
