/** BUNDLE where keys, DTLS and ICE are the parties' own (RFC 8843): its groups pass as the media does. */
import assert from "node:assert/strict";
import type { BundleItem, MediaOptions } from "../../../src/call/requests.ts";
import { suite } from "../../support/suite.ts";
import { answer, type Lab, offer, portIn, portsIn } from "./lab.ts";
import { apart, audio, groupOf, line, midExtension, page, protocol } from "./pages.ts";
import { body, type MediaShape, mediaOf, otherFingerprint, read, secureLab } from "./parties.ts";

const video = line({ kind: "video", port: 4002, mid: "1", types: "96", extra: [midExtension] });
/** max-bundle: the second m-line has no transport of its own. */
const bundleOnly: MediaShape = {
  kind: "video",
  port: 0,
  protocol,
  types: "96",
  hasMux: true,
  mid: "1",
  extra: ["a=bundle-only", midExtension],
};

const bobIce = { ufrag: "bobU" };

function bobs(some: Partial<MediaShape>): MediaShape {
  return line({ port: 5000, setup: "active", fingerprint: otherFingerprint, ice: bobIce, ...some });
}

const bobsAudio = bobs({ mid: "0", types: "111" });
/** As browsers answer: on the first one's transport, and with its candidates there alone. */
const bobsVideo: MediaShape = {
  ...bobs({ kind: "video", mid: "1", types: "96" }),
  ice: { ...bobIce, candidates: [] },
};

function bob(media: readonly MediaShape[], mids: string | undefined = "0 1", version = 1): string {
  return body({ ip: "203.0.113.6", version, session: [`a=group:BUNDLE ${mids}`], media });
}

/** The m-section with this index, as text. */
function section(text: string, index: number): string {
  return text.split(/^(?=m=)/m)[index + 1] ?? "";
}

interface Told {
  readonly toBob: string;
  readonly toAlice: string;
}

function connected(lab: Lab, said: string, options: Partial<MediaOptions>, answered?: string): Told {
  const toBob = lab.body(offer({ sdp: said, options }));
  return { toBob, toAlice: lab.body(answer({ sdp: answered ?? bob([bobsAudio, bobsVideo]), options })) };
}

/** What comes to a port leaves by this one. */
function isOpposite(lab: Lab, port: number, other: number): boolean {
  const [one, two] = [lab.settingsOf(port), lab.settingsOf(other)];
  return one.peer === lab.pairOf(other) && two.peer === lab.pairOf(port);
}

const ways: readonly (readonly [string, Partial<MediaOptions>])[] = [
  ["passthrough", { passthrough: true }],
  ["ICE=optional", { ice: "optional" }],
  ["ICE=force-relay", { ice: "force-relay" }],
];
const ours = ways.slice(0, 2);
const forced: Partial<MediaOptions> = { ice: "force-relay" };

suite("call: a bundle that passes", (test) => {
  test("whom the answer puts on two transports is told of as two bundles", () => {
    const said = page([audio, video]);
    const parted = bob([bobsAudio, { ...bobsVideo, port: 5002 }]).replace(
      "a=group:BUNDLE 0 1",
      "a=group:BUNDLE 0\r\na=group:BUNDLE 1",
    );
    const { toAlice } = connected(secureLab(), said, { passthrough: true }, parted);
    assert.deepEqual(toAlice.match(/^a=group:BUNDLE .*(?=\r$)/gm), ["a=group:BUNDLE 0", "a=group:BUNDLE 1"]);
    assert.equal(new Set(portsIn(toAlice)).size, 2);
  });

  for (const [title, options] of ways) {
    test(`${title}: the group goes on, and the answer's comes back`, () => {
      const { toBob, toAlice } = connected(secureLab(), page([audio, video]), options);
      assert.deepEqual([groupOf(toBob), groupOf(toAlice)], ["0 1", "0 1"]);
      const [first, second] = portsIn(toBob);
      assert.notEqual(first, second, "each where it was offered");
      assert.deepEqual(portsIn(toAlice), [portIn(toAlice), portIn(toAlice)]);
      assert.ok(read(toBob).media.every(({ ice }) => ice?.ufrag === "aliceU"));
      assert.ok(read(toAlice).media.every(({ ice }) => ice?.ufrag === "bobU"));
    });

    test(`${title}: what is bundled only has no port`, () => {
      const { toBob, toAlice } = connected(secureLab(), page([audio, bundleOnly]), options);
      assert.deepEqual([groupOf(toBob), groupOf(toAlice)], ["0 1", "0 1"]);
      assert.deepEqual(portsIn(toBob), [portIn(toBob), 0]);
      assert.match(section(toBob, 1), /^a=bundle-only\r$/m);
      assert.doesNotMatch(section(toBob, 1), /candidate|rtcp:|fingerprint/);
      assert.doesNotMatch(toAlice, /bundle-only/);
      assert.deepEqual(portsIn(toAlice), [portIn(toAlice), portIn(toAlice)]);
    });

    test(`${title}: an answer without it is passed without it`, () => {
      const said = apart([bobsAudio, bobs({ kind: "video", port: 5002, mid: "1", types: "96" })]);
      const { toBob, toAlice } = connected(secureLab(), page([audio, video]), options, said);
      assert.equal(groupOf(toBob), "0 1");
      assert.equal(groupOf(toAlice), undefined);
      assert.notEqual(portsIn(toAlice)[0], portsIn(toAlice)[1]);
    });

    test(`${title}: one m-line that is left is a bundle of its own`, () => {
      const said = apart([bobsAudio, { ...bobsVideo, port: 0 }]);
      const { toAlice } = connected(secureLab(), page([audio, bundleOnly]), options, said);
      assert.equal(groupOf(toAlice), "0");
      assert.equal(portsIn(toAlice)[1], 0);
    });
  }

  test("force-relay: place, candidates and ports are the party's own", () => {
    const { toBob, toAlice } = connected(secureLab(), page([audio, video]), forced);
    assert.deepEqual(portsIn(toBob), [4000, 4002]);
    assert.deepEqual(portsIn(toAlice), [5000, 5000]);
    assert.match(section(toBob, 1), /^a=candidate:1 1 UDP 2130706431 203\.0\.113\.5 4002 typ host\r$/m);
  });

  test("ours are no candidates of an m-line that has no ICE of its own", () => {
    const bare: MediaShape = { kind: "video", port: 4000, protocol, types: "96", hasMux: true, mid: "1" };
    const { toBob } = connected(secureLab(), page([audio, bare]), forced);
    assert.deepEqual([groupOf(toBob), portsIn(toBob)], ["0 1", [4000, 4000]]);
    assert.doesNotMatch(section(toBob, 1), /candidate/);
  });

  for (const [title, options] of ours) {
    test(`${title}: m-lines on one port are told on one port`, () => {
      const { toBob } = connected(secureLab(), page([audio, { ...video, port: 4000 }]), options);
      assert.deepEqual([groupOf(toBob), portsIn(toBob)], ["0 1", [portIn(toBob), portIn(toBob)]]);
    });
  }

  test("an address that is yet to come is not shared", () => {
    const trickling = (shape: MediaShape): MediaShape => ({
      ...shape,
      port: 9,
      ice: { ufrag: "aliceU", candidates: [] },
      extra: ["a=ice-options:trickle"],
    });
    const said = { ip: "0.0.0.0", session: ["a=group:BUNDLE 0 1"], media: [audio, video].map(trickling) };
    const { toBob } = connected(secureLab(), body(said), { ice: "optional" });
    assert.equal(groupOf(toBob), "0 1");
    assert.notEqual(portsIn(toBob)[0], portsIn(toBob)[1]);
  });

  test("m-lines that only the parties can tell apart pass as well, and nothing is asked for in RTP headers", () => {
    const twin = (some: Partial<MediaShape>) => line({ types: "111", ...some });
    const said = page([twin({ mid: "0" }), twin({ mid: "1", port: 4002, extra: [midExtension] })]);
    const answered = bob([bobsAudio, bobs({ mid: "1", types: "111" })]);
    const { toBob, toAlice } = connected(secureLab(), said, { passthrough: true }, answered);
    assert.deepEqual([groupOf(toBob), groupOf(toAlice)], ["0 1", "0 1"]);
    assert.doesNotMatch(toAlice, /extmap/);
  });

  test("bundle=reject takes it apart", () => {
    const options = { passthrough: true, bundle: new Set<BundleItem>(["reject"]) };
    const said = apart([bobsAudio, bobs({ kind: "video", port: 5002, mid: "1", types: "96" })]);
    const { toBob, toAlice } = connected(secureLab(), page([audio, video]), options, said);
    assert.deepEqual([groupOf(toBob), groupOf(toAlice)], [undefined, undefined]);
  });
});

suite("call: the transport of a bundle that passes", (test) => {
  for (const [title, options] of ours) {
    test(`${title}: all that comes to the carrier leaves by the other party's`, () => {
      const lab = secureLab();
      const { toBob, toAlice } = connected(lab, page([audio, video]), options);
      assert.ok(isOpposite(lab, portIn(toAlice), portIn(toBob)));
      for (const text of [toBob, toAlice]) {
        const { security, bundle, payloadTypes } = lab.settingsOf(portIn(text));
        assert.deepEqual([security.kind, bundle], ["passed", undefined]);
        const types = payloadTypes.map(({ payloadType }) => payloadType).sort();
        assert.deepEqual(types, [0, 111, 96]);
      }
    });

    test(`${title}: the answer's first m-line carries on both sides`, () => {
      const lab = secureLab();
      const said = bob([bobsAudio, bobs({ kind: "video", mid: "1", types: "96" })], "1 0");
      const { toBob, toAlice } = connected(lab, page([audio, video]), options, said);
      assert.equal(groupOf(toAlice), "1 0");
      assert.ok(isOpposite(lab, portIn(toAlice), portsIn(toBob)[1] ?? 0));
    });

    test(`${title}: it outlives its m-line, on both sides`, () => {
      const lab = secureLab();
      const { toBob, toAlice } = connected(lab, page([audio, { ...video, port: 4000 }]), options);
      const noAudio = page(
        [
          { ...audio, port: 0 },
          { ...video, port: 4000 },
        ],
        "1",
        2,
      );
      const again = lab.body(offer({ to: "bob", sdp: noAudio, options }));
      assert.deepEqual([groupOf(again), portsIn(again)], ["1", [0, portIn(toBob)]]);
      const back = lab.body(answer({ sdp: bob([{ ...bobsAudio, port: 0 }, bobsVideo], "1", 2), options }));
      assert.deepEqual([groupOf(back), portsIn(back)], ["1", [0, portIn(toAlice)]]);
      assert.ok(isOpposite(lab, portIn(toAlice), portIn(toBob)));
      assert.equal(lab.relay.open.size, 2);
    });

    test(`${title}: the callee's re-offer passes it the other way, on the ports it has`, () => {
      const lab = secureLab();
      const { toBob, toAlice } = connected(lab, page([audio, video]), options);
      const sdp = bob(
        [bobsAudio, bobsVideo].map((each) => ({ ...each, setup: "actpass" })),
        "0 1",
        2,
      );
      const again = lab.body(offer({ from: "bob", to: "alice", sdp }));
      assert.deepEqual([groupOf(again), portsIn(again)], ["0 1", portsIn(toAlice)]);
      assert.equal(mediaOf(again).ice?.ufrag, "bobU");
      const alices = page(
        [audio, { ...video, port: 4000 }].map((each) => ({ ...each, setup: "passive" })),
        "0 1",
        2,
      );
      const back = lab.body(answer({ from: "bob", to: "alice", sdp: alices }));
      assert.deepEqual([groupOf(back), portsIn(back)], ["0 1", [portIn(toBob), portIn(toBob)]]);
      assert.ok(isOpposite(lab, portIn(toAlice), portIn(toBob)));
    });

    test(`${title}: an m-line that is added joins it`, () => {
      const lab = secureLab();
      const { toBob, toAlice } = connected(lab, page([audio], "0"), options, bob([bobsAudio], "0"));
      const told = lab.body(offer({ to: "bob", sdp: page([audio, bundleOnly], "0 1", 2), options }));
      assert.deepEqual(portsIn(told), [portIn(toBob), 0]);
      const back = lab.body(answer({ sdp: bob([bobsAudio, bobsVideo], "0 1", 2), options }));
      assert.deepEqual([groupOf(back), portsIn(back)], ["0 1", [portIn(toAlice), portIn(toAlice)]]);
      const types = lab.settingsOf(portIn(back)).payloadTypes;
      assert.ok(types.some(({ payloadType }) => payloadType === 96));
    });
  }

  test("an m-line that is added passes like those that are there, flags or not", () => {
    for (const options of [{ passthrough: true }, { ice: "optional" }] as const) {
      const lab = secureLab();
      connected(lab, page([audio], "0"), options, bob([bobsAudio], "0"));
      const told = lab.body(offer({ to: "bob", sdp: page([audio, bundleOnly], "0 1", 2) }));
      assert.deepEqual([groupOf(told), portsIn(told)[1]], ["0 1", 0]);
      const back = lab.body(answer({ sdp: bob([bobsAudio, bobsVideo], "0 1", 2) }));
      assert.deepEqual([groupOf(back), mediaOf(back, 1).ice?.ufrag], ["0 1", "bobU"]);
    }
  });

  test("nor does it pass where theirs end here", () => {
    const lab = secureLab();
    const { toAlice } = connected(lab, page([audio], "0"), {}, bob([bobsAudio], "0"));
    const options = { ice: "optional" } as const;
    const told = lab.body(offer({ to: "bob", sdp: page([audio, bundleOnly], "0 1", 2), options }));
    assert.ok(read(told).media.every(({ ice }) => ice !== undefined && ice.ufrag !== "aliceU"));
    const back = lab.body(answer({ sdp: bob([bobsAudio, bobsVideo], "0 1", 2), options }));
    assert.deepEqual([groupOf(back), portsIn(back)], ["0 1", [portIn(toAlice), portIn(toAlice)]]);
  });

  test("each branch that answers has the bundle or not", () => {
    const lab = secureLab();
    const options = { passthrough: true };
    lab.body(offer({ sdp: page([audio, video]), branch: "one", options }));
    lab.body(offer({ sdp: page([audio, video]), branch: "two", options }));
    const alone = apart([bobsAudio, bobs({ kind: "video", port: 5002, mid: "1", types: "96" })]);
    const told = (branch: string, sdp: string) =>
      groupOf(lab.body(answer({ to: branch, branch, sdp, options })));
    assert.equal(told("two", alone), undefined);
    assert.equal(told("one", bob([bobsAudio, bobsVideo])), "0 1");
    assert.equal(told("two", alone), undefined);
  });

  test("no-passthrough makes it a bundle with each party, from the answer on", () => {
    const lab = secureLab();
    const { toAlice } = connected(lab, page([audio, video]), { passthrough: true });
    const carrier = lab.pairOf(portIn(toAlice));
    const options = { passthrough: false };
    const shared = { ...video, port: 4000 };
    lab.body(offer({ to: "bob", sdp: page([audio, shared], "0 1", 2), options }));
    assert.equal(lab.settingsOf(portIn(toAlice)).bundle, undefined);
    const back = lab.body(answer({ sdp: bob([bobsAudio, bobsVideo], "0 1", 2), options }));
    assert.equal(groupOf(back), "0 1");
    assert.equal(lab.settingsOf(portIn(back)).bundle?.carrier, carrier);
    assert.equal(lab.settingsOf(portIn(back)).security.kind, "dtls");
  });
});
