/** Every rule of the policy is there for something: with any one of them switched off, a test fails. */
import assert from "node:assert/strict";
import { suite } from "../support/suite.ts";
import { tryAll } from "./mutants.ts";
import { rules } from "./rules.ts";

const timeoutMs = 500_000;

suite("mutation: the source policy", (test) => {
  const run = tryAll(rules);

  test("the tests pass while every rule is there", async () => assert.ok(await run.unchanged), { timeoutMs });

  for (const [index, rule] of rules.entries()) {
    test(
      `${rule.file}: ${rule.name}`,
      async () => {
        const verdict = await run.verdicts[index];
        assert.equal(verdict?.fault, undefined, "the rule's text has to stand in its file once");
        assert.ok(verdict?.isCaught, "no test noticed");
      },
      { timeoutMs },
    );
  }

  test("nothing is left behind", () => run.remove());
});
