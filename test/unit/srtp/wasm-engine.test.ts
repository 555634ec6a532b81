import assert from "node:assert/strict";
import { allocatePacketMemory } from "../../../src/io/packet-memory.ts";
import { macSpoilBytes, type SessionKeys, scratchAt, scratchBytes } from "../../../src/srtp/engine.ts";
import { findEngineFault } from "../../../src/srtp/self-test.ts";
import { placesCount, WasmEngine, wasmEngineBytes } from "../../../src/srtp/wasm-engine.ts";
import { assertNoGrowth } from "../../support/heap-growth.ts";
import { NodeCryptoEngine } from "../../support/srtp-node-engine.ts";
import { definePacketCases } from "../../support/srtp-packet-cases.ts";
import { definePropertyCases } from "../../support/srtp-property-cases.ts";
import { type EngineMaker, toHex } from "../../support/srtp-rig.ts";
import { defineVectorCases } from "../../support/srtp-vector-cases.ts";
import { suite } from "../../support/suite.ts";

const maker: EngineMaker = {
  name: "WebAssembly",
  sizeBytes: wasmEngineBytes,
  make: ({ memory }, offset, handlesMax) => new WasmEngine({ memory, offset, handlesMax }),
};

/** Not at the beginning, as in a worker's arena; packets lie in front. */
const engineOffset = 16_384;
const dataOffset = 1_027;
const aadOffset = 8_001;
const tagOffset = 9_003;
const handlesMax = 3 * placesCount;

function bytesOf(sizeBytes: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: sizeBytes }, (_, index) => index * (2 * seed + 1) + seed);
}

function keysOf(cipher: SessionKeys["cipher"], keyBytes: number, seed = 5): SessionKeys {
  return {
    cipher,
    cipherKey: bytesOf(keyBytes, seed),
    macKey: cipher === "gcm" ? undefined : bytesOf(20, seed + 1),
  };
}

/** The engine beside one of node:crypto, each over an arena of its own with the same bytes. */
class Twins {
  readonly ours = allocatePacketMemory(engineOffset + wasmEngineBytes);
  readonly theirs = new Uint8Array(engineOffset + wasmEngineBytes);
  readonly engine = new WasmEngine({ memory: this.ours.memory, offset: engineOffset, handlesMax });
  readonly other = new NodeCryptoEngine(this.theirs, engineOffset, handlesMax);

  open(keys: SessionKeys): number {
    const handle = this.engine.open(keys);
    assert.equal(this.other.open(keys), handle);
    return handle;
  }

  fill(): void {
    for (const arena of [this.ours.bytes, this.theirs]) {
      arena.set(bytesOf(engineOffset, 4));
      arena.set(bytesOf(14, 9), engineOffset + scratchAt.iv);
      arena.fill(0, engineOffset + scratchAt.iv + 14, engineOffset + scratchAt.mac + 20);
    }
  }

  isSame(what: string, spoiltFrom = engineOffset, spoiltTo = engineOffset): void {
    for (const [from, to] of [
      [0, spoiltFrom],
      [spoiltTo, engineOffset + scratchAt.mac + 20],
    ] as const) {
      assert.equal(toHex(this.ours.bytes.slice(from, to)), toHex(this.theirs.slice(from, to)), what);
    }
  }
}

suite("srtp by WebAssembly", (test) => {
  defineVectorCases(test, maker);
  definePacketCases(test, maker);
  definePropertyCases(test, maker);

  test("it passes the self test", () => {
    const { ours, engine } = new Twins();
    assert.equal(findEngineFault(engine, ours.bytes), undefined);
  });

  for (const keyBytes of [16, 24, 32]) {
    test(`AES-${keyBytes * 8} in counter mode at every size changes its range alone`, () => {
      const twins = new Twins();
      const handle = twins.open(keysOf("ctr", keyBytes));
      for (let sizeBytes = 0; sizeBytes < 200; sizeBytes++) {
        twins.fill();
        assert.equal(twins.engine.ctr(handle, dataOffset, sizeBytes), true);
        if (sizeBytes > 0) twins.other.ctr(handle, dataOffset, sizeBytes);
        twins.isSame(`${sizeBytes} bytes`);
      }
    });
  }

  for (const keyBytes of [16, 32]) {
    test(`AES-${keyBytes * 8}-GCM at every size, in place and not`, () => {
      const twins = new Twins();
      const { ours, engine, other } = twins;
      const handle = twins.open(keysOf("gcm", keyBytes));
      for (let sizeBytes = 0; sizeBytes < 200; sizeBytes++) {
        const aadBytes = (7 * sizeBytes) % 65;
        twins.fill();
        const clear = ours.bytes.slice(0, engineOffset);
        assert.equal(engine.seal(handle, aadOffset, aadBytes, dataOffset, sizeBytes, tagOffset), true);
        other.seal(handle, aadOffset, aadBytes, dataOffset, sizeBytes, tagOffset);
        twins.isSame(`${aadBytes} + ${sizeBytes} bytes`);
        const discard = engineOffset + scratchAt.discard;
        const unseal = (out: number): boolean =>
          engine.unseal(handle, aadOffset, aadBytes, dataOffset, sizeBytes, tagOffset, out);
        ours.bytes[tagOffset + (sizeBytes % 16)]! ^= 1 << (sizeBytes & 7);
        const forged = ours.bytes.slice(0, engineOffset);
        assert.equal(unseal(dataOffset), false);
        assert.deepEqual(ours.bytes.slice(0, engineOffset), forged);
        ours.bytes[tagOffset + (sizeBytes % 16)]! ^= 1 << (sizeBytes & 7);
        assert.equal(unseal(discard), true);
        twins.isSame("sealed bytes stay");
        assert.equal(
          toHex(ours.bytes.slice(discard, discard + sizeBytes)),
          toHex(clear.slice(dataOffset, dataOffset + sizeBytes)),
        );
        assert.equal(unseal(dataOffset), true);
        ours.bytes.copyWithin(tagOffset, dataOffset - 16, dataOffset);
        clear.copyWithin(tagOffset, dataOffset - 16, dataOffset);
        assert.deepEqual(ours.bytes.slice(0, engineOffset), clear);
      }
    });
  }

  test("HMAC-SHA1 at every size spoils no more than it may", () => {
    const twins = new Twins();
    const handle = twins.open(keysOf("none", 0));
    for (let sizeBytes = 0; sizeBytes < 200; sizeBytes++) {
      twins.fill();
      assert.equal(twins.engine.hmac(handle, dataOffset, sizeBytes), true);
      twins.other.hmac(handle, dataOffset, sizeBytes);
      const end = dataOffset + sizeBytes;
      twins.isSame(`${sizeBytes} bytes`, end, end + macSpoilBytes);
    }
  });

  test("handles that share a place in the arena keep their keys", () => {
    const twins = new Twins();
    for (let index = 0; index < 2 * placesCount + 3; index++) {
      twins.open(keysOf(index % 3 === 0 ? "gcm" : "ctr", 16, index));
    }
    const isHandleSame = (handle: number): void => {
      twins.fill();
      for (const engine of [twins.engine, twins.other]) {
        if (handle % 3 === 0) engine.seal(handle, aadOffset, 12, dataOffset, 100, tagOffset);
        else engine.ctr(handle, dataOffset, 100);
      }
      twins.isSame(`handle ${handle}`);
    };
    const sharing = [0, placesCount, 2 * placesCount, 2, placesCount + 2, 2 * placesCount + 2];
    for (const handle of [...sharing, ...sharing.toReversed(), ...sharing]) isHandleSame(handle);
    twins.engine.close(placesCount + 2);
    twins.other.close(placesCount + 2);
    twins.open(keysOf("none", 0, 77));
    for (const handle of sharing.filter((one) => one !== placesCount + 2)) isHandleSame(handle);
  });

  test("a closed handle leaves nothing of its keys, and handles are as many as was said", () => {
    const { memory, bytes } = allocatePacketMemory(wasmEngineBytes);
    const engine = new WasmEngine({ memory, offset: 0, handlesMax: 3 });
    // SHA-1's constants are left, which are no secret.
    engine.close(engine.open(keysOf("none", 0, 40)));
    const before = bytes.slice();
    const handles = [keysOf("ctr", 32), keysOf("gcm", 16), keysOf("none", 0)].map((keys) =>
      engine.open(keys),
    );
    assert.deepEqual(handles, [0, 1, 2]);
    assert.equal(engine.open(keysOf("ctr", 16)), -1);
    for (const handle of handles) engine.close(handle);
    assert.equal(Buffer.compare(bytes, before), 0);
    assert.ok(engine.open(keysOf("ctr", 16)) >= 0);
  });

  test("a closed handle leaves nothing where others have been", () => {
    const { memory, bytes } = allocatePacketMemory(wasmEngineBytes);
    const engine = new WasmEngine({ memory, offset: 0, handlesMax });
    const long = engine.open(keysOf("gcm", 32));
    for (let handle = long + 1; handle <= placesCount; handle++) engine.open(keysOf("none", 0));
    const before = bytes.slice();
    // Into its place again, then a short context over it.
    const scratch = scratchAt.discard;
    engine.seal(long, scratch, 0, scratch, 0, scratch);
    engine.hmac(placesCount, scratch, 0);
    engine.close(long);
    const workspaceEnd = scratchBytes + 256;
    assert.equal(Buffer.compare(bytes.subarray(workspaceEnd), before.subarray(workspaceEnd)), 0);
  });

  test("a packet allocates nothing", () => {
    const { engine } = new Twins();
    const [ctr, gcm] = [engine.open(keysOf("ctr", 16)), engine.open(keysOf("gcm", 16))];
    const work = (count: number): void => {
      for (let turn = 0; turn < count; turn++) {
        engine.ctr(ctr, dataOffset, 60);
        engine.hmac(ctr, dataOffset, 60);
        engine.seal(gcm, aadOffset, 12, dataOffset, 60, tagOffset);
        engine.unseal(gcm, aadOffset, 12, dataOffset, 60, tagOffset, dataOffset);
      }
    };
    work(20_000);
    assertNoGrowth(() => work(20_000), 400_000);
  });
});
