import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { commandNames } from "../../../../src/control/ng/command-names.ts";
import { suite } from "../../../support/suite.ts";
import { flagTable, keyTable } from "./word-rows.ts";

function repositoryRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

const text = readFileSync(join(repositoryRoot(), "docs", "ng.md"), "utf8");

/** What stands between `<!-- name -->` and the next `<!-- end -->`. */
function section(name: string): string {
  const start = text.indexOf(`<!-- ${name} -->`);
  const end = text.indexOf("<!-- end -->", start);
  assert.ok(start >= 0 && end > start, `docs/ng.md has no section ${name}`);
  return text.slice(text.indexOf("\n", start) + 1, end).trim();
}

suite("docs/ng.md", (test) => {
  test("its tables are those of the parser (a new word: paste what this test expected)", () => {
    assert.equal(section("keys"), keyTable());
    assert.equal(section("flags"), flagTable());
  });

  test("it names every command", () => {
    for (const { name } of commandNames) assert.ok(text.includes(`\`${name}\``), name);
  });
});
