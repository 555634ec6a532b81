import assert from "node:assert/strict";
import type { MediaReport } from "../../../src/call/report.ts";
import { type Endpoint, parseEndpoint } from "../../../src/core/address.ts";
import { notesPerPairMax } from "../../../src/core/limits.ts";
import type { SocketCounters } from "../../../src/core/plan/counters.ts";
import type { Component, Evidence, PairId, SourceNote } from "../../../src/core/plan/plan.ts";
import type { MonotonicMs } from "../../../src/core/time.ts";
import type { SlotView } from "../../../src/handover/view.ts";
import { diagnose } from "../../../src/telemetry/diagnosis.ts";
import { holdsSince, SourceHistory } from "../../../src/telemetry/source-history.ts";
import { noteText } from "../../../src/telemetry/source-texts.ts";
import { type SocketFacts, sourcesDetail } from "../../../src/telemetry/sources-view.ts";
import { suite } from "../../support/suite.ts";
import { report } from "../../support/telemetry-sample.ts";

const pair = 7 as PairId;
const at = (text: string): Endpoint => parseEndpoint(text) ?? assert.fail(text);
const ms = (value: number): MonotonicMs => value as MonotonicMs;
const wifi = at("192.0.2.1:4000");
const cellular = at("198.51.100.7:5000");
const stranger = at("203.0.113.66:6000");

function noted(note: SourceNote, source: Endpoint, evidence?: Evidence, component: Component = "rtp") {
  return { kind: "source-noted", pair, component, note, source, evidence } as const;
}

suite("telemetry/source-history", (test) => {
  test("every note knows who had the leg before it, by socket", () => {
    const history = new SourceHistory();
    const tell = (...event: Parameters<typeof noted>) => history.note(ms(1), noted(...event)).before;
    assert.equal(tell("held", wifi), undefined);
    assert.equal(tell("proven", wifi, "signalled"), undefined);
    assert.equal(tell("proven", stranger, "signalled", "rtcp"), undefined);
    assert.deepEqual(tell("held", cellular, "continuity"), wifi);
    assert.deepEqual(tell("switched", cellular, "continuity"), wifi);
    assert.deepEqual(tell("struck", stranger, "continuity"), cellular);
    assert.deepEqual(tell("rolled-back", wifi, "continuity"), cellular);
    assert.deepEqual(tell("refused", cellular, "continuity"), wifi);
    assert.deepEqual(tell("refused", cellular, "continuity", "rtcp"), stranger);
  });

  test("a source has the leg since its first proof without another in between", () => {
    const history = new SourceHistory();
    for (const [index, event] of [
      noted("proven", wifi, "first-speaker"),
      noted("proven", wifi, "signalled"),
      noted("struck", stranger),
      noted("switched", cellular, "continuity"),
      noted("rolled-back", wifi),
    ].entries()) {
      history.note(ms(100 * index), event);
      if (index === 2) assert.equal(holdsSince(history.of(pair), "rtp", wifi), 0);
    }
    assert.equal(holdsSince(history.of(pair), "rtp", wifi), 400);
    assert.equal(holdsSince(history.of(pair), "rtp", cellular), undefined);
    assert.equal(holdsSince(history.of(pair), "rtcp", wifi), undefined);
  });

  test("a flood of notes costs nothing more, and does not wash away who has the leg", () => {
    const history = new SourceHistory();
    history.note(ms(1), noted("proven", cellular, "signalled", "rtcp"));
    history.note(ms(2), noted("proven", wifi, "signalled"));
    for (let count = 0; count < 1_000; count++) history.note(ms(10 + count), noted("struck", stranger));
    assert.equal(history.of(pair).length, notesPerPairMax);
    assert.deepEqual(history.of(pair)[0]?.source, cellular);
    assert.deepEqual(history.note(ms(2_000), noted("struck", stranger)).before, wifi);
    assert.equal(holdsSince(history.of(pair), "rtp", wifi), 2);
    for (let count = 0; count < 100; count++) {
      history.note(ms(3_000), noted("switched", count % 2 === 0 ? cellular : wifi));
    }
    assert.equal(history.of(pair).length, notesPerPairMax);
    assert.equal(history.of(pair)[0]?.component, "rtcp");
    assert.equal(history.pairCount, 1);
    history.forget(pair);
    assert.equal(history.pairCount, 0);
    assert.deepEqual(history.of(pair), []);
  });
});

suite("telemetry/source-texts", (test) => {
  test("what happened, in a sentence", () => {
    const history = new SourceHistory();
    const told = [
      noted("held", wifi, "first-speaker"),
      noted("proven", wifi, "first-speaker"),
      noted("proven", wifi, "signalled"),
      noted("held", cellular, "continuity"),
      noted("switched", cellular, "continuity"),
      noted("rolled-back", wifi, "continuity"),
      noted("refused", cellular, "continuity"),
      noted("struck", stranger, "continuity"),
      noted("twin", cellular, "continuity"),
      noted("proven", cellular, "cryptographic"),
      noted("proven", at("[2001:db8::7]:5001"), "signalled", "rtcp"),
    ].map((event) => noteText(history.note(ms(1), event)));
    assert.deepEqual(told, [
      "packets from 192.0.2.1:4000 are kept: it speaks, and nobody knows it",
      "party speaks from 192.0.2.1:4000: it spoke first, and nobody likelier did",
      "party speaks from 192.0.2.1:4000: signalling named this address",
      "packets from 198.51.100.7:5000 are kept: it goes on with the stream; 192.0.2.1:4000 has the leg",
      "party moved from 192.0.2.1:4000 to 198.51.100.7:5000: the same stream went on there",
      "party is at 192.0.2.1:4000 after all: the stream went on there, so 198.51.100.7:5000 has lost it",
      "packets from 198.51.100.7:5000 are dropped: 192.0.2.1:4000 kept the leg",
      "203.0.113.66:6000 is not listened to for a while: it contradicted 192.0.2.1:4000",
      "198.51.100.7:5000 sends the same packets as 192.0.2.1:4000: one party over two paths",
      "party speaks from 198.51.100.7:5000, no longer from 192.0.2.1:4000: its key, ICE or DTLS proves it",
      "party's RTCP speaks from [2001:db8::7]:5001: signalling named this address",
    ]);
  });

  test("what is not known is left out", () => {
    const words = (note: SourceNote) =>
      noteText({
        atMs: ms(1),
        component: "rtp",
        note,
        source: wifi,
        before: undefined,
        evidence: undefined,
      });
    assert.equal(words("proven"), "party speaks from 192.0.2.1:4000");
    assert.equal(words("switched"), "party moved to 192.0.2.1:4000");
    assert.equal(words("rolled-back"), "party is at 192.0.2.1:4000 after all: the stream went on there");
    assert.equal(words("held"), "packets from 192.0.2.1:4000 are kept");
    assert.equal(words("refused"), "packets from 192.0.2.1:4000 are dropped: another source kept the leg");
    assert.equal(words("struck"), "192.0.2.1:4000 is not listened to for a while: it contradicted the party");
    assert.equal(
      words("twin"),
      "192.0.2.1:4000 sends the same packets as the party: one party over two paths",
    );
  });
});

const audio = report().legs[0]?.media[0] ?? assert.fail("the sample has audio");
const quiet: SocketCounters = {
  packetsIn: 0,
  packetsOut: 0,
  bytesIn: 0,
  bytesOut: 0,
  errorsIn: 0,
  errorsOut: 0,
  lastPacketAt: undefined,
  provenSource: undefined,
  evidence: undefined,
  sendTarget: undefined,
};
const noView: SlotView = { candidates: [], remembered: [], struck: [], twin: undefined, switches: 0 };

interface Case {
  readonly media?: Partial<MediaReport>;
  readonly counters?: Partial<SocketCounters>;
  readonly view?: Partial<SlotView>;
  readonly facts?: Partial<SocketFacts>;
}

function factsOf({ media, counters, view, facts }: Case): SocketFacts {
  return {
    media: { ...audio, advertised: wifi, ...media },
    component: "rtp",
    counters: { ...quiet, ...counters },
    view: { ...noView, ...view },
    history: [],
    iceTarget: undefined,
    ...facts,
  };
}

const nowMs = ms(100_000);

suite("telemetry/sources-view", (test) => {
  test("why we send where we send", () => {
    const reason = (one: Case): string => sourcesDetail(factsOf(one), nowMs).targetReason;
    const there = { provenSource: cellular, evidence: "continuity", sendTarget: cellular } as const;
    assert.equal(reason({ counters: there }), "the party speaks from there");
    assert.equal(
      reason({ counters: { ...there, provenSource: wifi, sendTarget: wifi } }),
      "the party speaks from there, as announced",
    );
    assert.equal(reason({ counters: { sendTarget: wifi } }), "announced");
    assert.equal(reason({ counters: { ...there, sendTarget: wifi } }), "announced anew");
    assert.equal(reason({ counters: { sendTarget: stranger } }), "something was heard from there");
    assert.equal(
      reason({ facts: { component: "rtcp" }, counters: { sendTarget: stranger } }),
      "it goes beside RTP",
    );
    assert.equal(reason({ facts: { iceTarget: null } }), "ICE has chosen nothing yet");
    assert.equal(reason({ facts: { iceTarget: wifi }, counters: { sendTarget: wifi } }), "ICE chose it");
    assert.equal(
      reason({ media: { isAsymmetric: true }, counters: { ...there, sendTarget: wifi } }),
      "announced; asymmetric: where the party speaks from does not count",
    );
    assert.equal(
      reason({ media: { advertised: undefined } }),
      "the party has not said where, and has not spoken",
    );
    assert.equal(reason({}), "the party is on hold, or what it announced cannot be sent to");
  });

  test("what everybody who waits is waiting for", () => {
    const text = (claim: SlotView["candidates"][number]["claim"], one: Case = {}): string | undefined => {
      const candidate = { source: stranger, claim, rank: "unknown", packets: 3, ageMs: 40.6 } as const;
      return sourcesDetail(factsOf({ ...one, view: { candidates: [candidate] } }), nowMs).candidates[0]?.text;
    };
    const proven = { counters: { provenSource: wifi } };
    assert.match(text("first-speaker", { media: { advertised: undefined } }) ?? "", /SDP is not known yet$/);
    assert.match(text("first-speaker") ?? "", /announced itself \(192\.0\.2\.1:4000\).*settle time/);
    assert.match(text("first-speaker", proven) ?? "", /^192\.0\.2\.1:4000 was a first speaker itself/);
    assert.match(text("continuity", proven) ?? "", /stream of 192\.0\.2\.1:4000, which must be silent/);
    assert.match(text("same-place", proven) ?? "", /^it is where 192\.0\.2\.1:4000 was/);
    assert.match(text("new-generation", proven) ?? "", /^a new stream after a new SDP/);
    assert.match(text("signalled", proven) ?? "", /and 192\.0\.2\.1:4000 speaks still$/);
    assert.match(text("signalled-ip") ?? "", /several ports of it speak$/);
    const near = { source: stranger, claim: "first-speaker", rank: "network", packets: 1, ageMs: 0 } as const;
    const [first] = sourcesDetail(factsOf({ view: { candidates: [near] } }), nowMs).candidates;
    assert.match(first?.text ?? "", /five packets of one stream/);
  });

  test("numbers are whole, histories by socket, and everything survives JSON", () => {
    const history = new SourceHistory();
    history.note(ms(99_000.4), noted("proven", wifi, "signalled"));
    history.note(ms(99_500), noted("proven", stranger, "signalled", "rtcp"));
    const detail = sourcesDetail(
      factsOf({
        counters: { provenSource: wifi, sendTarget: wifi },
        view: {
          remembered: [cellular],
          struck: [{ source: stranger, forMs: 8_000.2 }],
          twin: cellular,
          switches: 2,
        },
        facts: { history: history.of(pair) },
      }),
      nowMs,
    );
    assert.deepEqual(detail, {
      provenForMs: 1_000,
      targetReason: "the party speaks from there, as announced",
      candidates: [],
      remembered: ["198.51.100.7:5000"],
      struck: [{ source: "203.0.113.66:6000", forMs: 8_000 }],
      twin: "198.51.100.7:5000",
      switches: 2,
      history: [
        {
          agoMs: 1_000,
          note: "proven",
          source: "192.0.2.1:4000",
          before: null,
          evidence: "signalled",
          text: "party speaks from 192.0.2.1:4000: signalling named this address",
        },
      ],
    });
    assert.deepEqual(JSON.parse(JSON.stringify(detail)), detail);
    assert.deepEqual(sourcesDetail(factsOf({ facts: { view: undefined } }), nowMs).candidates, []);
  });
});

suite("telemetry/diagnosis", (test) => {
  const words = (one: Case): readonly string[] => {
    const facts = factsOf(one);
    return diagnose(facts.media, facts.counters, sourcesDetail(facts, nowMs), nowMs);
  };
  const flowing = { lastPacketAt: ms(99_900), provenSource: wifi, sendTarget: wifi };

  test("where both directions flow there is nothing to say", () => {
    assert.deepEqual(words({ counters: flowing }), []);
  });

  test("nothing came, something came that may not speak, or it is held and why", () => {
    const target = { sendTarget: wifi };
    assert.deepEqual(words({ counters: target }), [
      "nothing has come to 203.0.113.7:30000 from this party: is it reachable for it, and in the SDP it was sent?",
    ]);
    assert.deepEqual(words({ counters: { ...target, errorsIn: 40 }, media: { isStrict: true } }), [
      "40 packets came to 203.0.113.7:30000 and none was from a source that may speak; strict-source: only announced addresses may speak",
    ]);
    const candidates = [
      { source: stranger, claim: "first-speaker", rank: "unknown", packets: 12, ageMs: 9 },
    ] as const;
    assert.deepEqual(words({ counters: { ...target, errorsIn: 40 }, view: { candidates } }), [
      "nobody is believed to be this party yet",
      "203.0.113.66:6000 sends (12 packets in a row) and is held: it is not where the party announced itself (192.0.2.1:4000), and must be alone for the settle time if that address is usable",
    ]);
    const struck = [{ source: stranger, forMs: 8_200 }];
    assert.deepEqual(words({ counters: target, view: { struck } }), [
      "nobody is believed to be this party yet",
      "203.0.113.66:6000 is struck for another 8.2 s: it contradicted the party",
    ]);
  });

  test("a party that fell silent, who waits for its place, and who was refused it", () => {
    const history = new SourceHistory();
    history.note(ms(1), noted("proven", wifi, "signalled"));
    history.note(ms(95_000), noted("refused", stranger, "continuity"));
    const candidates = [
      { source: cellular, claim: "continuity", rank: "stream", packets: 2, ageMs: 9 },
    ] as const;
    const counters = { ...flowing, lastPacketAt: ms(95_500) };
    assert.deepEqual(words({ counters, view: { candidates }, facts: { history: history.of(pair) } }), [
      "nothing relayed from 192.0.2.1:4000 for 4.5 s",
      "198.51.100.7:5000 sends (2 packets in a row) and is held: it goes on with the stream of 192.0.2.1:4000, which must be silent for the hold time",
      "5.0 s ago: packets from 203.0.113.66:6000 are dropped: 192.0.2.1:4000 kept the leg",
    ]);
    assert.deepEqual(words({ counters, media: { direction: "inactive" } }), [
      "nothing relayed from 192.0.2.1:4000 for 4.5 s, as it said (hold)",
    ]);
    assert.deepEqual(words({ counters: { sendTarget: wifi }, media: { direction: "recvonly" } }), [
      "this party said that it sends nothing (a=recvonly)",
    ]);
  });

  test("what keeps our media from the party", () => {
    const heard = { ...flowing, sendTarget: undefined };
    assert.deepEqual(words({ counters: heard, facts: { iceTarget: null } }), [
      "nothing is sent to this party: ICE has chosen nothing yet",
    ]);
    const inside = words({ counters: { sendTarget: at("192.168.1.7:4000") } });
    assert.match(
      inside[1] ?? "",
      /^we send to 192\.168\.1\.7:4000, a private address: .* hears nothing before/,
    );
    assert.deepEqual(
      words({ counters: { ...flowing, provenSource: cellular }, media: { isAsymmetric: true } }),
      ["it speaks from 198.51.100.7:5000 and we send to 192.0.2.1:4000, as asymmetric wants it"],
    );
    assert.deepEqual(words({ counters: { ...flowing, errorsOut: 3 } }), [
      "sends that failed on this machine: 3",
    ]);
  });

  test("keys, handshakes and ICE that are not there yet, or failed", () => {
    const security = (kind: "pending" | "dtls", failure?: "timeout") => ({
      security: { kind, suite: undefined, isVerified: false, failure },
    });
    const first = (media: Partial<MediaReport>): string | undefined => words({ counters: flowing, media })[0];
    assert.equal(first(security("pending")), "no keys are agreed on yet: media waits for them");
    assert.equal(first(security("dtls")), "DTLS is not finished: media waits for it");
    assert.equal(first(security("dtls", "timeout")), "DTLS: no answer to the handshake came in time");
    const ice = {
      isControlling: true,
      isLite: false,
      selected: undefined,
      failure: "no-valid-pair",
    } as const;
    assert.equal(first({ ice }), "ICE: none of the party's candidates answers checks");
  });

  test("m-lines without ports, and those of a bundle", () => {
    assert.deepEqual(words({ media: { isActive: false } }), [
      "no ports: this m-line was rejected or removed",
    ]);
    assert.deepEqual(diagnose(audio, undefined, undefined, nowMs), ["its ports are not open yet"]);
    assert.deepEqual(words({ media: { carrier: 0 } }), ["it goes over the ports of media 1: see there"]);
  });
});
