import assert from "node:assert/strict";
import { suite } from "../../support/suite.ts";
import { answer, Lab, offer, portIn, portsIn, sdp } from "./lab.ts";

const audioAndVideo = ["m=audio 4000 RTP/AVP 0", "m=video 4002 RTP/AVP 96", "a=rtpmap:96 H264/90000"];

suite("call: m-lines", (test) => {
  test("a rejected m-line keeps its place with port 0, and its ports go back", () => {
    const lab = new Lab();
    const [audio, video] = portsIn(lab.body(offer({ sdp: sdp({ media: audioAndVideo }) })));
    assert.equal(lab.relay.open.size, 4);
    const rejecting = sdp({ ip: "203.0.113.6", media: ["m=audio 5000 RTP/AVP 0", "m=video 0 RTP/AVP 96"] });
    const ports = portsIn(lab.body(answer({ sdp: rejecting })));
    assert.equal(ports.length, 2);
    assert.equal(ports[1], 0);
    assert.equal(lab.relay.open.size, 2);
    assert.deepEqual(lab.settingsOf(audio ?? 0).siblings, []);
    assert.throws(() => lab.settingsOf(video ?? 0));
  });

  test("an m-line the offerer never gave ports to costs none", () => {
    const lab = new Lab();
    const body = lab.body(offer({ sdp: sdp({ media: ["m=audio 4000 RTP/AVP 0", "m=video 0 RTP/AVP 96"] }) }));
    assert.equal(portsIn(body)[1], 0);
    assert.equal(lab.relay.open.size, 2);
  });

  test("a removed m-line keeps its index, and may come back", () => {
    const lab = new Lab();
    const both = sdp({ media: audioAndVideo });
    const bobs = sdp({ ip: "203.0.113.6", media: ["m=audio 5000 RTP/AVP 0", "m=video 5002 RTP/AVP 96"] });
    const [audio] = portsIn(lab.body(offer({ sdp: both })));
    lab.body(answer({ sdp: bobs }));
    assert.equal(lab.relay.open.size, 4);
    const less = sdp({ version: 2, media: ["m=audio 4000 RTP/AVP 0", "m=video 0 RTP/AVP 96"] });
    assert.deepEqual(portsIn(lab.body(offer({ to: "bob", sdp: less }))), [audio, 0]);
    const bobsLess = sdp({ ip: "203.0.113.6", media: ["m=audio 5000 RTP/AVP 0", "m=video 0 RTP/AVP 96"] });
    assert.equal(portsIn(lab.body(answer({ sdp: bobsLess })))[1], 0);
    assert.equal(lab.relay.open.size, 2);
    const [again, video] = portsIn(
      lab.body(offer({ to: "bob", sdp: sdp({ version: 3, media: audioAndVideo }) })),
    );
    assert.equal(again, audio);
    assert.ok((video ?? 0) > 0);
    assert.equal(lab.settingsOf(video ?? 0).isSignalled, false);
    lab.body(answer({ sdp: bobs }));
    assert.equal(lab.relay.open.size, 4);
  });

  test("an added m-line gets ports while the others keep theirs", () => {
    const lab = new Lab();
    const [audio] = portsIn(lab.body(offer({ sdp: sdp({ media: ["m=audio 4000 RTP/AVP 0"] }) })));
    lab.body(answer());
    const ports = portsIn(lab.body(offer({ to: "bob", sdp: sdp({ version: 2, media: audioAndVideo }) })));
    assert.equal(ports[0], audio);
    assert.equal(lab.relay.open.size, 4);
    assert.equal(lab.settingsOf(ports[1] ?? 0).siblings.length, 1);
  });

  test("a short answer is filled up with rejected m-lines", () => {
    const lab = new Lab();
    lab.body(offer({ sdp: sdp({ media: audioAndVideo }) }));
    const ports = portsIn(
      lab.body(answer({ sdp: sdp({ ip: "203.0.113.6", media: ["m=audio 5000 RTP/AVP 0"] }) })),
    );
    assert.equal(ports.length, 2);
    assert.equal(ports[1], 0);
  });

  test("an answer of another kind or transport is none to its m-line", () => {
    for (const [offered, answered] of [
      ["m=audio 4002 RTP/AVP 8", "m=image 5002 udptl t38"],
      ["m=image 4002 udptl t38", "m=audio 5002 RTP/AVP 8"],
      ["m=audio 4002 RTP/AVP 8", "m=video 5002 RTP/AVP 8"],
      ["m=audio 4002 RTP/AVP 8", "m=audio 5002 udptl 8"],
      ["m=audio 4002 RTP/AVP 8", "m=video 0 RTP/AVP 8"],
    ] as const) {
      const lab = new Lab();
      lab.body(offer({ sdp: sdp({ media: ["m=audio 4000 RTP/AVP 0", offered] }) }));
      const bobs = sdp({ ip: "203.0.113.6", media: ["m=audio 5000 RTP/AVP 0", answered] });
      const told = lab.body(answer({ sdp: bobs }));
      const [first, second] = told.match(/^m=.*(?=\r$)/gm) ?? [];
      assert.match(first ?? "", /^m=audio [1-9]\d* RTP\/AVP 0$/);
      assert.equal(second, offered.replace("4002", "0"));
      assert.equal(lab.relay.open.size, 2);
    }
  });

  test("how a kind is spelt does not matter", () => {
    const lab = new Lab();
    lab.body(offer({ sdp: sdp({ media: ["m=audio 4000 RTP/AVP 0"] }) }));
    const [port] = portsIn(
      lab.body(answer({ sdp: sdp({ ip: "203.0.113.6", media: ["m=Audio 5000 RTP/AVP 0"] }) })),
    );
    assert.ok((port ?? 0) > 0);
  });

  test("an answer to a former offer does not part who hear each other", () => {
    const lab = new Lab();
    const [port = 0] = portsIn(lab.body(offer()));
    lab.body(answer());
    assert.notEqual(lab.settingsOf(port).peer, undefined);
    const fax = sdp({ ip: "203.0.113.6", version: 2, media: ["m=image 5000 udptl t38"] });
    lab.body(offer({ from: "bob", to: "alice", sdp: fax }));
    lab.body(answer());
    assert.notEqual(lab.settingsOf(port).peer, undefined);
  });

  test("an answer with more m-lines than were offered loses them", () => {
    const lab = new Lab();
    lab.body(offer({ sdp: sdp({ media: ["m=audio 4000 RTP/AVP 0"] }) }));
    const more = sdp({ ip: "203.0.113.6", media: ["m=audio 5000 RTP/AVP 0", "m=video 5002 RTP/AVP 96"] });
    assert.equal(portsIn(lab.body(answer({ sdp: more }))).length, 1);
    assert.equal(lab.relay.open.size, 2);
  });

  test("one branch's rejection does not take the m-line from the others", () => {
    const lab = new Lab();
    const both = sdp({ media: audioAndVideo });
    lab.body(offer({ branch: "b1", sdp: both }));
    lab.body(offer({ branch: "b2", sdp: both }));
    assert.equal(lab.relay.open.size, 6);
    const audioOnly = sdp({ ip: "203.0.113.6", media: ["m=audio 5000 RTP/AVP 0", "m=video 0 RTP/AVP 96"] });
    assert.equal(portsIn(lab.body(answer({ to: "bob-1", branch: "b1", sdp: audioOnly })))[1], 0);
    const full = sdp({ ip: "203.0.113.7", media: ["m=audio 5000 RTP/AVP 0", "m=video 5002 RTP/AVP 96"] });
    assert.ok((portsIn(lab.body(answer({ to: "bob-2", branch: "b2", sdp: full })))[1] ?? 0) > 0);
  });

  test("a body that rejects everything is a hold: the ports stay", () => {
    const lab = new Lab();
    const toBob = portIn(lab.body(offer()));
    const toAlice = portIn(lab.body(answer()));
    const held = sdp({ port: 0, version: 2 });
    assert.equal(portIn(lab.body(offer({ to: "bob", sdp: held }))), 0);
    assert.equal(lab.settingsOf(toAlice).mayReceive, false);
    assert.equal(portIn(lab.body(answer({ sdp: sdp({ ip: "203.0.113.6", port: 0 }) }))), 0);
    assert.equal(portIn(lab.body(offer({ to: "bob", sdp: sdp({ version: 3 }) }))), toBob);
    assert.equal(portIn(lab.body(answer())), toAlice);
    assert.equal(lab.settingsOf(toAlice).mayReceive, true);
    assert.equal(lab.relay.closed.length, 0);
  });

  test("hold by address stops sending, hold by direction does not; both keep port, target and clocks", () => {
    const byDirection = sdp({ version: 2, extra: ["a=sendonly"] });
    for (const hold of [byDirection, sdp({ version: 2, ip: "0.0.0.0" })]) {
      const lab = new Lab();
      const toBob = portIn(lab.body(offer()));
      const toAlice = portIn(lab.body(answer()));
      assert.equal(lab.settingsOf(toAlice).mayReceive, true);
      const body = lab.body(offer({ to: "bob", sdp: hold }));
      assert.equal(portIn(body), toBob);
      assert.match(body, /^a=sendonly\r$/m);
      assert.equal(lab.settingsOf(toAlice).mayReceive, hold === byDirection);
      assert.equal(lab.settingsOf(toAlice).rtpTarget?.port, 4000);
      assert.equal(lab.settingsOf(toBob).mayReceive, true);
    }
  });

  test("audio becomes T.38 on the same ports", () => {
    const lab = new Lab();
    const toBob = portIn(lab.body(offer()));
    lab.body(answer());
    const fax = sdp({ version: 2, media: ["m=image 4000 udptl t38", "a=T38FaxVersion:0"] });
    const body = lab.body(offer({ to: "bob", sdp: fax }));
    assert.equal(portIn(body), toBob);
    assert.match(body, /^m=image \d+ udptl t38\r$/im);
    assert.match(body, /^a=T38FaxVersion:0\r$/m);
    lab.body(answer({ sdp: sdp({ ip: "203.0.113.6", media: ["m=image 5000 udptl t38"] }) }));
    assert.equal(lab.settingsOf(toBob).transport, "udptl");
    assert.deepEqual(lab.settingsOf(toBob).payloadTypes, []);
    assert.equal(lab.settingsOf(toBob).rtcpTarget, undefined);
  });

  test("sdp-media-remove hides an m-line from the callee and shows it rejected to the caller", () => {
    const lab = new Lab();
    const media = ["m=video 4002 RTP/AVP 96", "a=rtpmap:96 H264/90000", "m=audio 4000 RTP/AVP 0"];
    const removesMedia = new Set(["video"]);
    const toBob = lab.body(offer({ sdp: sdp({ media }), options: { removesMedia } }));
    assert.equal(portsIn(toBob).length, 1);
    const ports = portsIn(lab.body(answer()));
    assert.equal(ports[0], 0);
    assert.equal(lab.settingsOf(ports[1] ?? 0).peer, lab.pairOf(portIn(toBob)));
    const fromBob = offer({
      from: "bob",
      to: "alice",
      sdp: sdp({ ip: "203.0.113.6", port: 5000, version: 2 }),
    });
    assert.deepEqual(portsIn(lab.body(fromBob)), ports);
    assert.equal(lab.relay.open.size, 2);
  });

  test("a group names no m-line the other party does not have, or knows by another name", () => {
    const lab = new Lab();
    const lines = (...mids: readonly string[]) => [
      ...["m=audio 4000 RTP/AVP 0", `a=mid:${mids[0]}`],
      ...["m=video 4002 RTP/AVP 34", `a=mid:${mids[1]}`],
      ...["m=image 4004 udptl t38", `a=mid:${mids[2]}`],
    ];
    const grouped = (media: readonly string[], group: string) =>
      sdp({ media }).replace("t=0 0\r\n", `t=0 0\r\na=group:${group}\r\n`);
    const groups = (text: string) => text.match(/(?<=^a=group:).*$/gm);
    const sdpOfAlice = grouped(lines("a", "v", "i"), "LS a v i");
    const removesMedia = new Set(["video"]);
    assert.deepEqual(groups(lab.body(offer({ sdp: sdpOfAlice, options: { removesMedia } }))), ["LS a i"]);
    const call = { callId: "call-2", from: "bob", to: "alice" };
    lab.body(offer({ ...call, sdp: grouped(lines("x", "y", "z"), "LS x y") }));
    const toBob = lab.body(answer({ ...call, sdp: grouped(lines("x", "y", "z"), "LS x y") }));
    assert.deepEqual(groups(toBob), ["LS x y"]);
    const again = lab.body(offer({ callId: "call-2", from: "alice", to: "bob", sdp: sdpOfAlice }));
    assert.deepEqual([groups(again), again.match(/(?<=^a=mid:).*$/gm)], [["LS i"], ["x", "y", "i"]]);
  });

  test("an m-line the other party does not know of keeps its formats", () => {
    const lab = new Lab();
    const media = ["m=audio 4000 RTP/AVP 0", "m=video 4002 RTP/AVP 96", "m=image 4004 udptl t38"];
    lab.body(offer({ sdp: sdp({ media }), options: { removesMedia: new Set(["video"]) } }));
    const short = sdp({ ip: "203.0.113.6", media: ["m=audio 5000 RTP/AVP 0"] });
    const toAlice = lab.body(answer({ sdp: short }));
    assert.match(toAlice, /^m=video 0 RTP\/AVP 96\r$/m);
    assert.match(toAlice, /^m=image 0 udptl t38\r$/m);
    const less = sdp({ version: 2, media: ["m=audio 4000 RTP/AVP 0"] });
    assert.match(lab.body(offer({ to: "bob", sdp: less })), /^m=image 0 udptl t38\r$/m);
  });

  test("`other` of sdp-media-remove is every kind without a name of its own", () => {
    const lab = new Lab();
    const media = ["m=audio 4000 RTP/AVP 0", "m=application 4002 udp wb"];
    const toBob = lab.body(offer({ sdp: sdp({ media }), options: { removesMedia: new Set(["other"]) } }));
    assert.equal(portsIn(toBob).length, 1);
  });

  test("MSRP keeps its own address and port, and costs no ports", () => {
    const lab = new Lab();
    const media = ["m=audio 4000 RTP/AVP 0", "m=message 28000 TCP/MSRP *", "a=setup:active"];
    const toBob = lab.body(offer({ sdp: sdp({ media }) }));
    assert.match(toBob, /^m=message 28000 TCP\/MSRP \*\r\nc=IN IP4 203\.0\.113\.5\r\na=setup:active\r$/m);
    const bobs = ["m=audio 5000 RTP/AVP 0", "m=message 9000 TCP/MSRP *"];
    const toAlice = lab.body(answer({ sdp: sdp({ ip: "203.0.113.6", media: bobs }) }));
    assert.match(toAlice, /^m=message 9000 TCP\/MSRP \*\r\nc=IN IP4 203\.0\.113\.6\r$/m);
    assert.equal(lab.relay.open.size, 2);
    const alone = sdp({ media: ["m=message 28000 TCP/MSRP *"] });
    assert.match(lab.body(offer({ callId: "text", sdp: alone })), /^m=message 28000 /m);
  });

  test("ptime is remembered from either party, maxptime is not", () => {
    const lab = new Lab();
    const extra = ["a=ptime:20", "a=maxptime:40"];
    lab.body(offer({ sdp: sdp({ extra }) }));
    assert.match(lab.body(answer()), /^a=ptime:20\r\n$/m);
    lab.body(answer({ sdp: sdp({ ip: "203.0.113.6", port: 5000, extra: ["a=ptime:30"] }) }));
    const again = lab.body(offer({ to: "bob", sdp: sdp({ version: 2 }) }));
    assert.match(again, /^a=ptime:30\r$/m);
    assert.doesNotMatch(again, /maxptime/);
  });

  test("an answer shows the offerer's own mid, whether it has one itself or not", () => {
    const lab = new Lab();
    lab.body(offer({ sdp: sdp({ extra: ["a=mid:audio"] }) }));
    assert.match(lab.body(answer()), /^a=mid:audio\r$/m);
    const bobs = sdp({ ip: "203.0.113.6", port: 5000, extra: ["a=mid:0"] });
    assert.match(lab.body(answer({ sdp: bobs })), /^a=mid:audio\r$/m);
  });

  test("codecs stripped from the offer are not offered onward", () => {
    const lab = new Lab();
    const codec = { strip: ["PCMU"], offer: [], except: [], ignore: [] };
    assert.match(lab.body(offer({ options: { codec } })), /^m=audio \d+ RTP\/AVP 8 101\r$/m);
    assert.match(lab.body(answer()), /^m=audio \d+ RTP\/AVP 0 8 101\r$/m);
  });

  test("media without a codec left stays whole, or is offered as rejected if that is allowed", () => {
    const lab = new Lab();
    const codec = { strip: ["all"], offer: [], except: ["PCMU", "PCMA"], ignore: [] };
    const body = sdp({
      media: ["m=audio 4000 RTP/AVP 8", "m=video 4002 RTP/AVP 96", "a=rtpmap:96 H264/90000"],
    });
    assert.ok((portsIn(lab.body(offer({ sdp: body, options: { codec } })))[1] ?? 0) > 0);
    const emptied = lab.body(offer({ callId: "two", sdp: body, options: { codec, mayEmptyMedia: true } }));
    assert.match(emptied, /^m=video 0 RTP\/AVP 96\r$/m);
  });
});
