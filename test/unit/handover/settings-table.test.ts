import assert from "node:assert/strict";
import { hintsPerSlotMax, siblingsPerSlotMax } from "../../../src/core/limits.ts";
import { hintWords } from "../../../src/handover/contract.ts";
import { type Settings, SettingsTable } from "../../../src/handover/settings-table.ts";
import { suite } from "../../support/suite.ts";
import { endpointWords, settings, type Wanted } from "./leg.ts";

const hints = [
  ["192.0.2.1:4000", "ip"],
  ["[2001:db8::1]:5000", "expected"],
] as const;

const wanted: Wanted = {
  isRtp: false,
  isMux: true,
  generation: 7,
  learningMode: 4,
  hints,
  target: "192.0.2.1:4000",
  siblings: [2, 6],
};

const targetOf = ({ words, targetAt }: Settings): number[] => [...words.slice(targetAt, targetAt + 5)];

function hintsOf({ words, hintsAt, hintsEnd, hintStep }: Settings): number[] {
  const found: number[] = [];
  for (let at = hintsAt; at < hintsEnd; at += hintStep) found.push(...words.slice(at, at + hintWords));
  return found;
}

function siblingsOf({ words, siblingsAt, siblingsEnd, siblingStep }: Settings): number[] {
  const found: number[] = [];
  for (let at = siblingsAt; at < siblingsEnd; at += siblingStep) found.push(words[at] ?? -1);
  return found;
}

suite("handover settings table", (test) => {
  test("a row tells what was set, of one slot alone", () => {
    const table = new SettingsTable(8);
    const given = settings(wanted);
    const view = table.set(4, given);
    assert.equal(table.bySlot[4], view);
    assert.deepEqual([view.isRtp, view.isMux, view.isSignalled], [false, true, true]);
    assert.deepEqual([view.generation, view.learningMode, view.targetPort], [7, 4, 4_000]);
    assert.deepEqual(targetOf(view), endpointWords("192.0.2.1:4000"));
    assert.deepEqual(hintsOf(view), [...given.hints]);
    assert.deepEqual(siblingsOf(view), [2, 6]);
    assert.equal(view.payloadTypes, given.payloadTypes);
    assert.equal(view.clockRates, given.clockRates);
    for (const slot of [3, 5]) {
      assert.deepEqual([table.bySlot[slot]?.isSignalled, table.bySlot[slot]?.targetPort], [false, 0]);
    }
  });

  test("every flag is its own", () => {
    const names = [
      "isRtp",
      "isMux",
      "isSignalled",
      "isAsymmetric",
      "isStrict",
      "followsAnySource",
      "hasIce",
    ] as const;
    const none = Object.fromEntries(names.map((name) => [name, false]));
    for (const name of names) {
      const view = new SettingsTable(2).set(0, settings({ ...none, [name]: true }));
      assert.deepEqual(
        names.filter((each) => view[each]),
        [name],
      );
    }
  });

  test("nothing of what was given is looked at later but the shared tables", () => {
    const table = new SettingsTable(2);
    const given = settings(wanted);
    const view = table.set(0, given);
    for (const words of [given.hints, given.target, given.siblings]) words.fill(-1);
    assert.deepEqual(targetOf(view), endpointWords("192.0.2.1:4000"));
    assert.deepEqual(siblingsOf(view), [2, 6]);
    assert.equal(hintsOf(view)[4], 4_000);
  });

  test("the settings before are told until the next ones, and shorter lists leave nothing behind", () => {
    const table = new SettingsTable(8);
    const first = table.set(0, settings(wanted));
    assert.deepEqual(
      [table.former.isSignalled, table.former.isRtp, table.former.targetPort],
      [false, true, 0],
    );
    const second = table.set(0, settings({ generation: 8, target: "192.0.2.9:6000" }));
    assert.equal(second, first);
    assert.deepEqual([second.generation, table.former.generation], [8, 7]);
    assert.deepEqual(targetOf(table.former), endpointWords("192.0.2.1:4000"));
    assert.deepEqual([hintsOf(table.former), siblingsOf(table.former)], [[], []]);
    assert.deepEqual([hintsOf(second), siblingsOf(second)], [[], []]);
    table.set(2, settings({ generation: 1 }));
    assert.deepEqual([table.former.generation, second.generation], [0, 8]);
  });

  test("a slot that is opened anew knows nothing, without another view", () => {
    const table = new SettingsTable(2);
    const view = table.set(0, settings(wanted));
    table.clear(0);
    table.clear(1);
    assert.equal(table.bySlot[0], view);
    assert.deepEqual([view.isSignalled, view.isRtp, view.generation, view.targetPort], [false, true, 0, 0]);
    assert.deepEqual([hintsOf(view), siblingsOf(view)], [[], []]);
    assert.ok([...view.payloadTypes, ...view.clockRates].every((word) => word === 0));
    table.set(0, settings({}));
    assert.equal(table.former.isSignalled, false);
  });

  test("lists beyond their limits are cut", () => {
    const view = new SettingsTable(2).set(
      0,
      settings({
        hints: Array.from({ length: 20 }, () => hints[0]),
        siblings: Array.from({ length: 20 }, (_, index) => 2 * index),
      }),
    );
    assert.equal(hintsOf(view).length, hintsPerSlotMax * hintWords);
    assert.equal(siblingsOf(view).length, siblingsPerSlotMax);
  });
});
