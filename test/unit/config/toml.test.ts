import assert from "node:assert/strict";
import fc from "fast-check";
import { parse, stringify } from "smol-toml";
import { formatProblem } from "../../../src/config/layer.ts";
import { readToml } from "../../../src/config/toml.ts";
import { findKeys } from "../../../src/config/toml-lines.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";

function problemsOf(text: string): readonly string[] {
  return readToml(text, "f.toml").problems.map(formatProblem);
}

suite("config/toml-lines", (test) => {
  test("keys and elements are found around comments, strings and arrays over several lines", () => {
    const text = [
      "# port-min = 1",
      'pidfile = """',
      "port-max = 2",
      '"""',
      "listen-ng = [ # [",
      '  "127.0.0.1:1", "127.0.0.1:2", # "x",',
      "",
      "  '#,]',",
      "]",
      '"quoted key" = 1',
      "a.b = 1",
      "[table]",
      "tos = 3",
    ].join("\n");
    assert.deepEqual(
      [...findKeys(text)],
      [
        ["pidfile", { line: 2, elementLines: [] }],
        ["listen-ng", { line: 5, elementLines: [6, 6, 8] }],
        ["quoted key", { line: 10, elementLines: [] }],
        ["a", { line: 11, elementLines: [] }],
        ["table", { line: 12, elementLines: [] }],
      ],
    );
  });

  test("every key of whatever smol-toml writes is found on its line", () => {
    const value = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.array(fc.string(), { maxLength: 4 }));
    const document = fc.dictionary(fc.stringMatching(/^[a-z-]{1,12}$/), value, { maxKeys: 8 });
    fc.assert(
      fc.property(document, (table) => {
        const text = stringify(table);
        const lines = text.split("\n");
        const places = findKeys(text);
        assert.deepEqual([...places.keys()], Object.keys(parse(text)));
        for (const [key, { line }] of places) assert.ok(lines[line - 1]?.includes(key));
      }),
      { numRuns: fuzzRuns(300) },
    );
  });
});

suite("config/toml", (test) => {
  test("values arrive as text with their lines", () => {
    const { layer, problems } = readToml(
      'tos = 184\nlisten-ng = [\n"127.0.0.1:1",\n"[::1]:2"]\ncontrol-allow="10.0.0.0/8"\nstrict = true\n',
      "f.toml",
    );
    assert.deepEqual(problems, []);
    const place = (line: number) => ({ source: "f.toml", line });
    assert.deepEqual(layer.get("tos"), [{ text: "184", place: place(1) }]);
    assert.deepEqual(layer.get("listenNg"), [
      { text: "127.0.0.1:1", place: place(3) },
      { text: "[::1]:2", place: place(4) },
    ]);
    assert.deepEqual(layer.get("controlAllow"), [{ text: "10.0.0.0/8", place: place(5) }]);
    assert.deepEqual(layer.get("strict"), [{ text: "true", place: place(6) }]);
  });

  test("an unknown key is told with its line and the nearest one", () => {
    assert.deepEqual(problemsOf("\nport-mn = 1\nredis-password = 'x'\n"), [
      "f.toml:2: port-mn: there is no such key; did you mean port-min?",
      "f.toml:3: redis-password: there is no such key",
    ]);
  });

  test("tables, wrong types and arrays in the wrong place are told", () => {
    assert.deepEqual(
      problemsOf('tos = "1"\nport-min = [1]\ninterface = []\nlisten-ng = [\n1]\nstrict=1\n[relay]\n'),
      [
        'f.toml:1: tos: "1" is not a whole number without quotes',
        "f.toml:2: port-min: one value, not an array, is wanted here",
        "f.toml:3: interface: at least one value is wanted here",
        'f.toml:5: listen-ng: "1" is not a string or an array of them',
        'f.toml:6: strict: "1" is not true or false',
        "f.toml:7: [relay]: there are no tables; all keys stand at the top of the file",
      ],
    );
    assert.deepEqual(problemsOf("tos = 1.5\npidfile = 1979-05-27\n"), [
      'f.toml:1: tos: "1.5" is not a whole number without quotes',
      'f.toml:2: pidfile: "a table or date" is not a string',
    ]);
  });

  test("what is not TOML is told with line and column", () => {
    assert.deepEqual(problemsOf("tos = 1\nport-min = \n").length, 1);
    assert.match(problemsOf("tos = 1\nport-min = \n")[0] ?? "", /^f\.toml:2: not valid TOML at column \d+: /);
    assert.match(problemsOf("tos = 1\ntos = 2\n")[0] ?? "", /^f\.toml:2: not valid TOML/);
  });

  test("a hostile file gives problems, never an exception or a changed prototype", () => {
    for (const text of [
      "__proto__ = 1",
      "[__proto__]\nx = 1",
      "constructor = 1",
      "a".repeat(100_000),
      "[".repeat(5_000),
    ]) {
      assert.ok(problemsOf(text).length > 0);
    }
    assert.equal(({} as Record<string, unknown>)["x"], undefined);
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(..."=[]{}\"'#,\n\\a1.-") })),
        (text) => {
          readToml(text, "f.toml");
        },
      ),
      { numRuns: fuzzRuns(1_000) },
    );
  });
});
