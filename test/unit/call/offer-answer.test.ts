import assert from "node:assert/strict";
import { suite } from "../../support/suite.ts";
import { answer, ip, Lab, offer, portIn, sdp } from "./lab.ts";

suite("call: offer and answer", (test) => {
  test("both sides' ports are open before the offer is answered", () => {
    const lab = new Lab();
    const toBob = lab.body(offer());
    assert.equal(lab.relay.open.size, 2);
    const toAlice = lab.body(answer());
    assert.equal(lab.relay.open.size, 2);
    assert.notEqual(portIn(toBob), portIn(toAlice));
    const facingBob = lab.settingsOf(portIn(toBob));
    const facingAlice = lab.settingsOf(portIn(toAlice));
    assert.equal(facingBob.peer, lab.pairOf(portIn(toAlice)));
    assert.equal(facingAlice.peer, lab.pairOf(portIn(toBob)));
    assert.deepEqual(facingAlice.rtpTarget, { ip: ip("203.0.113.5"), port: 4000 });
    assert.deepEqual(facingBob.rtcpTarget, { ip: ip("203.0.113.6"), port: 5001 });
    assert.equal(facingBob.isSignalled, true);
    assert.deepEqual(
      facingBob.payloadTypes.map((clock) => clock.payloadType),
      [0, 8, 101],
    );
  });

  test("the body names our address and ports", () => {
    const lab = new Lab();
    const body = lab.body(offer());
    assert.match(body, /^o=- 1545997027 1 IN IP4 203\.0\.113\.5\r$/m);
    assert.match(body, /^c=IN IP4 198\.51\.100\.1\r$/m);
    assert.match(body, new RegExp(`^a=rtcp:${portIn(body) + 1}\\r$`, "m"));
  });

  test("before the answer the callee's side keeps packets and knows where they go", () => {
    const lab = new Lab();
    const port = portIn(lab.body(offer()));
    const facingBob = lab.settingsOf(port);
    assert.equal(facingBob.isSignalled, false);
    assert.equal(facingBob.rtpTarget, undefined);
    assert.notEqual(facingBob.peer, undefined);
  });

  test("an answer to an unknown call is refused", () => {
    const lab = new Lab();
    assert.deepEqual(lab.ask(answer()), { kind: "refused", reason: "unknown-call" });
    assert.equal(lab.calls.callCount, 0);
  });

  test("a re-offer from either side keeps the ports, and moves no generation when nothing changed", () => {
    const lab = new Lab();
    const toBob = portIn(lab.body(offer()));
    const toAlice = portIn(lab.body(answer()));
    const generation = lab.settingsOf(toAlice).generation;
    assert.equal(portIn(lab.body(offer({ to: "bob" }))), toBob);
    assert.equal(lab.settingsOf(toAlice).generation, generation);
    const reoffer = offer({
      from: "bob",
      to: "alice",
      sdp: sdp({ ip: "203.0.113.66", port: 6000, version: 2 }),
    });
    assert.equal(portIn(lab.body(reoffer)), toAlice);
    assert.equal(portIn(lab.body(answer({ from: "bob", to: "alice", sdp: sdp() }))), toBob);
    assert.equal(lab.settingsOf(toAlice).generation, generation);
    assert.equal(lab.settingsOf(toBob).generation, 2);
    assert.equal(lab.relay.open.size, 2);
  });

  test("no-port-latching: a moved party gets its peer a new port, and the old one is closed", () => {
    const lab = new Lab();
    const toBob = portIn(lab.body(offer()));
    lab.body(answer());
    const moved = sdp({ port: 4100, version: 2 });
    const port = portIn(lab.body(offer({ to: "bob", sdp: moved, options: { portLatching: false } })));
    assert.notEqual(port, toBob);
    assert.equal(lab.relay.open.size, 2);
    assert.equal(lab.relay.closed.length, 1);
  });

  test("a changed to-tag in an answer keeps the ports, and the tag before it becomes an alias", () => {
    const lab = new Lab();
    lab.body(offer());
    const first = portIn(lab.body(answer({ to: "bob-1" })));
    const second = lab.body(answer({ to: "bob-2", sdp: sdp({ ip: "203.0.113.7", port: 7000 }) }));
    assert.equal(portIn(second), first);
    const report = lab.calls.report(lab.nowMs, "call-1");
    assert.deepEqual(
      report?.legs.map((leg) => [leg.tag, leg.aliases]),
      [
        ["alice", []],
        ["bob-2", ["bob-1"]],
      ],
    );
    assert.equal(portIn(lab.body(offer({ to: "bob-2" }))), portIn(lab.body(offer({ to: "bob-1" }))));
  });

  test("branches have ports of their own; the latest answer is heard, in both directions", () => {
    const lab = new Lab();
    const first = portIn(lab.body(offer({ branch: "z9hG4bK1" })));
    const second = portIn(lab.body(offer({ branch: "z9hG4bK2" })));
    assert.notEqual(first, second);
    assert.equal(portIn(lab.body(offer({ branch: "z9hG4bK1" }))), first);
    const toAlice = portIn(lab.body(answer({ to: "bob-1", branch: "z9hG4bK1" })));
    assert.equal(lab.settingsOf(toAlice).peer, lab.pairOf(first));
    lab.body(answer({ to: "bob-2", branch: "z9hG4bK2", sdp: sdp({ ip: "203.0.113.9", port: 9000 }) }));
    assert.equal(lab.settingsOf(toAlice).peer, lab.pairOf(second));
    assert.equal(lab.settingsOf(second).peer, lab.pairOf(toAlice));
    assert.equal(lab.settingsOf(first).peer, undefined);
    assert.equal(lab.relay.open.size, 3);
  });

  test("an offer with two unknown tags makes the call anew", () => {
    const lab = new Lab();
    const port = portIn(lab.body(offer({ from: "bob", to: "alice" })));
    assert.ok(port > 0);
    assert.deepEqual(
      lab.calls.report(lab.nowMs, "call-1")?.legs.map((leg) => leg.tag),
      ["bob", "alice"],
    );
    lab.body(answer({ from: "bob", to: "alice" }));
    assert.equal(lab.calls.report(lab.nowMs, "call-1")?.legs.length, 2);
  });

  test("a late offer comes with the callee's tag as from", () => {
    const lab = new Lab();
    const toAlice = portIn(lab.body(offer({ from: "bob", to: "alice" })));
    const toBob = portIn(lab.body(answer({ from: "bob", to: "alice" })));
    assert.equal(lab.settingsOf(toBob).peer, lab.pairOf(toAlice));
  });

  test("a leg does not talk to itself", () => {
    const lab = new Lab();
    assert.deepEqual(lab.ask(offer({ from: "a", to: "a" })), { kind: "refused", reason: "dialogue-invalid" });
    assert.equal(lab.calls.callCount, 0);
    lab.body(offer());
    assert.deepEqual(lab.ask(answer({ from: "alice", to: "alice" })), {
      kind: "refused",
      reason: "dialogue-invalid",
    });
  });

  test("bodies that are none, or not whole, are refused", () => {
    const lab = new Lab();
    assert.deepEqual(lab.ask(offer({ sdp: "hello" })), { kind: "refused", reason: "sdp-malformed" });
    const nowhere = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
    assert.deepEqual(lab.ask(offer({ sdp: nowhere })), { kind: "refused", reason: "sdp-incomplete" });
    assert.equal(lab.calls.callCount, 0);
  });

  test("SRTP without keys is refused by name, never passed through in silence", () => {
    const lab = new Lab();
    const secure = sdp({ media: ["m=audio 4000 RTP/SAVP 0"] });
    assert.deepEqual(lab.ask(offer({ sdp: secure })), { kind: "refused", reason: "unsupported-protocol" });
    const either = sdp({ media: ["m=audio 4000 RTP/SAVP 0", "m=audio 4002 RTP/AVP 0"] });
    const body = lab.body(offer({ sdp: either }));
    assert.match(body, /^m=audio 0 RTP\/SAVP/m);
    assert.match(body, /^m=audio [1-9]\d+ RTP\/AVP 0/m);
    assert.equal(lab.relay.open.size, 2);
  });

  test("AVPF towards a peer that asks for it stays with the peer", () => {
    const lab = new Lab();
    assert.match(lab.body(offer({ options: { transportProtocol: "RTP/AVPF" } })), /^m=audio \d+ RTP\/AVPF /m);
    const bobs = sdp({ ip: "203.0.113.6", media: ["m=audio 5000 RTP/AVPF 0"] });
    assert.match(lab.body(answer({ sdp: bobs })), /^m=audio \d+ RTP\/AVP 0/m);
    assert.match(lab.body(offer({ to: "bob" })), /^m=audio \d+ RTP\/AVPF /m);
  });

  test("a body that went through us comes back untouched under loop-protect", () => {
    const lab = new Lab();
    const body = lab.body(offer({ options: { loopProtect: true } }));
    assert.match(body, /^a=rtpengine:[0-9a-f]{12}\r$/m);
    assert.equal(lab.body(offer({ callId: "other", sdp: body, options: { loopProtect: true } })), body);
    assert.equal(lab.calls.callCount, 1);
  });

  test("an answer to an offerer we do not know is refused", () => {
    const lab = new Lab();
    lab.body(offer());
    assert.deepEqual(lab.ask(answer({ from: "carol", to: "bob" })), {
      kind: "refused",
      reason: "dialogue-invalid",
    });
  });

  test("a party that turns to a third one leaves the first alone, once that one has answered", () => {
    const lab = new Lab();
    const toBob = portIn(lab.body(offer()));
    const toAlice = portIn(lab.body(answer()));
    const toCarol = portIn(lab.body(offer({ from: "bob", to: "carol" })));
    assert.equal(lab.settingsOf(toBob).peer, lab.pairOf(toAlice), "until then it stays");
    lab.body(answer({ from: "bob", to: "carol", sdp: sdp({ ip: "203.0.113.9", port: 9000 }) }));
    assert.equal(lab.settingsOf(toBob).peer, lab.pairOf(toCarol));
    assert.equal(lab.settingsOf(toCarol).peer, lab.pairOf(toBob));
    assert.equal(lab.settingsOf(toAlice).peer, undefined);
  });

  test("early media: 183 and 200 get the same ports, and the callee's packets have a way from the first on", () => {
    const lab = new Lab();
    const toBob = portIn(lab.body(offer()));
    const early = lab.body(answer());
    const generation = lab.settingsOf(toBob).generation;
    assert.equal(lab.body(answer()), early);
    assert.equal(lab.settingsOf(toBob).generation, generation);
  });

  test("labels and mids", () => {
    const lab = new Lab();
    const options = { label: "caller", toLabel: "callee", generatesMid: true };
    assert.match(lab.body(offer({ options })), /^a=mid:1\r$/m);
    const bobs = sdp({ ip: "203.0.113.6", port: 5000, extra: ["a=mid:1"] });
    assert.doesNotMatch(lab.body(answer({ sdp: bobs })), /^a=mid/m, "the caller offered none");
    assert.deepEqual(
      lab.calls.report(lab.nowMs, "call-1")?.legs.map((leg) => leg.label),
      ["caller", "callee"],
    );
  });

  test("a trickle body is taken without a look", () => {
    const lab = new Lab();
    const reply = lab.ask(offer({ sdp: "a=candidate:1", options: { isFragment: true } }));
    assert.deepEqual(reply, { kind: "done" });
    assert.equal(lab.calls.callCount, 0);
  });

  test("reset forgets that the peer spoke AVPF and rtcp-mux", () => {
    const lab = new Lab();
    const muxed = sdp({ extra: ["a=rtcp-mux"] });
    lab.body(offer({ sdp: muxed, options: { transportProtocol: "RTP/AVPF" } }));
    const media = ["m=audio 5000 RTP/AVPF 0", "a=rtcp-mux"];
    lab.body(answer({ sdp: sdp({ ip: "203.0.113.6", media }) }));
    const body = lab.body(offer({ to: "bob", options: { resets: true } }));
    assert.match(body, /^m=audio \d+ RTP\/AVP /m);
    assert.doesNotMatch(body, /^a=rtcp-mux/m);
  });

  test("SRTP asked for in an answer is warned of", () => {
    const lab = new Lab();
    lab.body(offer());
    assert.match(
      lab.body(answer({ options: { transportProtocol: "RTP/SAVPF" } })),
      /^m=audio \d+ RTP\/AVP /m,
    );
    assert.deepEqual(lab.warnings, ["RTP/SAVPF cannot be answered to a plain offer"]);
  });

  test("payload types nobody described may speak too", () => {
    const lab = new Lab();
    const toBob = portIn(lab.body(offer({ sdp: sdp({ media: ["m=audio 4000 RTP/AVP 0 97"] }) })));
    lab.body(answer());
    assert.deepEqual(
      lab.settingsOf(toBob).payloadTypes.find((clock) => clock.payloadType === 97),
      {
        payloadType: 97,
        clockRateHz: 0,
      },
    );
  });
});
