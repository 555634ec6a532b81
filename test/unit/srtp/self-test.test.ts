import assert from "node:assert/strict";
import { type SrtpEngine, scratchAt } from "../../../src/srtp/engine.ts";
import { srtpHandlesMax } from "../../../src/srtp/packet-crypto.ts";
import { findEngineFault } from "../../../src/srtp/self-test.ts";
import { NodeCryptoEngine } from "../../support/srtp-node-engine.ts";
import { scratchRoom } from "../../support/srtp-rig.ts";
import { suite } from "../../support/suite.ts";

const scratchOffset = 64;

function faultOf(change: (engine: NodeCryptoEngine, arena: Uint8Array) => void): string | undefined {
  const arena = new Uint8Array(scratchOffset + scratchRoom);
  const engine = new NodeCryptoEngine(arena, scratchOffset, srtpHandlesMax(2));
  change(engine, arena);
  return findEngineFault(engine as SrtpEngine, arena);
}

suite("srtp engine self test", (test) => {
  test("an engine that is right has no fault, and all its handles back", () => {
    let tested: NodeCryptoEngine | undefined;
    assert.equal(
      faultOf((engine) => {
        tested = engine;
      }),
      undefined,
    );
    assert.equal(tested?.handlesOpen, 0);
  });

  test("wrong HMACs, ciphers and tags are found", () => {
    const hmac = faultOf((engine, arena) => {
      const right = engine.hmac.bind(engine);
      engine.hmac = (handle, offset, sizeBytes) => {
        const isDone = right(handle, offset, sizeBytes);
        if (sizeBytes > 1_000) arena[scratchOffset + scratchAt.mac]! ^= 1;
        return isDone;
      };
    });
    assert.equal(hmac, "AES_CM_128_HMAC_SHA1_80: wrong output of step 1");
    const unciphered = faultOf((engine) => {
      engine.ctr = () => true;
    });
    assert.match(String(unciphered), /wrong output of step 0/);
    const credulous = faultOf((engine) => {
      const right = engine.unseal.bind(engine);
      engine.unseal = (...args) => right(...args) || true;
    });
    assert.equal(credulous, "AEAD_AES_128_GCM: step 0 takes a forged packet");
    const idle = faultOf((engine) => {
      engine.hmac = () => false;
    });
    assert.match(String(idle), /protects nothing/);
    const full = faultOf((engine) => {
      engine.open = () => -1;
    });
    assert.match(String(full), /takes no key/);
  });
});
