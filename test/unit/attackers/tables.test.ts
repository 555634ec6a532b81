/** docs/handover.md shows what the run of all cells measured, to the packet. */
import assert from "node:assert/strict";
import { attackerTables } from "../../support/attackers/tables.ts";
import { isUsualRun } from "../../support/fuzz-runs.ts";
import { repositoryFile } from "../../support/repository.ts";
import { suite } from "../../support/suite.ts";

suite("attackers: the tables of docs/handover.md", (test) => {
  test("are those of this run (`node scripts/write-attackers.mjs` renews them)", () => {
    // Other histories have other worst cases.
    if (!isUsualRun) return;
    const [, rest] = repositoryFile("docs/handover.md").split("<!-- attackers:begin -->\n\n");
    const committed = rest?.split("\n\n<!-- attackers:end -->")[0];
    assert.equal(committed, attackerTables());
  });
});
