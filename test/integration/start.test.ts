/** The set-up of `npm start` on a small repository of its own, with packages already there: no network is used. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { repositoryRoot } from "../support/repository.ts";
import { suite } from "../support/suite.ts";

const program = 'process.stdout.write(["up", ...process.argv.slice(2)].join(" ").concat("\\n"));\n';

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** A repository whose name holds a space. */
function withRepository(body: (folder: string) => Promise<void>): () => Promise<void> {
  return async () => {
    const folder = mkdtempSync(join(tmpdir(), "rtpferry start "));
    const write = (name: string, text: string): void => {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), text);
    };
    mkdirSync(join(folder, "scripts"));
    for (const name of ["setup.mjs", "start.mjs"]) {
      copyFileSync(join(repositoryRoot, "scripts", name), join(folder, "scripts", name));
    }
    for (const name of ["tsconfig.json", "tsconfig.build.json"]) {
      copyFileSync(join(repositoryRoot, name), join(folder, name));
    }
    write("package.json", '{"name":"x","version":"1.0.0","type":"module"}');
    write("package-lock.json", '{"packages":{"":{}}}');
    write("node_modules/.package-lock.json", '{"packages":{}}');
    for (const name of ["typescript", "@types"]) {
      symlinkSync(join(repositoryRoot, "node_modules", name), join(folder, "node_modules", name));
    }
    write("src/cli.ts", program);
    write("src/gone.ts", "export const gone = 1;\n");
    try {
      await body(folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  };
}

function start(folder: string, ...words: string[]): Promise<Ended> {
  const child = spawn(process.execPath, [join(folder, "scripts", "start.mjs"), ...words], { cwd: tmpdir() });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk) => {
    out += chunk;
  });
  child.stderr.on("data", (chunk) => {
    err += chunk;
  });
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, out, err })));
}

const timeoutMs = 60_000;

suite("start", (test) => {
  test(
    "the first start compiles, the second does not, a change compiles again",
    withRepository(async (folder) => {
      assert.deepEqual(await start(folder, "serve", "--tos", "1"), {
        code: 0,
        out: "up serve --tos 1\n",
        err: "rtpferry: compiling to dist/\n",
      });
      assert.deepEqual(await start(folder, "serve"), { code: 0, out: "up serve\n", err: "" });
      writeFileSync(join(folder, "src", "cli.ts"), program.replace("up", "changed"));
      rmSync(join(folder, "src", "gone.ts"));
      assert.deepEqual(await start(folder), {
        code: 0,
        out: "changed\n",
        err: "rtpferry: compiling to dist/\n",
      });
      assert.equal(existsSync(join(folder, "dist", "gone.js")), false);
      assert.equal(existsSync(join(folder, ".cache", "setup.lock")), false);
    }),
    { timeoutMs },
  );

  test(
    "two starts at once compile once",
    withRepository(async (folder) => {
      const both = await Promise.all([start(folder), start(folder)]);
      assert.deepEqual(
        both.map(({ code, out }) => [code, out]),
        [
          [0, "up\n"],
          [0, "up\n"],
        ],
      );
      assert.equal(both.map(({ err }) => err).join(""), "rtpferry: compiling to dist/\n");
    }),
    { timeoutMs },
  );

  test(
    "the lock of a start that is gone does not stop the next one",
    withRepository(async (folder) => {
      mkdirSync(join(folder, ".cache"));
      writeFileSync(join(folder, ".cache", "setup.lock"), "2147480000");
      assert.equal((await start(folder)).code, 0);
    }),
    { timeoutMs },
  );

  test(
    "a source that does not compile is told, and is tried again next time",
    withRepository(async (folder) => {
      writeFileSync(join(folder, "src", "cli.ts"), "const x: number = 'a';\n");
      for (let attempt = 0; attempt < 2; attempt++) {
        const { code, out, err } = await start(folder);
        assert.deepEqual([code === 0, out], [false, ""]);
        assert.match(err, /src\/cli\.ts\(1,7\): error TS2322/);
        assert.match(err, /rtpferry: tsconfig\.build\.json does not compile\n$/);
      }
      assert.equal(existsSync(join(folder, ".cache", "setup.lock")), false);
    }),
    { timeoutMs },
  );

  test(
    "packages that fit the lockfile are taken as they are, and remembered",
    withRepository(async (folder) => {
      await start(folder);
      const stamp = readFileSync(join(folder, "node_modules", ".rtpferry-installed"), "utf8");
      assert.match(stamp, /^[0-9a-f]{64}$/);
      // The same content at another time is the same lockfile.
      utimesSync(join(folder, "package-lock.json"), 1, 1);
      rmSync(join(folder, "node_modules", ".package-lock.json"));
      assert.doesNotMatch((await start(folder)).err, /installing/);
    }),
    { timeoutMs },
  );
});
