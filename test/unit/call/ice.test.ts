import assert from "node:assert/strict";
import type { AnswerRequest, OfferRequest } from "../../../src/call/requests.ts";
import { suite } from "../../support/suite.ts";
import { answer, ip, Lab, type OfferShape, offer, portIn, sdp } from "./lab.ts";
import { body, type MediaShape, mediaOf, read } from "./parties.ts";

function alice(some: Partial<MediaShape> = {}, version = 1): string {
  return body({ version, media: [{ ice: { ufrag: "aliceU" }, ...some }] });
}

function bob(some: Partial<MediaShape> = {}, version = 1): string {
  return body({
    ip: "203.0.113.6",
    version,
    media: [{ port: 5000, ice: { ufrag: "bobU" }, ...some }],
  });
}

function fragment(shape: OfferShape, lines: readonly string[]): OfferRequest {
  return offer({ ...shape, sdp: `${lines.join("\r\n")}\r\n`, options: { isFragment: true } });
}

const candidateLine = "a=candidate:9 1 UDP 1 192.0.2.77 6000 typ srflx raddr 10.0.0.1 rport 6000";

suite("call: ICE in offer and answer", (test) => {
  test("our candidates are the pair's sockets, the second one unless rtcp-mux is settled", () => {
    const lab = new Lab();
    const toBob = lab.body(offer({ sdp: alice({ hasMux: true }) }));
    const port = portIn(toBob);
    const own = mediaOf(toBob).ice?.candidates ?? [];
    assert.deepEqual(
      own.map(({ component, endpoint, priority, type }) => [component, endpoint.port, priority, type]),
      [
        [1, port, 2_130_706_431, "host"],
        [2, port + 1, 2_130_706_430, "host"],
      ],
    );
    const toAlice = lab.body(answer({ sdp: bob({ hasMux: true }) }));
    assert.deepEqual(
      mediaOf(toAlice).ice?.candidates.map(({ component }) => component),
      [1],
    );
    assert.equal(mediaOf(toAlice).rtcpMux, true);
  });

  test("ice2 is said to whoever says it, and by word", () => {
    const lab = new Lab();
    const optionsOf = (text: string) => /^a=ice-options:(.*)\r$/m.exec(text)?.[1];
    const said = alice({ extra: ["a=ice-options:trickle ice2"] });
    assert.equal(optionsOf(lab.body(offer({ sdp: said }))), undefined);
    assert.equal(optionsOf(lab.body(answer({ sdp: bob() }))), "trickle ice2");
    const byWord = offer({ callId: "call-2", sdp: alice(), options: { isIce2: true } });
    assert.equal(optionsOf(lab.body(byWord)), "ice2");
    assert.equal(optionsOf(lab.body(answer({ callId: "call-2", sdp: bob() }))), undefined);
  });

  test("candidates show what c= shows", () => {
    const lab = new Lab();
    const text = lab.body(offer({ sdp: alice(), options: { mediaAddress: ip("192.0.2.9") } }));
    assert.equal(mediaOf(text).ice?.candidates[0]?.endpoint.ip, "192.0.2.9");
    assert.equal(mediaOf(text).ip, "192.0.2.9");
  });

  test("each party and each m-line has credentials of its own", () => {
    const lab = new Lab();
    const two = body({ media: [{ ice: { ufrag: "a1aa" } }, { port: 4002, ice: { ufrag: "a2aa" } }] });
    const toBob = lab.body(offer({ sdp: two }));
    const ufrags = read(toBob).media.map(({ ice }) => ice?.ufrag);
    const passwords = read(toBob).media.map(({ ice }) => ice?.password ?? "");
    assert.equal(new Set(ufrags).size, 2);
    for (const password of passwords) assert.ok(password.length >= 22);
  });

  test("ICE=remove towards the callee leaves the caller's alone; in an answer it takes it from the caller", () => {
    const lab = new Lab();
    const toBob = lab.body(offer({ sdp: alice(), options: { ice: "remove" } }));
    assert.doesNotMatch(toBob, /^a=(?:ice-|candidate)/m);
    const toAlice = lab.body(answer());
    assert.notEqual(mediaOf(toAlice).ice, undefined);
    const other = new Lab();
    other.body(offer({ sdp: alice() }));
    const removed = other.body(answer({ sdp: bob(), options: { ice: "remove" } }));
    assert.equal(mediaOf(removed).ice, undefined);
    assert.equal(other.settingsOf(portIn(removed)).ice, undefined);
  });

  test("ICE-reject: the caller gets none either", () => {
    const lab = new Lab();
    lab.body(offer({ sdp: alice(), options: { rejectsIce: true } }));
    const toAlice = lab.body(answer({ sdp: bob() }));
    assert.equal(mediaOf(toAlice).ice, undefined);
  });

  test("a callee that answers without ICE has none, and is not asked again by default", () => {
    const lab = new Lab();
    const toBob = lab.body(offer({ sdp: alice() }));
    lab.body(answer());
    assert.equal(lab.settingsOf(portIn(toBob)).ice, undefined);
    assert.equal(mediaOf(lab.body(offer({ to: "bob", sdp: alice({}, 2) }))).ice, undefined);
    const forced = lab.body(offer({ to: "bob", sdp: alice({}, 3), options: { ice: "force" } }));
    assert.notEqual(mediaOf(forced).ice, undefined);
    const reset = lab.body(offer({ to: "bob", sdp: alice({}, 4), options: { resets: true } }));
    assert.notEqual(mediaOf(reset).ice, undefined);
  });

  test("a re-offer by the callee keeps the caller's ICE", () => {
    const lab = new Lab();
    lab.body(offer({ sdp: alice(), options: { ice: "remove" } }));
    const toAlice = lab.body(answer());
    const before = mediaOf(toAlice).ice;
    const again = mediaOf(lab.body(offer({ from: "bob", to: "alice", sdp: sdp({ version: 2 }) }))).ice;
    assert.deepEqual([again?.ufrag, again?.password], [before?.ufrag, before?.password]);
  });

  test("force-relay shows ours as a relay where the offerer has no ICE", () => {
    const text = new Lab().body(offer({ options: { ice: "force-relay" } }));
    assert.match(text, /^a=candidate:\S+ 1 UDP 16777215 198\.51\.100\.1 \d+ typ relay raddr /m);
  });

  test("ICE counts as trust in the SDP's addresses", () => {
    const lab = new Lab();
    const options = { trustsSdpAddress: false, receivedFrom: ip("203.0.113.99") };
    const toBob = lab.body(offer({ sdp: alice(), options }));
    assert.ok(toBob !== "");
    const toAlice = lab.body(answer({ sdp: bob() }));
    const { hints, rtpTarget } = lab.settingsOf(portIn(toAlice));
    assert.ok(hints.some(({ origin, endpoint }) => origin === "sdp" && endpoint.ip === "203.0.113.5"));
    // Where to send is ICE's to say: an SDP may name anybody's address.
    assert.equal(rtpTarget, undefined);
  });

  test("a host name in c= stays refused, and one in a candidate is passed over", () => {
    const lab = new Lab();
    const named = alice().replace("c=IN IP4 203.0.113.5", "c=IN IP4 phone.example");
    assert.deepEqual(lab.ask(offer({ sdp: named })), { kind: "refused", reason: "sdp-malformed" });
    const mdns = "candidate:1 1 udp 2113937151 0b5c3b1a-1c1d-4e1f-8a2b-3c4d5e6f7a8b.local 4000 typ host";
    lab.body(offer({ sdp: alice({ ice: { ufrag: "aliceU", candidates: [mdns] } }) }));
    const toAlice = lab.body(answer({ sdp: bob() }));
    assert.deepEqual(lab.settingsOf(portIn(toAlice)).ice?.candidates, []);
  });
});

suite("call: hostile ICE", (test) => {
  test("no checks to this machine, nor to a family the socket has not", () => {
    const lab = new Lab();
    const places = ["127.0.0.1", "::1", "fe80::1", "169.254.1.1", "2001:db8::9", "0.0.0.0", "192.0.2.8"];
    const candidates = places.map((place, at) => `candidate:${at} 1 UDP ${at + 1} ${place} 22 typ host`);
    lab.body(offer({ sdp: alice({ ice: { ufrag: "aliceU", candidates } }) }));
    const toAlice = lab.body(answer({ sdp: bob() }));
    assert.deepEqual(
      lab.settingsOf(portIn(toAlice)).ice?.candidates.map(({ endpoint }) => endpoint.ip),
      ["192.0.2.8"],
    );
  });

  test("candidates are bounded, by one body and by many", () => {
    const lab = new Lab();
    const many = (from: number) =>
      Array.from({ length: 200 }, (_, at) => `candidate:1 1 UDP 5 192.0.2.1 ${from + at} typ host`);
    lab.body(offer({ sdp: alice({ ice: { ufrag: "aliceU", candidates: many(1_000) } }) }));
    const port = portIn(lab.body(answer({ sdp: bob() })));
    assert.equal(lab.settingsOf(port).ice?.candidates.length, 64);
    lab.ask(fragment({ to: "bob" }, ["m=audio 9 RTP/AVP 0", ...many(3_000).map((line) => `a=${line}`)]));
    assert.equal(lab.settingsOf(port).ice?.candidates.length, 64);
  });

  test("many m-lines without a bundle share what one leg may try, the best candidates first", () => {
    const lab = new Lab();
    const candidates = Array.from(
      { length: 60 },
      (_, at) => `candidate:${at} 1 UDP ${at + 1} 192.0.2.1 ${2_000 + at} typ host`,
    );
    const media = Array.from({ length: 8 }, (_, at) => ({
      port: 4_000 + 2 * at,
      ice: { ufrag: `alice${at}`, candidates },
    }));
    const toBob = lab.body(offer({ sdp: body({ media }) }));
    const answers = media.map(({ port }, at) => ({ port, ice: { ufrag: `bobs${at}` } }));
    const toAlice = read(lab.body(answer({ sdp: body({ ip: "203.0.113.6", media: answers }) })));
    assert.equal(read(toBob).media.length, 8);
    for (const { port } of toAlice.media) {
      const told = lab.settingsOf(port).ice?.candidates.map(({ priority }) => priority);
      assert.deepEqual(
        told,
        Array.from({ length: 32 }, (_, at) => 60 - at),
      );
    }
  });

  test("half of ICE is none", () => {
    const lab = new Lab();
    const half = alice().replace(/a=ice-pwd:\S+\r\n/, "");
    const toBob = lab.body(offer({ sdp: half }));
    assert.equal(mediaOf(toBob).ice, undefined);
  });
});

suite("call: ICE roles and lite", (test) => {
  test("he who offers controls; a lite party is controlled", () => {
    const lab = new Lab();
    const lite = body({ session: ["a=ice-lite"], media: [{ ice: { ufrag: "aliceU" } }] });
    const toBob = lab.body(offer({ sdp: lite }));
    const toAlice = lab.body(answer({ sdp: bob() }));
    assert.equal(lab.settingsOf(portIn(toAlice)).ice?.isControlling, true);
    assert.equal(lab.settingsOf(portIn(toAlice)).ice?.remote?.isLite, true);
    assert.equal(lab.settingsOf(portIn(toBob)).ice?.isControlling, true);
    assert.doesNotMatch(toAlice, /ice-lite/);
  });

  test("ICE-lite: forward the callee, backward the caller", () => {
    const expected = {
      forward: [false, true],
      backward: [true, false],
      both: [true, true],
      off: [false, false],
    };
    for (const iceLite of ["forward", "backward", "both", "off"] as const) {
      const lab = new Lab();
      const toBob = lab.body(offer({ sdp: alice(), options: { iceLite } }));
      const toAlice = lab.body(answer({ sdp: bob() }));
      const [near, far] = expected[iceLite];
      assert.equal(lab.settingsOf(portIn(toAlice)).ice?.isLite, near, iceLite);
      assert.equal(lab.settingsOf(portIn(toBob)).ice?.isLite, far, iceLite);
      assert.equal(/^a=ice-lite\r$/m.test(toAlice), near);
      assert.equal(/^a=ice-lite\r$/m.test(toBob), far);
      assert.equal(lab.settingsOf(portIn(toBob)).ice?.isControlling, !far);
    }
  });
});

suite("call: ICE restarts", (test) => {
  function established(): { readonly lab: Lab; readonly near: number; readonly far: number } {
    const lab = new Lab();
    const far = portIn(lab.body(offer({ sdp: alice() })));
    return { lab, near: portIn(lab.body(answer({ sdp: bob() }))), far };
  }

  test("a refresh with the same credentials is none", () => {
    const { lab, near } = established();
    const before = lab.settingsOf(near).ice;
    lab.body(offer({ to: "bob", sdp: alice({}, 2) }));
    const text = lab.body(answer({ sdp: bob({}, 2) }));
    assert.deepEqual(lab.settingsOf(near).ice, before);
    assert.equal(mediaOf(text).ice?.ufrag, before?.localUfrag);
  });

  test("the offerer's restart comes into force with our answer, with new credentials; the callee is left alone", () => {
    const { lab, near, far } = established();
    const [before, peer] = [lab.settingsOf(near).ice, lab.settingsOf(far).ice];
    lab.body(offer({ to: "bob", sdp: alice({ ice: { ufrag: "newU" } }, 2) }));
    assert.deepEqual(lab.settingsOf(near).ice, before);
    const text = lab.body(answer({ sdp: bob({}, 2) }));
    const after = lab.settingsOf(near).ice;
    assert.deepEqual([after?.restart, after?.remote?.ufrag], [2, "newU"]);
    assert.notEqual(after?.localUfrag, before?.localUfrag);
    assert.notEqual(after?.localPassword, before?.localPassword);
    assert.equal(mediaOf(text).ice?.ufrag, after?.localUfrag);
    assert.deepEqual(lab.settingsOf(far).ice, peer);
  });

  test("a new pair towards the callee restarts with him", () => {
    const { lab, far } = established();
    const before = lab.settingsOf(far).ice;
    const options = { direction: ["default", "inside"] as const };
    const text = lab.body(offer({ to: "bob", sdp: alice({}, 2), options }));
    const after = lab.settingsOf(portIn(text)).ice;
    assert.notEqual(portIn(text), far);
    assert.deepEqual([after?.restart, after?.remote], [2, undefined]);
    assert.notEqual(after?.localUfrag, before?.localUfrag);
  });

  test("another device that answers the same offer is another remote", () => {
    const { lab, far } = established();
    lab.body(answer({ to: "bob-2", sdp: bob({ ice: { ufrag: "secondU" } }) }));
    const ice = lab.settingsOf(far).ice;
    assert.deepEqual([ice?.remote?.ufrag, ice?.restart, ice?.candidates.length], ["secondU", 2, 1]);
  });
});

suite("call: trickle ICE", (test) => {
  test("candidates that follow are added, to the generation they name", () => {
    const lab = new Lab();
    lab.body(offer({ sdp: alice({ extra: ["a=ice-options:trickle"] }) }));
    const toAlice = lab.body(answer({ sdp: bob() }));
    assert.match(toAlice, /^a=ice-options:trickle\r$/m);
    assert.match(toAlice, /^a=end-of-candidates\r$/m);
    const port = portIn(toAlice);
    const lines = ["a=ice-ufrag:aliceU", "m=audio 9 RTP/AVP 0", "a=mid:0", candidateLine];
    const noMid = lines.filter((line) => !line.startsWith("a=mid"));
    assert.deepEqual(lab.ask(fragment({ to: "bob" }, noMid)), { kind: "done" });
    assert.deepEqual(
      lab.settingsOf(port).ice?.candidates.map(({ endpoint }) => endpoint.ip),
      ["203.0.113.5", "192.0.2.77"],
    );
    lab.ask(fragment({ to: "bob" }, noMid));
    assert.equal(lab.settingsOf(port).ice?.candidates.length, 2, "the same again adds nothing");
    const foreign = noMid.map((line) => line.replace("aliceU", "otherU").replace("192.0.2.77", "192.0.2.78"));
    lab.ask(fragment({ to: "bob" }, foreign));
    assert.equal(lab.settingsOf(port).ice?.candidates.length, 2);
  });

  test("those that come before their answer wait for it", () => {
    const lab = new Lab();
    const toBob = lab.body(offer({ branch: "b1", sdp: alice() }));
    const lines = ["a=ice-ufrag:bobU", "m=audio 9 RTP/AVP 0", candidateLine];
    assert.deepEqual(lab.ask(fragment({ from: "bob", to: "alice", branch: "b1" }, lines)), { kind: "done" });
    assert.deepEqual(lab.settingsOf(portIn(toBob)).ice?.candidates, []);
    lab.body(answer({ branch: "b1", sdp: bob() }));
    assert.equal(lab.settingsOf(portIn(toBob)).ice?.candidates.length, 2);
  });

  test("no call, no ICE, no sense: nothing happens", () => {
    const lab = new Lab();
    assert.deepEqual(lab.ask(fragment({}, [candidateLine])), { kind: "done" });
    lab.body(offer());
    lab.body(answer());
    assert.deepEqual(lab.ask(fragment({ to: "bob" }, [candidateLine])), { kind: "done" });
    assert.deepEqual(lab.ask(fragment({ to: "bob" }, ["hello"])), {
      kind: "refused",
      reason: "sdp-malformed",
    });
  });

  test("0.0.0.0 port 9 of a trickling offer is no hold", () => {
    const lab = new Lab();
    const early = body({
      ip: "0.0.0.0",
      media: [{ port: 9, ice: { ufrag: "aliceU", candidates: [] }, extra: ["a=ice-options:trickle"] }],
    });
    const toBob = lab.body(offer({ sdp: early }));
    assert.match(toBob, /^a=sendrecv\r$/m);
    const toAlice = lab.body(answer({ sdp: bob() }));
    assert.deepEqual(
      [lab.settingsOf(portIn(toAlice)).mayReceive, lab.settingsOf(portIn(toAlice)).rtpTarget],
      [true, undefined],
    );
  });

  test("trickle-ICE in our offers", () => {
    const text = new Lab().body(offer({ sdp: alice(), options: { tricklesIce: true } }));
    assert.match(text, /^a=ice-options:trickle\r$/m);
  });
});

suite("call: ICE in reports", (test) => {
  test("what was selected, and that it failed", () => {
    const lab = new Lab();
    lab.body(offer({ sdp: alice() }));
    const pair = lab.pairOf(portIn(lab.body(answer({ sdp: bob() }))));
    const report = () => {
      const reply = lab.ask({ kind: "query", callId: "call-1", fromTag: "alice", toTag: undefined });
      assert.ok(reply.kind === "report");
      return reply.report.legs.find(({ tag }) => tag === "alice")?.media[0]?.ice;
    };
    const remote = { ip: ip("192.0.2.1"), port: 6000 };
    const tell = (event: Parameters<typeof lab.calls.handleRelayEvent>[1]) =>
      lab.take(lab.calls.handleRelayEvent(lab.nowMs, event));
    tell({ kind: "ice-selected", pair, component: "rtp", remote });
    assert.deepEqual(report(), { isControlling: false, isLite: false, selected: remote, failure: undefined });
    tell({ kind: "ice-failed", pair, reason: "consent-lost" });
    assert.equal(report()?.failure, "consent-lost");
  });
});

suite("call: passthrough", (test) => {
  const secured = {
    protocol: "UDP/TLS/RTP/SAVPF",
    setup: "actpass",
    fingerprint: `sha-1 ${"AB:".repeat(19)}AB`,
  };

  for (const [title, options] of [
    ["passthrough", { passthrough: true }],
    ["ICE=optional", { ice: "optional" }],
  ] as const) {
    test(`${title}: keys and ICE go through as they came, our candidate behind them`, () => {
      const lab = new Lab();
      const toBob = lab.body(offer({ sdp: alice(secured), options }));
      assert.match(toBob, /^a=ice-ufrag:aliceU\r$/m);
      assert.match(toBob, /^a=setup:actpass\r$/m);
      assert.match(toBob, /^a=candidate:1 1 UDP 2130706431 203\.0\.113\.5 4000 typ host\r$/m);
      assert.match(toBob, /^a=candidate:\S+ 1 UDP 16777215 198\.51\.100\.1 \d+ typ host\r$/m);
      const answered = { ...secured, setup: "active", port: 5000 };
      const toAlice = lab.body(answer({ sdp: bob(answered) }));
      assert.match(toAlice, /^a=ice-ufrag:bobU\r$/m);
      assert.match(toAlice, /^a=setup:active\r$/m);
      for (const text of [toBob, toAlice]) {
        const settings = lab.settingsOf(portIn(text));
        assert.deepEqual([settings.security, settings.ice], [{ kind: "passed" }, undefined]);
      }
      const again: OfferRequest = offer({ to: "bob", sdp: alice(secured, 2) });
      assert.match(lab.body(again), /^a=ice-ufrag:aliceU\r$/m, "it stays so");
    });
  }

  test("no-passthrough takes it back", () => {
    const lab = new Lab();
    lab.body(offer({ sdp: alice(), options: { passthrough: true } }));
    lab.body(answer({ sdp: bob() }));
    const text = lab.body(offer({ to: "bob", sdp: alice({}, 2), options: { passthrough: false } }));
    assert.notEqual(mediaOf(text).ice?.ufrag, "aliceU");
    const last: AnswerRequest = answer({ sdp: bob({}, 2) });
    assert.equal(lab.settingsOf(portIn(lab.body(last))).security.kind, "none");
  });

  test("force-relay leaves the offerer's place of RTCP in a=rtcp", () => {
    for (const [said, told] of [
      ["a=rtcp:5001 IN IP4 203.0.113.9", "a=rtcp:5001 IN IP4 203.0.113.9"],
      ["a=rtcp:5001 IN IP4 203.0.113.5", "a=rtcp:5001"],
      ["a=rtcp:5001", "a=rtcp:5001"],
    ] as const) {
      const offered = alice().replace("a=ice-ufrag", `${said}\r\na=ice-ufrag`);
      const text = new Lab().body(offer({ sdp: offered, options: { ice: "force-relay" } }));
      assert.equal(/^a=rtcp:.*$/m.exec(text)?.[0].trimEnd(), told);
    }
  });

  test("force-relay leaves the offerer's place in c= and m=", () => {
    const text = new Lab().body(offer({ sdp: alice(), options: { ice: "force-relay" } }));
    assert.match(text, /^m=audio 4000 /m);
    assert.match(text, /^c=IN IP4 203\.0\.113\.5\r$/m);
    assert.match(text, /typ relay raddr 198\.51\.100\.1/);
  });
});
