import assert from "node:assert/strict";
import type { MediaOptions } from "../../../src/call/requests.ts";
import type { SourceHint } from "../../../src/core/plan/plan.ts";
import { suite } from "../../support/suite.ts";
import { answer, familyIn, ip, Lab, type LabParts, offer, portIn, sdp } from "./lab.ts";

interface Case {
  readonly title: string;
  readonly sdpIp: string;
  readonly options?: Partial<MediaOptions>;
  readonly lab?: LabParts;
  readonly target: string | undefined;
  readonly hints: readonly (readonly [SourceHint["origin"], string, boolean])[];
}

const natted = ip("203.0.113.50");

const cases: readonly Case[] = [
  {
    title: "a public address is the target, and its IP proves",
    sdpIp: "203.0.113.5",
    target: "203.0.113.5",
    hints: [["sdp", "203.0.113.5", true]],
  },
  {
    title: "a private address behind NAT: where SIP came from, with the SDP's port",
    sdpIp: "192.168.1.5",
    options: { receivedFrom: natted },
    target: "203.0.113.50",
    hints: [
      ["sdp", "192.168.1.5", false],
      ["received-from", "203.0.113.50", true],
    ],
  },
  {
    title: "a private address on a network of ours is reached and proves",
    sdpIp: "10.0.0.77",
    options: { receivedFrom: natted },
    target: "10.0.0.77",
    hints: [
      ["sdp", "10.0.0.77", true],
      ["received-from", "203.0.113.50", true],
    ],
  },
  {
    title: "SIP that came through a known proxy says nothing about media",
    sdpIp: "192.168.1.5",
    options: { receivedFrom: natted },
    lab: { proxies: ["203.0.113.50"] },
    target: "192.168.1.5",
    hints: [["sdp", "192.168.1.5", false]],
  },
  {
    title: "received-from 0.0.0.0 is none",
    sdpIp: "192.168.1.5",
    options: { receivedFrom: ip("0.0.0.0") },
    target: "192.168.1.5",
    hints: [["sdp", "192.168.1.5", false]],
  },
  {
    title: "SIP-source-address: the SDP's address does not count",
    sdpIp: "203.0.113.5",
    options: { receivedFrom: natted, trustsSdpAddress: false },
    target: "203.0.113.50",
    hints: [["received-from", "203.0.113.50", true]],
  },
  {
    title: "our own address proves by port alone",
    sdpIp: "198.51.100.1",
    target: "198.51.100.1",
    hints: [["sdp", "198.51.100.1", false]],
  },
];

/** A relay that is reached on loopback and on a link-local network besides. */
const localInterfaces = ["127.0.0.1", "169.254.7.1", "198.51.100.1"].map((text) => ({
  name: text,
  family: 4 as const,
  localIp: ip(text),
  advertisedIp: ip(text),
}));

function summary(hints: readonly SourceHint[]): readonly (readonly [string, string, boolean])[] {
  return hints.map((hint) => [hint.origin, hint.endpoint.ip, hint.isIpUsable]);
}

suite("call: addresses", (test) => {
  for (const one of cases) {
    test(one.title, () => {
      const lab = new Lab(one.lab);
      lab.body(offer({ sdp: sdp({ ip: one.sdpIp }), ...(one.options ? { options: one.options } : {}) }));
      const facingAlice = lab.settingsOf(portIn(lab.body(answer())));
      assert.equal(facingAlice.rtpTarget?.ip, one.target);
      assert.equal(facingAlice.rtpTarget?.port, 4000);
      assert.equal(facingAlice.rtcpTarget?.ip, one.target);
      assert.equal(facingAlice.rtcpTarget?.port, 4001);
      assert.deepEqual(summary(facingAlice.hints), one.hints);
    });
  }

  for (const sdpIp of ["127.0.0.1", "127.8.9.10", "169.254.169.254", "::1", "fe80::1"]) {
    test(`${sdpIp} is no target of a socket on a real network, whoever names it`, () => {
      const named = {
        "by SDP": sdp({ ip: sdpIp }),
        "for RTCP alone": sdp({ extra: [`a=rtcp:4999 IN IP${sdpIp.includes(":") ? 6 : 4} ${sdpIp}`] }),
      };
      for (const [how, body] of Object.entries(named)) {
        const lab = new Lab();
        lab.body(offer({ sdp: body }));
        const { rtpTarget, rtcpTarget } = lab.settingsOf(portIn(lab.body(answer())));
        assert.equal(rtpTarget?.ip, how === "by SDP" ? undefined : "203.0.113.5", how);
        assert.equal(rtcpTarget, undefined, how);
      }
      const lab = new Lab();
      lab.body(offer({ sdp: sdp({ ip: sdpIp }), options: { receivedFrom: ip(sdpIp) } }));
      assert.equal(lab.settingsOf(portIn(lab.body(answer()))).rtpTarget, undefined, "SIP from there");
    });
  }

  test("loopback with a place where SIP came from: that", () => {
    const lab = new Lab();
    lab.body(offer({ sdp: sdp({ ip: "127.0.0.1" }), options: { receivedFrom: natted } }));
    assert.equal(lab.settingsOf(portIn(lab.body(answer()))).rtpTarget?.ip, natted);
  });

  test("a socket on loopback or a link-local address sends to its like", () => {
    for (const [name, sdpIp, isTarget] of [
      ["127.0.0.1", "127.0.0.2", true],
      ["169.254.7.1", "169.254.7.9", true],
      ["127.0.0.1", "169.254.7.9", false],
      ["198.51.100.1", "127.0.0.1", false],
    ] as const) {
      const lab = new Lab({ options: { interfaces: localInterfaces } });
      lab.body(offer({ sdp: sdp({ ip: sdpIp }), options: { direction: [name, "198.51.100.1"] } }));
      const { rtpTarget, rtcpTarget } = lab.settingsOf(portIn(lab.body(answer())));
      assert.equal(rtpTarget?.ip, isTarget ? sdpIp : undefined, `${name} to ${sdpIp}`);
      assert.equal(rtcpTarget?.ip, isTarget ? sdpIp : undefined, `${name} to ${sdpIp}`);
    }
  });

  test("a=rtcp names another place for RTCP", () => {
    const lab = new Lab();
    lab.body(offer({ sdp: sdp({ extra: ["a=rtcp:4999 IN IP4 203.0.113.55"] }) }));
    const { rtcpTarget, hints } = lab.settingsOf(portIn(lab.body(answer())));
    assert.deepEqual(summary(hints).at(-1), ["sdp-rtcp", "203.0.113.55", true]);
    assert.deepEqual(rtcpTarget, { ip: ip("203.0.113.55"), port: 4999 });
  });

  test("an IP that carries other calls' media does not prove by itself", () => {
    const lab = new Lab();
    lab.body(offer());
    const first = portIn(lab.body(answer()));
    assert.equal(lab.settingsOf(first).hints[0]?.isIpUsable, true);
    const source = { ip: ip("203.0.113.5"), port: 4000 };
    const pair = lab.pairOf(first);
    lab.take(
      lab.calls.handleRelayEvent(lab.nowMs, {
        kind: "source-proven",
        pair,
        component: "rtp",
        source,
        evidence: "signalled",
      }),
    );
    lab.body(offer({ to: "bob" }));
    assert.equal(lab.settingsOf(first).hints[0]?.isIpUsable, true, "its own call still counts");
    lab.body(offer({ callId: "call-2", sdp: sdp({ port: 4010 }) }));
    const second = portIn(lab.body(answer({ callId: "call-2" })));
    assert.equal(lab.settingsOf(second).hints[0]?.isIpUsable, false);
    assert.equal(
      lab.settingsOf(second).hints[0]?.isIpShared,
      true,
      "the party is expected there all the same",
    );
    lab.ask({
      kind: "delete",
      callId: "call-1",
      fromTag: undefined,
      toTag: undefined,
      viaBranch: undefined,
      deleteDelaySec: 0,
    });
    lab.body(offer({ callId: "call-2", to: "bob", sdp: sdp({ port: 4010 }) }));
    assert.equal(lab.settingsOf(second).hints[0]?.isIpUsable, true, "it is free again");
  });

  test("address-family bridges; each party sees its own family and is sent to in it", () => {
    const lab = new Lab();
    const toBob = lab.body(offer({ options: { addressFamily: 6 } }));
    assert.equal(familyIn(toBob), 6);
    const toAlice = lab.body(answer({ sdp: sdp({ ip: "2001:db8:1::6", port: 5000 }) }));
    assert.equal(familyIn(toAlice), 4);
    assert.equal(lab.settingsOf(portIn(toBob)).rtpTarget?.ip, "2001:db8:1::6");
    const reoffer = lab.body(
      offer({ from: "bob", to: "alice", sdp: sdp({ ip: "2001:db8:1::6", port: 5000 }) }),
    );
    assert.equal(familyIn(reoffer), 4);
    assert.equal(portIn(reoffer), portIn(toAlice));
    assert.equal(familyIn(lab.body(offer({ to: "bob" }))), 6, "without asking again");
  });

  test("a party that moves to the other family gets a port of that family", () => {
    const lab = new Lab();
    const toBob = portIn(lab.body(offer()));
    lab.body(answer());
    assert.equal(
      portIn(lab.body(offer({ to: "bob", sdp: sdp({ ip: "2001:db8:1::5", version: 2 }) }))),
      toBob,
    );
    const toAlice = lab.body(answer());
    assert.equal(familyIn(toAlice), 6);
    assert.equal(lab.settingsOf(portIn(toAlice)).rtpTarget?.ip, "2001:db8:1::5");
    assert.equal(lab.relay.open.size, 2);
  });

  test("direction picks interfaces by name, keeps them, and falls back with a warning", () => {
    const lab = new Lab();
    const toBob = lab.body(offer({ options: { direction: ["default", "inside"] } }));
    assert.match(toBob, /^c=IN IP4 10\.0\.0\.1\r$/m);
    assert.match(lab.body(answer()), /^c=IN IP4 198\.51\.100\.1\r$/m);
    assert.equal(portIn(lab.body(offer({ to: "bob" }))), portIn(toBob));
    assert.deepEqual(lab.warnings, []);
    lab.body(offer({ callId: "other", options: { direction: ["nowhere", "default"] } }));
    assert.deepEqual(lab.warnings, ["Interface 'nowhere' not found, using default"]);
  });

  test("an empty direction names nobody; internal and external are IPv4 and IPv6 without such interfaces", () => {
    const lab = new Lab();
    assert.match(lab.body(offer({ options: { direction: ["", "inside"] } })), /^c=IN IP4 10\.0\.0\.1\r$/m);
    const toBob = lab.body(offer({ callId: "six", options: { direction: ["internal", "external"] } }));
    assert.match(toBob, /^c=IN IP6 2001:db8::1\r$/m);
    const bobs = sdp({ ip: "2001:db8:1::6", port: 5000 });
    assert.match(lab.body(answer({ callId: "six", sdp: bobs })), /^c=IN IP4 198\.51\.100\.1\r$/m);
    assert.equal(portIn(lab.body(offer({ callId: "six", to: "bob" }))), portIn(toBob));
    assert.deepEqual(lab.warnings, []);
  });

  test("media-address changes what is written and nothing else", () => {
    const lab = new Lab();
    const toBob = lab.body(offer({ options: { mediaAddress: ip("192.0.2.99") } }));
    assert.match(toBob, /^c=IN IP4 192\.0\.2\.99\r$/m);
    assert.equal(lab.relay.open.get(lab.pairOf(portIn(toBob)))?.family, 4);
  });

  test("TOS is the call's: asked for, configured, or kept", () => {
    const lab = new Lab();
    lab.body(offer({ options: { tos: 184 } }));
    assert.deepEqual(
      [...lab.relay.open.values()].map((pair) => pair.tos),
      [184, 184],
    );
    lab.body(offer({ branch: "b2", options: { tos: -1 } }));
    assert.deepEqual(
      [...lab.relay.open.values()].map((pair) => pair.tos),
      [184, 184, 184],
    );
    lab.body(offer({ callId: "other", options: { tos: 256 } }));
    assert.equal([...lab.relay.open.values()].at(-1)?.tos, undefined);
  });

  test("learning flags are those of the party that spoke", () => {
    const lab = new Lab();
    const learning = { isAsymmetric: true, isStrict: true, followsAnySource: false, mode: "off" } as const;
    const toBob = portIn(lab.body(offer({ options: { learning } })));
    const toAlice = portIn(lab.body(answer()));
    assert.deepEqual(lab.settingsOf(toAlice).learning, learning);
    assert.equal(lab.settingsOf(toBob).learning.isStrict, false);
  });

  test("strict by configuration holds for every leg, and leaves other words as they are", () => {
    const lab = new Lab({ options: { isStrict: true } });
    const learning = {
      isAsymmetric: true,
      isStrict: false,
      followsAnySource: true,
      mode: "immediate",
    } as const;
    const toBob = portIn(lab.body(offer({ options: { learning } })));
    assert.equal(lab.settingsOf(toBob).learning.isStrict, true);
    const toAlice = portIn(lab.body(answer()));
    assert.deepEqual(lab.settingsOf(toAlice).learning, { ...learning, isStrict: true });
    lab.body(answer());
    assert.equal(lab.settingsOf(toBob).learning.isStrict, true);
  });

  test("a pair knows its place in its call until it is closed", () => {
    const lab = new Lab();
    const toBob = lab.pairOf(portIn(lab.body(offer({ callId: "where" }))));
    const toAlice = lab.pairOf(portIn(lab.body(answer({ callId: "where" }))));
    const place = { callId: "where", media: 1, type: "audio" };
    assert.deepEqual(lab.calls.placeOf(toAlice), { ...place, leg: 1, tag: "alice" });
    assert.deepEqual(lab.calls.placeOf(toBob), { ...place, leg: 2, tag: "bob" });
    lab.calls.kill(lab.nowMs, "where");
    assert.equal(lab.calls.placeOf(toBob), undefined);
  });
});
