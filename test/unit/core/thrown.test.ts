import assert from "node:assert/strict";
import { messageOf, stackOf } from "../../../src/core/thrown.ts";
import { suite } from "../../support/suite.ts";

suite("what was thrown", (test) => {
  test("an error is its message, and its stack where it has one", () => {
    const error = new RangeError("too far");
    assert.equal(messageOf(error), "too far");
    assert.match(stackOf(error), /^RangeError: too far\n\s+at /);
    delete error.stack;
    assert.equal(stackOf(error), "too far");
  });

  test("anything else is what it prints as", () => {
    for (const [thrown, text] of [
      ["words", "words"],
      [undefined, "undefined"],
      [null, "null"],
      [7, "7"],
    ]) {
      assert.deepEqual([messageOf(thrown), stackOf(thrown)], [text, text]);
    }
  });
});
