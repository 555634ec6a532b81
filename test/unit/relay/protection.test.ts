import assert from "node:assert/strict";
import { Protection, passage } from "../../../src/relay/protection.ts";
import { pairFlag, Slots } from "../../../src/relay/slots.ts";
import { keyOf } from "../../support/srtp-rig.ts";
import { suite } from "../../support/suite.ts";

const shared = keyOf("AES_CM_128_HMAC_SHA1_80", 1);
const other = keyOf("AES_CM_128_HMAC_SHA1_80", 2);

/** Two pairs whose keys are the pairs' own, at slots 0 and 2. */
function protection(): Protection {
  const slots = new Slots(8);
  for (const pair of [0, 1]) slots.flags[pair] = pairFlag.isOpen | pairFlag.isRtp | pairFlag.isSecure;
  return new Protection(undefined, slots);
}

suite("relay: protection", (test) => {
  test("whether packets pass as they came follows every change of either side's keys", () => {
    const tested = protection();
    assert.equal(tested.passageOf(0, 2), passage.never);
    tested.setKeys(0, { receive: [shared], send: other }, 0);
    assert.equal(tested.passageOf(0, 2), passage.never);
    tested.setKeys(2, { receive: [], send: shared }, 0);
    for (const component of [0, 1]) assert.equal(tested.passageOf(component, 2 + component), passage.always);
    tested.setKeys(2, { receive: [], send: other }, 0);
    assert.equal(tested.passageOf(0, 2), passage.never);
    tested.setKeys(0, { receive: [shared, other], send: undefined }, 0);
    assert.equal(tested.passageOf(0, 2), passage.byKey);
    tested.suspend(2);
    assert.equal(tested.passageOf(0, 2), passage.never);
    tested.setKeys(2, { receive: [], send: other }, 0);
    assert.equal(tested.passageOf(0, 2), passage.byKey);
    tested.clear(0);
    assert.equal(tested.passageOf(0, 2), passage.never);
  });

  test("what came before the key that serves now is out of date; the same key again changes nothing", () => {
    const tested = protection();
    assert.equal(tested.setKeys(2, { receive: [], send: shared }, 10), true);
    assert.equal(tested.isOutdated(2, 20), false);
    assert.equal(tested.setKeys(2, { receive: [other], send: shared }, 30), false);
    assert.equal(tested.isOutdated(2, 20), false);
    assert.equal(tested.setKeys(2, { receive: [], send: other }, 40), true);
    for (const slot of [2, 3]) {
      assert.equal(tested.isOutdated(slot, 39), true);
      assert.equal(tested.isOutdated(slot, 40), false);
    }
  });
});
