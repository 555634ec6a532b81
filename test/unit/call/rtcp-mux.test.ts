import assert from "node:assert/strict";
import type { RtcpMuxItem } from "../../../src/call/requests.ts";
import { suite } from "../../support/suite.ts";
import { answer, Lab, offer, portIn, sdp } from "./lab.ts";

interface Case {
  readonly words: readonly RtcpMuxItem[];
  readonly offers: boolean;
  readonly answers: boolean;
  /** What the callee is offered, what the caller is answered, what the relay does towards [caller, callee]. */
  readonly offered: boolean;
  readonly answered: boolean;
  readonly relay: readonly [boolean, boolean];
}

const cases: readonly Case[] = [
  { words: [], offers: true, answers: true, offered: true, answered: true, relay: [true, true] },
  { words: [], offers: true, answers: false, offered: true, answered: false, relay: [false, false] },
  { words: [], offers: false, answers: false, offered: false, answered: false, relay: [false, false] },
  { words: ["offer"], offers: false, answers: true, offered: true, answered: false, relay: [false, true] },
  { words: ["require"], offers: false, answers: true, offered: true, answered: false, relay: [false, true] },
  { words: ["demux"], offers: true, answers: false, offered: false, answered: true, relay: [true, false] },
  {
    words: ["demux", "reject"],
    offers: true,
    answers: false,
    offered: false,
    answered: false,
    relay: [false, false],
  },
  { words: ["accept"], offers: true, answers: false, offered: true, answered: true, relay: [true, false] },
  { words: ["reject"], offers: true, answers: true, offered: true, answered: false, relay: [false, true] },
];

function hasMux(body: string): boolean {
  return /^a=rtcp-mux\r$/m.test(body);
}

function withMux(shape: Parameters<typeof sdp>[0], isMux: boolean): string {
  return sdp({ ...shape, extra: isMux ? ["a=rtcp-mux"] : [] });
}

suite("call: rtcp-mux", (test) => {
  for (const one of cases) {
    const title = `[${one.words.join(" ")}] offered ${one.offers}, answered ${one.answers}`;
    test(title, () => {
      const lab = new Lab();
      const rtcpMux = new Set(one.words);
      const toBob = lab.body(offer({ sdp: withMux({}, one.offers), options: { rtcpMux } }));
      assert.equal(hasMux(toBob), one.offered, "what the callee is offered");
      const toAlice = lab.body(answer({ sdp: withMux({ ip: "203.0.113.6", port: 5000 }, one.answers) }));
      assert.equal(hasMux(toAlice), one.answered, "what the caller is answered");
      const [caller, callee] = one.relay;
      assert.equal(lab.settingsOf(portIn(toAlice)).rtcpMux, caller, "towards the caller");
      assert.equal(lab.settingsOf(portIn(toBob)).rtcpMux, callee, "towards the callee");
      const rtcpPort = portIn(toAlice) + (one.answered ? 0 : 1);
      assert.match(toAlice, new RegExp(`^a=rtcp:${rtcpPort}\\r$`, "m"));
    });
  }

  test("an offer shows a fallback port unless rtcp-mux is required or already agreed", () => {
    const lab = new Lab();
    const muxed = withMux({}, true);
    const body = lab.body(offer({ sdp: muxed }));
    assert.match(body, new RegExp(`^a=rtcp:${portIn(body) + 1}\\r$`, "m"));
    lab.body(answer({ sdp: withMux({ ip: "203.0.113.6", port: 5000 }, true) }));
    const again = lab.body(offer({ to: "bob", sdp: muxed }));
    assert.match(again, new RegExp(`^a=rtcp:${portIn(again)}\\r$`, "m"));
    const required = lab.body(offer({ callId: "other", options: { rtcpMux: new Set(["require"]) } }));
    assert.match(required, new RegExp(`^a=rtcp:${portIn(required)}\\r$`, "m"));
  });

  test("rtcp goes to the RTP port of a muxing party", () => {
    const lab = new Lab();
    const toBob = lab.body(offer({ sdp: withMux({}, true) }));
    lab.body(answer({ sdp: withMux({ ip: "203.0.113.6", port: 5000 }, true) }));
    const { rtpTarget, rtcpTarget } = lab.settingsOf(portIn(toBob));
    assert.deepEqual(rtcpTarget, rtpTarget);
  });
});
