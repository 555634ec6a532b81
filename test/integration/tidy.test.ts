/** scripts/check-tidy.mjs on a small tree with one planted violation a rule. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { repositoryRoot } from "../support/repository.ts";
import { suite } from "../support/suite.ts";

const script = join(repositoryRoot, "scripts", "check-tidy.mjs");
const cleanLock = '{"packages":{"":{},"node_modules/a":{"version":"1.0.0"}}}';

function check(files: Readonly<Record<string, string>>): { findings: string[]; code: number | null } {
  const folder = mkdtempSync(join(tmpdir(), "rtpferry-tidy-"));
  try {
    for (const [name, text] of Object.entries({ "package-lock.json": cleanLock, ...files })) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), text);
    }
    const { stdout, status } = spawnSync(process.execPath, [script, folder], { encoding: "utf8" });
    return { findings: stdout.trimEnd().split("\n").slice(0, -1), code: status };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

suite("tidy", (test) => {
  test("a clean tree has no findings", () => {
    const { findings, code } = check({
      "src/call/a.ts": 'import { b } from "../sdp/b.ts";\n// RFC 3550 section 6.4.1 says so.\n',
      "src/io/random.ts": "const x = Math.random();\n",
      "src/io/linux/a.ts": 'import koffi from "koffi";\n',
      "README.md": "[here](docs/a.md#part) and [there](https://example.org/)\n",
      "docs/a.md": "tab\there\n",
      "node_modules/a/a.js": `// ${"TO"}DO\n`,
    });
    assert.deepEqual(findings, []);
    assert.equal(code, 0);
  });

  const planted: readonly (readonly [string, string, string, RegExp])[] = [
    [
      "what is left to do",
      "src/core/a.ts",
      `// ${"TO"}DO: later\n`,
      /^src\/core\/a\.ts:1: says what is left/,
    ],
    ["chance in a pure room", "src/rtp/a.ts", "const x = Math.random();\n", /Math\.random/],
    ["a path of one machine", "docs/a.md", `see ${"/wo"}rk/main\n`, /names a path of one machine/],
    ["a control character", "src/core/a.ts", 'const x = "\u0007";\n', /holds a control character/],
    ["a hidden character", "docs/a.md", "right\u202eleft\n", /holds a control character/],
    ["a dead link", "README.md", "\n[x](docs/none.md)\n", /^README\.md:2: links to docs\/none\.md/],
    [
      "an RFC without section",
      "src/rtp/a.ts",
      "const a = 1;\n// see RFC 3550\n",
      /^src\/rtp\/a\.ts:2: cites an RFC/,
    ],
    ["an import upwards", "src/core/a.ts", 'import { b } from "../call/b.ts";\n', /core may not import call/],
    [
      "an import sideways",
      "src/call/a.ts",
      'import type { b } from "../relay/b.ts";\n',
      /call may not import relay/,
    ],
    [
      "config outside cli",
      "src/io/a.ts",
      'import { b } from "../config/b.ts";\n',
      /io may not import config/,
    ],
    [
      "a late import upwards",
      "src/sdp/a.ts",
      'const b = await import("../io/b.ts");\n',
      /sdp may not import io/,
    ],
    [
      "a package elsewhere",
      "src/relay/a.ts",
      'import koffi from "koffi";\n',
      /koffi may not be imported here/,
    ],
    [
      "an unknown package",
      "src/io/a.ts",
      'import { b } from "left-pad";\n',
      /left-pad may not be imported here/,
    ],
    ["an unknown room", "src/misc/a.ts", 'import { b } from "../core/b.ts";\n', /misc is no room/],
  ];
  for (const [what, file, text, finding] of planted) {
    test(`${what} is found`, () => {
      const { findings, code } = check({ [file]: text });
      assert.equal(findings.length, 1, findings.join("\n"));
      assert.match(findings[0] ?? "", finding);
      assert.equal(code, 1);
    });
  }

  test("a lockfile bound to a registry, or not fit for all platforms, is found", () => {
    const lock = {
      packages: { "node_modules/a": { resolved: "https://r/a.tgz", optionalDependencies: { "a-arm": "1" } } },
    };
    assert.deepEqual(check({ "package-lock.json": JSON.stringify(lock) }).findings, [
      "package-lock.json:1: node_modules/a is bound to one registry",
      "package-lock.json:1: a-arm is missing: npm ci fails",
    ]);
  });
});
