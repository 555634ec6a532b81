/** Generated histories: whatever phones, attackers, NATs and re-INVITEs do, some things never happen. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { candidatesPerNetworkMax, candidatesPerSlotMax } from "../../../src/core/limits.ts";
import { handoverNote, packetKind, verdict } from "../../../src/handover/contract.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";
import { Leg, other, type Packet, Phone, rtcp, type Wanted } from "./leg.ts";

const places = [
  "198.51.100.7:4000",
  "198.51.100.7:61000",
  "198.51.100.8:4000",
  "10.0.0.5:4000",
  "203.0.113.9:7000",
  "203.0.113.9:7002",
  "203.0.113.10:7000",
  "203.0.113.11:7000",
  "192.0.2.30:5500",
  "[2001:db8::1]:4000",
];
const hintChoices: readonly Wanted[] = [
  { hints: [["198.51.100.7:4000", "ip"]], target: "198.51.100.7:4000" },
  { hints: [["10.0.0.5:4000", "exact"]], target: "10.0.0.5:4000" },
  {
    hints: [
      ["10.0.0.5:4000", "exact"],
      ["203.0.113.9:4000", "ip"],
    ],
    target: "203.0.113.9:4000",
  },
  { hints: [["0.0.0.0:4000", "exact"]] },
];

const step = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant("rtp" as const),
      who: fc.nat(3),
      count: fc.integer({ min: 1, max: 8 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("move" as const), who: fc.nat(3), to: fc.nat(places.length - 1) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("ssrc" as const), who: fc.nat(3), ssrc: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("copy" as const), who: fc.nat(3), of: fc.nat(3) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("rtcp" as const),
      who: fc.nat(3),
      type: fc.integer({ min: 200, max: 204 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("presence" as const), who: fc.nat(3), slot: fc.nat(1) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(5, 40, 200, 1_200, 3_500) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("sdp" as const),
      hints: fc.nat(hintChoices.length - 1),
      isNew: fc.boolean(),
      isStrict: fc.boolean(),
      isAsymmetric: fc.boolean(),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer Each> ? Each : never;

class History {
  readonly leg = new Leg().open({ isSignalled: false });
  readonly phones = [0, 4, 5, 8].map((place, index) => new Phone(places[place]!, index, 0, 100 * index));
  readonly everProven = new Set<string>();
  wanted: Wanted = { isSignalled: false };
  generation = 1;
  sent = 0;

  constructor() {
    this.leg.onNote = (slot, kind, source) => {
      // A twin sends what the proven source sends, and is read beside it.
      if (kind === handoverNote.twin) this.everProven.add(`${slot} ${source}`);
      else this.everProven.add(`${slot} ${this.leg.proven(slot)}`);
    };
  }

  run(steps: readonly Step[]): void {
    for (const each of steps) {
      this.take(each);
      this.check();
    }
    this.leg.wait(10_000);
    this.check();
    assert.equal(this.leg.heldCount(), 0, "held packets are released or dropped");
    const outcomes = this.leg.relayed.length + this.leg.dropped.length;
    assert.equal(outcomes, this.sent, "every packet has one end");
  }

  take(each: Step): void {
    const { leg } = this;
    switch (each.do) {
      case "rtp":
        for (let count = 0; count < each.count; count++) {
          this.send(this.phones[each.who]!.next());
          leg.wait(5);
        }
        break;
      case "move":
        this.phones[each.who]!.from = places[each.to]!;
        break;
      case "ssrc":
        this.phones[each.who]!.ssrc = each.ssrc;
        break;
      case "copy":
        Object.assign(this.phones[each.who]!, {
          ...this.phones[each.of]!,
          from: this.phones[each.who]!.from,
        });
        break;
      case "rtcp":
        this.send(rtcp(this.phones[each.who]!.from, this.phones[each.who]!.ssrc, each.type));
        break;
      case "presence":
        this.send(other(this.phones[each.who]!.from, packetKind.keepalive, each.slot));
        break;
      case "wait":
        leg.wait(each.ms);
        break;
      case "sdp":
        if (each.isNew) this.generation++;
        this.wanted = {
          ...hintChoices[each.hints]!,
          isStrict: each.isStrict,
          isAsymmetric: each.isAsymmetric,
        };
        leg.configure({ ...this.wanted, generation: this.generation });
        leg.wait(0);
        break;
    }
  }

  send(packet: Packet): void {
    const { leg } = this;
    const before = leg.proven(packet.slot);
    const notesBefore = leg.notes.length;
    this.sent++;
    const outcome = leg.send(packet);
    if (outcome === verdict.relay) {
      const isProven = leg.proven(packet.slot) === packet.from;
      assert.ok(
        isProven || this.everProven.has(`${packet.slot} ${packet.from}`),
        "relayed from an unproven source",
      );
      if (before !== packet.from && isProven)
        assert.ok(leg.notes.length > notesBefore, "a proof was not told of");
    }
  }

  check(): void {
    const { leg } = this;
    for (const slot of [0, 1]) {
      const proven = leg.proven(slot);
      assert.ok(proven === "-" || this.everProven.has(`${slot} ${proven}`), "a proof was not told of");
      assert.equal(proven === "-", leg.evidence(slot) === "none");
      this.checkTarget(slot);
    }
    assert.ok(leg.policy.nextDeadlineMs() > leg.nowMs, "a deadline was left behind");
    for (const slot of [0, 1]) this.checkTables(slot);
  }

  /** Only the place SDP names, a proven one, one a signalled IP showed, or RTCP beside one of these. */
  checkTarget(slot: number): void {
    const target = this.leg.target(slot);
    if (target === "-") return;
    const [ip, port] = [
      target.slice(0, target.lastIndexOf(":")),
      Number(target.slice(target.lastIndexOf(":") + 1)),
    ];
    const isNamed = hintChoices.some((choice) =>
      [choice.target, ...(choice.hints ?? []).map(([at]) => at)].some(
        (at) => at?.startsWith(`${ip}:`) === true,
      ),
    );
    const isProven = this.everProven.has(`${slot} ${target}`);
    const isBeside = slot === 1 && this.everProven.has(`0 ${ip}:${port - 1}`);
    assert.ok(isNamed || isProven || isBeside, `target ${target}`);
  }

  checkTables(slot: number): void {
    const keys = [...this.leg.held].filter(([key, list]) => key.startsWith(`${slot}/`) && list.length > 0);
    assert.ok(keys.length <= candidatesPerSlotMax);
    const networks = new Map<string, number>();
    for (const [, list] of keys) {
      const network = list[0]!.packet.from.replace(/\.\d+:\d+$/, "");
      networks.set(network, (networks.get(network) ?? 0) + 1);
    }
    for (const count of networks.values()) assert.ok(count <= candidatesPerNetworkMax);
  }
}

suite("handover: generated histories", (test) => {
  test("no unproven source is relayed or sent to, tables are bounded, nothing is held for ever", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 60 }), (steps) => new History().run(steps)),
      { numRuns: fuzzRuns(2_000) },
    );
  });

  test("a phone at its signalled place loses nothing to any mixture of strangers", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ from: fc.integer({ min: 2, max: 9 }), ssrc: fc.nat(5), pause: fc.nat(9) }), {
          maxLength: 120,
        }),
        fc.integer({ min: 0, max: 20 }),
        fc.boolean(),
        (packets, early, isNatted) => {
          const leg = new Leg().open({ isSignalled: false });
          const phone = new Phone(isNatted ? places[1]! : places[0]!, 0x77);
          leg.talk(phone, early);
          leg.configure(hintChoices[0]!).wait(0);
          leg.talk(phone, 1);
          const strangers = places.map((from, index) => new Phone(from, index));
          for (const { from, ssrc, pause } of packets) {
            const stranger = strangers[from]!;
            stranger.ssrc = ssrc;
            assert.notEqual(leg.send(stranger.next()), verdict.relay);
            leg.wait(pause);
            leg.talk(phone, 1);
          }
          assert.equal(leg.relayed.length, early + 1 + packets.length);
          assert.ok(leg.relayed.every((packet) => packet.from === phone.from));
          assert.equal(leg.target(), phone.from);
        },
      ),
      { numRuns: fuzzRuns(500) },
    );
  });
});
