/** The committed WebAssembly module beside its source, and when it is chosen. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { allocatePacketMemory } from "../../src/io/packet-memory.ts";
import { openSrtpEngine, srtpEngineBytes, srtpEngineSources } from "../../src/io/srtp-engine.ts";
import { wasmCompiler } from "../../src/srtp/wasm/module.ts";
import { repositoryRoot } from "../support/repository.ts";
import { suite } from "../support/suite.ts";

const installed = spawnSync("clang", ["--version"], { encoding: "utf8" }).stdout?.split("\n")[0];

suite("srtp by WebAssembly, its module and its choice", (test) => {
  // Other compilers make other bytes.
  if (installed === wasmCompiler) {
    test(
      "the module is what its source compiles to",
      () => {
        const script = join(repositoryRoot, "scripts", "build-wasm.mjs");
        const { status, stdout, stderr } = spawnSync(process.execPath, [script, "--check"], {
          encoding: "utf8",
        });
        assert.equal(status, 0, stdout + stderr);
      },
      { timeoutMs: 60_000 },
    );
  } else process.stdout.write(`the WebAssembly module is not compiled anew: that takes ${wasmCompiler}\n`);

  test("it is the last that is tried", async () => {
    const parts = { arena: allocatePacketMemory(srtpEngineBytes), offset: 0, handlesMax: 13 };
    const absent = srtpEngineSources.slice(0, -1).map(({ name }) => ({
      name,
      open: (): never => {
        throw new Error("no FFI");
      },
    }));
    const { engine, faults } = await openSrtpEngine(parts, [...absent, ...srtpEngineSources.slice(-1)]);
    assert.equal(engine?.name, "WebAssembly");
    assert.deepEqual(
      faults.map(({ name }) => name),
      ["OpenSSL", "OpenSSL with EVP contexts", "OpenSSL with EVP contexts and HMAC_CTX"],
    );
  });
});
