/** Rules that no generated history needs: what each is for, in one scene. */
import assert from "node:assert/strict";
import { verdict } from "../../../src/handover/contract.ts";
import type { Ground } from "../../../src/handover/ground.ts";
import { remember } from "../../../src/handover/remembered.ts";
import { memoryClaim, SlotTable, slotWords, word } from "../../../src/handover/slot-table.ts";
import { isStruck, strikeSource } from "../../../src/handover/strikes.ts";
import { readSlot } from "../../../src/handover/view.ts";
import { suite } from "../../support/suite.ts";
import { endpointWords, Leg, Phone, settings, tally, type Wanted } from "../handover/leg.ts";

const sdp = "198.51.100.7:4000";
const elsewhere = "192.0.2.30:5500";
const usable: Wanted = { hints: [[sdp, "ip"]], target: sdp };

function answered(wanted: Wanted = usable): { leg: Leg; phone: Phone } {
  const leg = new Leg().open(wanted);
  const phone = new Phone(sdp, 0x77, 0, 100);
  leg.talk(phone, 60);
  return { leg, phone };
}

suite("attackers: rules one by one", (test) => {
  test("a packet that was overtaken does not open the window for what went out already", () => {
    const { leg, phone } = answered();
    const copy = Object.assign(new Phone(elsewhere, 0x77), { timestamp: phone.timestamp });
    const late = Object.assign(new Phone(sdp, 0x77), {
      sequence: phone.sequence - 20,
      timestamp: phone.timestamp,
    });
    assert.equal(leg.send(late.next()), verdict.relay);
    copy.sequence = phone.sequence - 15;
    assert.equal(leg.send(copy.next()), verdict.outsideWindow);
  });

  test("what was on its way from the old network does not refute the phone in the new one", () => {
    const { leg, phone } = answered();
    const onItsWay = phone.next();
    phone.from = elsewhere;
    const first = phone.next();
    assert.equal(leg.send(first), verdict.hold);
    leg.wait(5);
    assert.equal(leg.send(onItsWay), verdict.relay);
    leg.wait(15);
    leg.talk(phone, 10);
    assert.deepEqual([leg.proven(), leg.heard(elsewhere)[0]], [elsewhere, first.sequence]);
  });

  test("a source that had the leg is never struck", () => {
    const table = new SlotTable(2);
    const notes: number[] = [];
    const sink = { note: (_slot: number, kind: number) => void notes.push(kind) };
    const ground = { table, sink, settings: [settings({}), settings({})] } as unknown as Ground;
    table.words.set(endpointWords(elsewhere), word.proven);
    remember(ground, 0, 0x77, 100, 0, memoryClaim.takeBack);
    const [known, unknown] = [elsewhere, "192.0.2.31:5500"].map((text) =>
      Int32Array.from(endpointWords(text)),
    );
    for (const source of [known, unknown]) strikeSource(ground, 0, source ?? new Int32Array(5), 0, 1_000);
    assert.deepEqual([isStruck(ground, 0, known ?? new Int32Array(5), 0, 1_001), notes.length], [false, 1]);
    assert.ok(isStruck(ground, 0, unknown ?? new Int32Array(5), 0, 1_001));
    assert.equal(table.words[slotWords + word.strikeCount], 0);
  });

  test("a twin that sends other bytes under a number that went out is struck and not relayed", () => {
    const { leg, phone } = answered();
    for (let count = 0; count < 5; count++) {
      const packet = phone.next();
      leg.send({ ...packet, from: elsewhere });
      leg.wait(5);
      leg.send(packet);
      leg.wait(15);
    }
    const packet = phone.next();
    assert.equal(leg.send(packet), verdict.relay);
    assert.equal(leg.send({ ...packet, from: elsewhere, body: 4_711 }), verdict.struck);
    assert.equal(leg.notes.at(-1), "0 struck continuity");
  });

  test("the source before is read for half a second and no longer", () => {
    const memory = new ArrayBuffer(1 << 16);
    const [words, reals] = [new Int32Array(memory), new Float64Array(memory)];
    const leg = new Leg({ memory }).open(usable);
    const phone = new Phone(sdp);
    leg.talk(phone, 60);
    phone.from = elsewhere;
    leg.talk(phone, 10);
    assert.equal(leg.proven(), elsewhere);
    assert.notEqual(readSlot(words, reals, 0, leg.nowMs).twin, undefined);
    leg.wait(1_000);
    assert.equal(readSlot(words, reals, 0, leg.nowMs).twin, undefined);
  });

  test("two that take turns under `media-handover` move the leg ten times a second at most", () => {
    const { leg } = answered({ ...usable, followsAnySource: true });
    const [one, other] = [new Phone(elsewhere, 0x99), new Phone("192.0.2.77:5500", 0x98)];
    const outcomes = Array.from({ length: 100 }, (_, index) => {
      leg.wait(5);
      return leg.send((index % 2 === 0 ? one : other).next());
    });
    assert.ok((tally(outcomes)["rateLimited"] ?? 0) > 10);
    assert.ok(leg.notes.filter((note) => note.startsWith("0 switched")).length <= 12);
  });
});
