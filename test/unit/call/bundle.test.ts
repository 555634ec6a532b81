/** BUNDLE (RFC 8843): kept towards a party that bundles, taken apart towards one that does not. */
import assert from "node:assert/strict";
import type { BundleItem, MediaOptions } from "../../../src/call/requests.ts";
import { suite } from "../../support/suite.ts";
import { answer, type Lab, offer, portIn, portsIn } from "./lab.ts";
import { apart, audio, groupOf, line, midExtension, page, protocol } from "./pages.ts";
import { body, type MediaShape, mediaOf, read, secureLab } from "./parties.ts";

const video = line({
  kind: "video",
  port: 4002,
  mid: "1",
  types: "96",
  extra: [midExtension, "a=ssrc:77 cname:x"],
});
/** max-bundle: the second m-line has no transport of its own. */
const bundleOnly: MediaShape = {
  kind: "video",
  port: 0,
  protocol,
  types: "96",
  mid: "1",
  extra: ["a=bundle-only", midExtension, "a=ssrc:77 cname:x"],
};

const bobsAudio: MediaShape = { port: 5000, types: "0" };
const bobsVideo: MediaShape = { kind: "video", port: 5002, types: "96" };
const toPlain: Partial<MediaOptions> = { transportProtocol: "RTP/AVP", ice: "remove" };

function connected(lab: Lab, said: string): { readonly toBob: string; readonly toAlice: string } {
  const toBob = lab.body(offer({ sdp: said, options: toPlain }));
  return { toBob, toAlice: lab.body(answer({ sdp: apart([bobsAudio, bobsVideo]) })) };
}

suite("call: a bundling caller and a callee that does not", (test) => {
  for (const [policy, said] of [
    ["balanced", page([audio, video])],
    ["max-bundle", page([audio, bundleOnly])],
  ] as const) {
    test(`${policy}: one transport to the caller, two to the callee`, () => {
      const lab = secureLab();
      const { toBob, toAlice } = connected(lab, said);
      assert.equal(groupOf(toBob), undefined);
      const [bobAudio, bobVideo] = portsIn(toBob);
      assert.ok(bobAudio !== undefined && bobVideo !== undefined && bobVideo > 0 && bobAudio !== bobVideo);
      assert.equal(groupOf(toAlice), "0 1");
      const [first, second] = read(toAlice).media;
      assert.deepEqual(portsIn(toAlice), [first?.port, first?.port]);
      for (const name of ["ice", "fingerprints", "setup", "rtcpMux", "remote"] as const) {
        assert.deepEqual(second?.[name], first?.[name], name);
      }
      const carrier = lab.pairOf(portIn(toAlice));
      const settings = lab.settingsOf(portIn(toAlice));
      assert.deepEqual(settings.bundle, { carrier, mid: "0", midExtension: undefined, ssrcs: [] });
      assert.deepEqual([settings.security.kind, settings.ice?.remote?.ufrag], ["dtls", "aliceU"]);
      assert.equal(settings.peer, lab.pairOf(bobAudio));
      const member = lab.relay.settings.get(lab.settingsOf(bobVideo).peer ?? carrier);
      assert.deepEqual(member?.bundle, { carrier, mid: "1", midExtension: 4, ssrcs: [77] });
      assert.deepEqual(
        [member?.security, member?.ice],
        [{ kind: "sdes", receive: [], send: undefined }, undefined],
      );
      assert.equal(member?.peer, lab.pairOf(bobVideo));
      assert.equal(lab.settingsOf(bobAudio).bundle, undefined);
    });
  }

  test("rtcp-mux is the caller's although the callee has none", () => {
    const lab = secureLab();
    const { toBob, toAlice } = connected(lab, page([audio, video]));
    assert.deepEqual(
      read(toAlice).media.map(({ rtcpMux }) => rtcpMux),
      [true, true],
    );
    assert.equal(lab.settingsOf(portIn(toAlice)).rtcpMux, true);
    assert.equal(lab.settingsOf(portIn(toBob)).rtcpMux, false);
  });

  test("one m-line in a bundle is answered as one, and needs nothing of the relay", () => {
    const lab = secureLab();
    lab.body(offer({ sdp: page([audio], "0"), options: toPlain }));
    const toAlice = lab.body(answer({ sdp: apart([bobsAudio]) }));
    assert.equal(groupOf(toAlice), "0");
    assert.equal(lab.settingsOf(portIn(toAlice)).bundle, undefined);
  });

  test("what the callee rejects leaves the bundle; the next one carries", () => {
    const lab = secureLab();
    lab.body(offer({ sdp: page([audio, video]), options: toPlain }));
    const noVideo = lab.body(answer({ sdp: apart([bobsAudio, { ...bobsVideo, port: 0 }]) }));
    assert.equal(groupOf(noVideo), "0");
    assert.equal(portsIn(noVideo)[1], 0);
    const other = secureLab();
    other.body(offer({ sdp: page([audio, video]), options: toPlain }));
    const noAudio = other.body(answer({ sdp: apart([{ ...bobsAudio, port: 0 }, bobsVideo]) }));
    assert.equal(groupOf(noAudio), "1");
    assert.equal(portsIn(noAudio)[0], 0);
    assert.ok((portsIn(noAudio)[1] ?? 0) > 0);
  });

  test("bundle=reject: no group, and what has no transport of its own is rejected", () => {
    const lab = secureLab();
    const options = { ...toPlain, bundle: new Set<BundleItem>(["reject"]) };
    const toBob = lab.body(offer({ sdp: page([audio, bundleOnly]), options }));
    assert.equal(portsIn(toBob)[1], 0);
    const toAlice = lab.body(answer({ sdp: apart([bobsAudio, { ...bobsVideo, port: 0 }]) }));
    assert.equal(groupOf(toAlice), undefined);
  });

  test("m-lines nobody could tell apart do not share a transport", () => {
    const lab = secureLab();
    const same = line({ port: 4002, mid: "1", types: "111" });
    lab.body(offer({ sdp: page([audio, same]), options: toPlain }));
    const toAlice = lab.body(answer({ sdp: apart([bobsAudio, { ...bobsVideo, kind: "audio" }]) }));
    assert.equal(groupOf(toAlice), "0");
    assert.notEqual(portsIn(toAlice)[0], portsIn(toAlice)[1]);
  });

  test("where payload types do not tell m-lines apart, the mid in RTP headers is confirmed", () => {
    const lab = secureLab();
    const twin = (port: number, mid: string, extra: readonly string[]) =>
      line({ port, mid, types: "111", extra });
    const said = page([twin(4000, "0", [midExtension]), twin(4002, "1", [midExtension])]);
    lab.body(offer({ sdp: said, options: toPlain }));
    const bobs = (port: number): MediaShape => ({ port, types: "111" });
    const sdp = apart([bobs(5000), bobs(5002)]);
    const toAlice = lab.body(answer({ sdp }));
    assert.equal(groupOf(toAlice), "0 1");
    assert.deepEqual(toAlice.match(/^a=extmap.*$/gm), [midExtension, midExtension]);
    const named = page([twin(4000, "0", [midExtension, "a=ssrc:7"]), twin(4002, "1", ["a=ssrc:8"])]);
    lab.body(offer({ callId: "call-2", sdp: named, options: toPlain }));
    assert.doesNotMatch(lab.body(answer({ callId: "call-2", sdp })), /extmap/);
    const { toAlice: usual } = connected(secureLab(), page([audio, video]));
    assert.doesNotMatch(usual, /extmap/);
  });

  test("a data channel beside RTP is rejected, alone it passes", () => {
    const channel = line({
      kind: "application",
      port: 4004,
      protocol: "UDP/DTLS/SCTP",
      types: "webrtc-datachannel",
      mid: "2",
    });
    const lab = secureLab();
    const toBob = lab.body(offer({ sdp: page([audio, { ...channel, hasMux: false }], "0 2") }));
    assert.deepEqual(portsIn(toBob).slice(1), [0]);
    const alone = secureLab().body(offer({ sdp: page([channel], "2") }));
    assert.ok(portIn(alone) > 0);
    assert.notEqual(mediaOf(alone).ice?.ufrag, "aliceU");
    assert.notEqual(mediaOf(alone).ice, undefined);
  });
});

suite("call: a bundle over re-offers", (test) => {
  test("the carrier's transport outlives its m-line", () => {
    const lab = secureLab();
    const { toAlice } = connected(lab, page([audio, video]));
    const port = portIn(toAlice);
    const { ice } = mediaOf(toAlice);
    const noAudio = page([{ ...audio, port: 0 }, video], "1", 2);
    const toBob = lab.body(offer({ to: "bob", sdp: noAudio }));
    assert.equal(portsIn(toBob)[0], 0);
    const again = lab.body(answer({ sdp: apart([{ ...bobsAudio, port: 0 }, bobsVideo], 2) }));
    assert.equal(groupOf(again), "1");
    assert.deepEqual(portsIn(again), [0, port]);
    assert.deepEqual(
      [mediaOf(again, 1).ice?.ufrag, mediaOf(again, 1).ice?.password],
      [ice?.ufrag, ice?.password],
    );
    assert.equal(lab.relay.open.size, 2, "the other pairs are closed");
    const security = lab.settingsOf(port).security;
    assert.equal(security.kind === "dtls" && security.association, 1);
    assert.equal(lab.settingsOf(port).peer, lab.pairOf(portsIn(toBob)[1] ?? 0));
  });

  test("an added m-line joins it", () => {
    const lab = secureLab();
    lab.body(offer({ sdp: page([audio], "0"), options: toPlain }));
    const first = lab.body(answer({ sdp: apart([bobsAudio]) }));
    lab.body(offer({ to: "bob", sdp: page([audio, bundleOnly], "0 1", 2), options: toPlain }));
    const second = lab.body(answer({ sdp: apart([bobsAudio, bobsVideo], 2) }));
    assert.deepEqual(portsIn(second), [portIn(first), portIn(first)]);
    assert.equal(groupOf(second), "0 1");
  });

  test("the callee's re-offer goes to the caller as the bundle he has", () => {
    const lab = secureLab();
    const { toAlice } = connected(lab, page([audio, video]));
    const bobs = apart([bobsAudio, bobsVideo], 2);
    const again = lab.body(offer({ from: "bob", to: "alice", sdp: bobs }));
    assert.equal(groupOf(again), "0 1");
    assert.deepEqual(portsIn(again), portsIn(toAlice));
    assert.deepEqual(
      read(again).media.map(({ mid }) => mid),
      ["0", "1"],
    );
    assert.equal(mediaOf(again).setup, "actpass");
    assert.equal(mediaOf(again).ice?.ufrag, mediaOf(toAlice).ice?.ufrag);
    const alices = page(
      [
        { ...audio, setup: "passive" },
        { ...video, port: 4000, setup: "passive" },
      ],
      "0 1",
      2,
    );
    const toBob = lab.body(answer({ from: "bob", to: "alice", sdp: alices }));
    assert.equal(groupOf(toBob), undefined);
    const { security, bundle } = lab.settingsOf(portIn(toAlice));
    assert.ok(security.kind === "dtls" && security.association === 1 && security.role === "client");
    assert.equal(bundle?.carrier, lab.pairOf(portIn(toAlice)));
  });

  test("the callee's re-offer keeps a bundle of like payload types, and the mid in its headers", () => {
    const lab = secureLab();
    const twin = (mid: string, extra: readonly string[]) =>
      line({ port: mid === "0" ? 4000 : 4002, mid, types: "111", extra });
    const bobs = (extra: readonly string[]) => [
      { port: 5000, types: "111", extra },
      { port: 5002, types: "111" },
    ];
    lab.body(offer({ sdp: page([twin("0", [midExtension]), twin("1", [midExtension])]), options: toPlain }));
    const toAlice = lab.body(answer({ sdp: apart(bobs([])) }));
    const { bundle } = lab.settingsOf(portIn(toAlice));
    for (const version of [2, 3]) {
      const sdp = apart(bobs(["a=sendonly"]), version);
      const again = lab.body(offer({ from: "bob", to: "alice", sdp }));
      assert.equal(groupOf(again), "0 1");
      assert.deepEqual(portsIn(again), portsIn(toAlice));
      assert.deepEqual(again.match(/^a=extmap.*$/gm), [midExtension, midExtension]);
      assert.deepEqual(lab.settingsOf(portIn(toAlice)).bundle, bundle, "until it is answered");
      const alices = page([twin("0", [midExtension]), twin("1", [midExtension])], "0 1", version);
      assert.doesNotMatch(lab.body(answer({ from: "bob", to: "alice", sdp: alices })), /BUNDLE/);
      assert.deepEqual(lab.settingsOf(portIn(toAlice)).bundle, bundle);
    }
  });

  test("what only SSRCs tell apart stays in the bundle when the callee offers", () => {
    const lab = secureLab();
    const alices = (setup: string) =>
      page([
        line({ mid: "0", types: "0", setup, extra: ["a=ssrc:7"] }),
        line({ mid: "1", types: "0", setup, extra: ["a=ssrc:8"] }),
      ]);
    const bobs = [{ types: "0" }, { port: 5002, types: "0" }];
    lab.body(offer({ sdp: alices("actpass"), options: toPlain }));
    const toAlice = lab.body(answer({ sdp: apart(bobs) }));
    const again = lab.body(offer({ from: "bob", to: "alice", sdp: apart(bobs, 2) }));
    assert.deepEqual([groupOf(again), portsIn(again)], ["0 1", portsIn(toAlice)]);
    assert.doesNotMatch(again, /extmap/);
  });

  test("the mid is named where the callee's payload types are alike under numbers of his own", () => {
    const lab = secureLab();
    const said = [
      line({ mid: "0", types: "111", extra: [midExtension] }),
      line({ mid: "1", types: "112", extra: [midExtension] }),
    ];
    lab.body(offer({ sdp: page(said), options: toPlain }));
    const bobs = [{ types: "96" }, { port: 5002, types: "96" }];
    const toAlice = lab.body(answer({ sdp: apart(bobs), options: { allowsOtherTypes: true } }));
    assert.equal(groupOf(toAlice), "0 1");
    assert.deepEqual(toAlice.match(/^a=extmap.*$/gm), [midExtension, midExtension]);
  });

  test("an m-line the callee adds is offered to the caller like those he has, flags or not", () => {
    const lab = secureLab();
    lab.body(offer({ sdp: page([audio], "0"), options: toPlain }));
    const first = lab.body(answer({ sdp: apart([bobsAudio]) }));
    const again = lab.body(offer({ from: "bob", to: "alice", sdp: apart([bobsAudio, bobsVideo], 2) }));
    const [, added] = read(again).media;
    assert.equal(added?.protocol.name, protocol);
    assert.equal(added?.ice?.ufrag, mediaOf(first).ice?.ufrag);
    assert.deepEqual(portsIn(again), [portIn(first), portIn(first)]);
    assert.equal(groupOf(again), "0 2");
    const alices = [
      line({ mid: "0", types: "0", setup: "passive" }),
      line({ kind: "video", mid: "2", types: "96" }),
    ];
    const toBob = lab.body(answer({ from: "bob", to: "alice", sdp: page(alices, "0 2", 2) }));
    assert.deepEqual(
      read(toBob).media.map(({ protocol: told, port }) => [told.name, port > 0]),
      [
        ["RTP/AVP", true],
        ["RTP/AVP", true],
      ],
    );
    const carrier = lab.pairOf(portIn(first));
    const video = lab.settingsOf(portsIn(toBob)[1] ?? 0).peer ?? carrier;
    assert.equal(lab.relay.settings.get(video)?.bundle?.carrier, carrier);
  });

  test("a caller that gives the bundle up has a transport for each", () => {
    const lab = secureLab();
    connected(lab, page([audio, video]));
    const givenUp = body({ version: 2, media: [audio, video] });
    lab.body(offer({ to: "bob", sdp: givenUp }));
    const text = lab.body(answer({ sdp: apart([bobsAudio, bobsVideo], 2) }));
    assert.equal(groupOf(text), undefined);
    const [first, second] = portsIn(text);
    assert.notEqual(first, second);
    assert.deepEqual(
      [first, second].map((port) => lab.settingsOf(port ?? 0).bundle),
      [undefined, undefined],
    );
  });
});

suite("call: a bundle towards the callee", (test) => {
  const words = (...items: readonly BundleItem[]): Partial<MediaOptions> => ({ bundle: new Set(items) });

  test("offer: a group with a port for each; taken, the first mid of the answer carries", () => {
    const lab = secureLab();
    const plain = body({ media: [{ types: "0" }, { kind: "video", port: 4002, types: "96" }] });
    const toBob = lab.body(offer({ sdp: plain, options: words("offer") }));
    assert.equal(groupOf(toBob), "1 2");
    const [first, second] = portsIn(toBob);
    assert.notEqual(first, second);
    assert.doesNotMatch(toBob, /bundle-only/);
    assert.ok(read(toBob).media.every(({ rtcpMux }) => rtcpMux));
    const bobs = [
      { ...bobsAudio, mid: "1", hasMux: true },
      { ...bobsVideo, mid: "2", port: 5000, hasMux: true },
    ];
    const text = body({ ip: "203.0.113.6", session: ["a=group:BUNDLE 2 1"], media: bobs });
    const toAlice = lab.body(answer({ sdp: text }));
    assert.equal(groupOf(toAlice), undefined);
    assert.deepEqual(
      read(toAlice).media.map(({ rtcpMux }) => rtcpMux),
      [false, false],
    );
    const carrier = lab.pairOf(second ?? 0);
    assert.deepEqual(lab.settingsOf(first ?? 0).bundle, {
      carrier,
      mid: "1",
      midExtension: undefined,
      ssrcs: [],
    });
    assert.equal(lab.settingsOf(second ?? 0).bundle?.carrier, carrier);
    assert.equal(lab.settingsOf(second ?? 0).rtcpMux, true);
  });

  test("offer, not taken: everything stands alone", () => {
    const lab = secureLab();
    const plain = body({ media: [{ types: "0" }, { kind: "video", port: 4002, types: "96" }] });
    const toBob = lab.body(offer({ sdp: plain, options: words("offer") }));
    lab.body(answer({ sdp: apart([bobsAudio, bobsVideo]) }));
    for (const port of portsIn(toBob)) assert.equal(lab.settingsOf(port).bundle, undefined);
  });

  test("require: one port; strict: port 0 and bundle-only", () => {
    const plain = body({ media: [{ types: "0" }, { kind: "video", port: 4002, types: "96" }] });
    const required = secureLab().body(offer({ sdp: plain, options: words("require") }));
    assert.deepEqual(portsIn(required), [portIn(required), portIn(required)]);
    const strict = secureLab().body(offer({ sdp: plain, options: words("strict") }));
    assert.equal(groupOf(strict), "1 2");
    assert.deepEqual(portsIn(strict), [portIn(strict), 0]);
    assert.deepEqual([mediaOf(strict, 0).isBundleOnly, mediaOf(strict, 1).isBundleOnly], [false, true]);
  });

  test("browser to browser the bundle is offered on without a word, with transports of our own", () => {
    const lab = secureLab();
    const toBob = lab.body(offer({ sdp: page([audio, bundleOnly]) }));
    assert.equal(groupOf(toBob), "0 1");
    const [first, second] = read(toBob).media;
    assert.notEqual(first?.port, second?.port);
    assert.notEqual(first?.ice?.ufrag, second?.ice?.ufrag);
    const taken = (some: Partial<MediaShape>) =>
      line({ port: 5000, setup: "active", ice: { ufrag: "bobU" }, ...some });
    const bobs = body({
      ip: "203.0.113.6",
      session: ["a=group:BUNDLE 0 1"],
      media: [taken({ mid: "0", types: "111" }), taken({ kind: "video", mid: "1", types: "96" })],
    });
    const toAlice = lab.body(answer({ sdp: bobs }));
    assert.equal(groupOf(toAlice), "0 1");
    for (const text of [toBob, toAlice]) {
      const { ice, security, bundle } = lab.settingsOf(portIn(text));
      assert.deepEqual([security.kind, bundle?.carrier], ["dtls", lab.pairOf(portIn(text))]);
      assert.equal(ice?.remote?.ufrag, text === toBob ? "bobU" : "aliceU");
    }
    const again = lab.body(offer({ to: "bob", sdp: page([audio, bundleOnly], "0 1", 2) }));
    assert.deepEqual(portsIn(again), [portIn(toBob), portIn(toBob)], "a bundle in force is offered as one");
    assert.equal(
      groupOf(secureLab().body(offer({ sdp: page([audio, video]), options: words("reject") }))),
      undefined,
    );
  });
});
