/** What went to a dead address is sent again; and what the operator may see of a slot. */
import assert from "node:assert/strict";
import { formatEndpoint } from "../../../src/core/address.ts";
import { parseCidr } from "../../../src/core/address-class.ts";
import { authResult, PacketFacts } from "../../../src/handover/contract.ts";
import { Handover, type HandoverOptions } from "../../../src/handover/handover.ts";
import { handoverBytes } from "../../../src/handover/slot-table.ts";
import { readSlot } from "../../../src/handover/view.ts";
import { suite } from "../../support/suite.ts";
import { endpointWords, Leg, Phone, rtcp, run, type Wanted } from "./leg.ts";

const sdp = "198.51.100.7:4000";
const usable: Wanted = { hints: [[sdp, "ip"]], target: sdp };
const unusable: Wanted = { hints: [["10.0.0.5:4000", "exact"]], target: "10.0.0.5:4000" };
const phoneAt = "203.0.113.9:7000";
const elsewhere = "192.0.2.30:5500";

function answered(wanted: Wanted, from: string, packets = 200, options: HandoverOptions = {}) {
  const leg = new Leg(options).open(wanted);
  const phone = new Phone(from);
  leg.talk(phone, packets);
  return { leg, phone, lastMs: leg.nowMs - 20 };
}

function factsFrom(from: string): PacketFacts {
  const [ip0 = 0, ip1 = 0, ip2 = 0, ip3 = 0, port = 0] = endpointWords(from);
  return Object.assign(new PacketFacts(), { slot: 0, ip0, ip1, ip2, ip3, port });
}

suite("handover: what went to a dead address", (test) => {
  test("by continuity and in its own place: since 40 ms before the old path's last packet", () => {
    for (const to of [elsewhere, "203.0.113.9:7777"]) {
      const { leg, phone, lastMs } = answered(unusable, phoneAt);
      phone.from = to;
      leg.talk(phone, 10);
      assert.deepEqual(leg.replays, [`0 ${to} ${lastMs - 40}`]);
    }
  });

  test("by an exact signalled address, and by a key", () => {
    const { leg, phone, lastMs } = answered(usable, "198.51.100.7:61000");
    leg.talk(new Phone(sdp, phone.ssrc), 1);
    assert.deepEqual(leg.replays, [`0 ${sdp} ${lastMs - 40}`]);
    const keyed = answered(usable, sdp);
    keyed.leg.wait(500);
    const verified = { ...keyed.phone.next(), auth: authResult.verified, isNewest: true, tagBits: 80 };
    keyed.leg.policy.packet(Object.assign(factsFrom(elsewhere), verified), keyed.leg.nowMs);
    assert.deepEqual(keyed.leg.replays, [`0 ${elsewhere} ${keyed.lastMs - 40}`]);
  });

  test("where ICE selects another address", () => {
    const { leg } = answered({ ...usable, hasIce: true }, sdp, 5);
    leg.policy.iceCheck(factsFrom(sdp), true, leg.nowMs);
    assert.deepEqual(leg.replays, []);
    const heardMs = leg.nowMs - 20;
    leg.wait(3_000);
    leg.policy.iceCheck(factsFrom(elsewhere), true, leg.nowMs);
    assert.deepEqual(leg.replays, [`0 ${elsewhere} ${heardMs - 40}`]);
  });

  test("once in two seconds", () => {
    const { leg, phone } = answered(unusable, phoneAt);
    for (const [place, replays] of [
      [1, 1],
      [2, 1],
      [3, 2],
    ] as const) {
      phone.from = `192.0.2.${place}:5000`;
      leg.talk(phone, 70);
      assert.equal(leg.replays.length, replays);
    }
  });

  test("never with the first proof, a provisional one, a new stream, an IP alone, or a target that stays", () => {
    const early = answered(unusable, phoneAt, 10);
    early.phone.from = elsewhere;
    early.leg.talk(early.phone, 10);
    assert.equal(early.leg.proven(), elsewhere);
    const place = answered(unusable, phoneAt);
    place.leg.wait(2_100);
    place.leg.talk(new Phone("203.0.113.9:7777", 0x2000), 10);
    assert.equal(place.leg.evidence(), "samePlace");
    const alone = answered(usable, "198.51.100.7:61000");
    alone.leg.configure({ ...usable, generation: 2 }).wait(300);
    alone.leg.talk(new Phone("198.51.100.7:62000", 0x2000), 3);
    assert.equal(alone.leg.proven(), "198.51.100.7:62000");
    const fixed = answered({ ...usable, isAsymmetric: true }, sdp);
    fixed.phone.from = elsewhere;
    fixed.leg.talk(fixed.phone, 10);
    assert.equal(fixed.leg.proven(), elsewhere);
    for (const { leg } of [early, place, alone, fixed]) assert.deepEqual(leg.replays, []);
  });
});

suite("handover: settings of the whole relay", (test) => {
  test("settle time: how long a stranger waits, and how long it stays on probation", () => {
    for (const settleMs of [1_000, 6_000]) {
      const leg = new Leg({ settleMs }).open(usable);
      const phone = new Phone(phoneAt);
      leg.talk(phone, settleMs / 20 - 1);
      assert.equal(leg.proven(), "-");
      leg.talk(phone, 2);
      assert.equal(leg.proven(), phoneAt);
      leg.talk(phone, settleMs / 20 - 5);
      leg.talk(new Phone("198.51.100.99:9", 0x77), 3);
      assert.equal(leg.proven(), phoneAt);
      leg.talk(new Phone("198.51.100.99:9", 0x77), 3);
    }
  });

  test("relearn after silence: a trunk comes from elsewhere with a new stream, without signalling", () => {
    const next = (): Phone => new Phone(elsewhere, 0x2000);
    const never = answered(unusable, phoneAt);
    never.leg.wait(60_000);
    never.leg.talk(next(), 50);
    assert.equal(never.leg.proven(), phoneAt);
    const { leg } = answered(unusable, phoneAt, 200, { relearnAfterSilenceMs: 5_000 });
    leg.wait(4_900);
    const stranger = next();
    leg.talk(stranger, 4);
    const from = stranger.sequence;
    leg.talk(stranger, 10);
    assert.deepEqual([leg.proven(), leg.evidence()], [elsewhere, "newGeneration"]);
    assert.deepEqual(leg.heard(elsewhere).slice(-10), run(from, 10));
    const strict = answered({ ...usable, isStrict: true }, sdp, 200, { relearnAfterSilenceMs: 5_000 });
    strict.leg.wait(60_000);
    strict.leg.talk(next(), 300);
    assert.equal(strict.leg.proven(), sdp);
  });

  test("relearn after silence: reports and keepalives are no silence, and whoever speaks again keeps the leg", () => {
    const { leg, phone } = answered(unusable, phoneAt, 200, { relearnAfterSilenceMs: 5_000 });
    leg.send(rtcp("203.0.113.9:7001"));
    leg.wait(4_000);
    leg.send(rtcp("203.0.113.9:7001"));
    leg.wait(3_000);
    leg.talk(new Phone(elsewhere, 0x2000), 10);
    assert.equal(leg.proven(), phoneAt);
    leg.wait(2_000);
    const stranger = new Phone(elsewhere, 0x2000);
    leg.talk(stranger, 2);
    leg.talk(phone, 1);
    leg.talk(stranger, 50);
    assert.equal(leg.proven(), phoneAt);
  });
});

suite("handover: two streams at once", (test) => {
  const gateways = { trustedMedia: [parseCidr("203.0.113.0/24")!] };

  test("a trunk in trusted-media gets what was sent while its first packets were weighed, a stranger nothing", () => {
    for (const options of [gateways, {}]) {
      const leg = new Leg(options).open({ hints: [["10.0.0.5:4000", "exact"]], target: "10.0.0.5:4000" });
      const trunk = new Phone("203.0.113.20:4000", 1);
      leg.talk(trunk, 6);
      assert.deepEqual([leg.proven(), leg.evidence()], [trunk.from, "firstSpeaker"]);
      assert.deepEqual(leg.replays, options === gateways ? [`0 ${trunk.from} 0`] : []);
    }
  });

  test("a trunk's second media server: nothing it said since the first fell silent is lost", () => {
    const leg = new Leg(gateways).open(usable);
    const [first, second] = [new Phone("203.0.113.20:4000", 1), new Phone("203.0.113.21:5000", 2)];
    leg.talk(first, 20);
    for (let count = 0; count < 10; count++) {
      leg.send(second.next());
      leg.talk(first, 1);
    }
    const from = second.sequence;
    leg.talk(second, 100);
    assert.deepEqual(leg.heard(second.from).slice(-100), run(from, 100));
    assert.equal(leg.proven(), second.from);
  });

  test("both from the start: nothing of the one that goes on is lost", () => {
    const leg = new Leg(gateways).open(usable);
    const [first, second] = [new Phone("203.0.113.20:4000", 1), new Phone("203.0.113.21:5000", 2)];
    for (let count = 0; count < 30; count++) {
      leg.send(first.next());
      leg.send(second.next());
      leg.wait(20);
    }
    const from = second.sequence;
    leg.talk(second, 60);
    assert.deepEqual(leg.heard(second.from).slice(-60), run(from, 60));
  });

  test("two ports of one signalled address: the one that was not taken is not lost when the other stops", () => {
    const leg = new Leg().open({ ...usable, isSignalled: false });
    const [first, second] = [new Phone("198.51.100.7:60000", 1), new Phone("198.51.100.7:61000", 2)];
    leg.send(first.next());
    leg.send(second.next());
    leg.configure(usable).wait(0);
    for (let count = 0; count < 6; count++) {
      leg.send(first.next());
      leg.send(second.next());
      leg.wait(20);
    }
    assert.equal(leg.proven(), first.from);
    leg.talk(second, 20);
    assert.deepEqual(leg.heard(second.from), run(65_530, 27));
  });

  test("one that stopped before the proven one did is not taken for the party", () => {
    const leg = new Leg(gateways).open(usable);
    const [first, second] = [new Phone("203.0.113.20:4000", 1), new Phone("203.0.113.21:5000", 2)];
    leg.talk(first, 6);
    for (let count = 0; count < 6; count++) {
      leg.send(second.next());
      leg.talk(first, 1);
    }
    leg.talk(first, 1);
    leg.wait(980);
    assert.deepEqual([leg.proven(), leg.heard(second.from)], [first.from, []]);
  });
});

suite("handover: view", (test) => {
  const memory = new SharedArrayBuffer(handoverBytes(8));
  const words = new Int32Array(memory);
  const reals = new Float64Array(memory);

  test("an empty table, and slots that are none, show nothing", () => {
    const nothing = { candidates: [], remembered: [], struck: [], twin: undefined, switches: 0 };
    for (const slot of [-1, 0, 7, 8, 1e9]) assert.deepEqual(readSlot(words, reals, slot, 0), nothing);
    assert.deepEqual(readSlot(new Int32Array(0), new Float64Array(0), 0, 0), nothing);
  });

  test("candidates, strikes, twins and sources that lost the leg", () => {
    const leg = new Leg({ memory }).open({ ...usable, isSignalled: false });
    leg.talk(new Phone("203.0.113.9:7000", 5), 2);
    const early = readSlot(words, reals, 0, leg.nowMs);
    assert.deepEqual(
      early.candidates.map(({ source, ...rest }) => ({ ...rest, source: formatEndpoint(source) })),
      [{ source: "203.0.113.9:7000", claim: "first-speaker", rank: "unknown", packets: 2, ageMs: 40 }],
    );
    leg.configure(usable).wait(2_000);
    const phone = new Phone(sdp);
    leg.talk(phone, 200);
    leg.send(phone.forge(elsewhere).next());
    const held = readSlot(words, reals, 0, leg.nowMs).candidates[0];
    assert.deepEqual([held?.claim, held?.rank], ["continuity", "stream"]);
    leg.talk(phone, 1);
    const { struck } = readSlot(words, reals, 0, leg.nowMs);
    assert.deepEqual(
      struck.map(({ source, forMs }) => [formatEndpoint(source), forMs]),
      [[elsewhere, 9_980]],
    );
    const packet = phone.next();
    leg.send({ ...packet, from: "192.0.2.99:1" });
    leg.send(packet);
    const { twin } = readSlot(words, reals, 0, leg.nowMs);
    assert.equal(twin === undefined ? "-" : formatEndpoint(twin), "192.0.2.99:1");
    leg.wait(11_000);
    phone.from = elsewhere;
    leg.talk(phone, 10);
    const after = readSlot(words, reals, 0, leg.nowMs);
    assert.deepEqual([after.remembered.map(formatEndpoint), after.switches], [[sdp], 1]);
    assert.deepEqual([after.struck, after.candidates], [[], []]);
    leg.policy.close(0);
    assert.equal(readSlot(words, reals, 0, leg.nowMs).switches, 0);
  });

  test("memory that is too small is refused", () => {
    assert.throws(() => new Handover(9, new Leg(), { memory }), /too small/);
  });
});
