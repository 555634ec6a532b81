import assert from "node:assert/strict";
import fc from "fast-check";
import { formatEndpoint } from "../../../src/core/address.ts";
import { StunBuilder } from "../../../src/stun/builder.ts";
import { parseStun, type StunMessage } from "../../../src/stun/message.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";
import { answer, checking, forge, open, own, peer } from "./forged.ts";
import { at, Lab } from "./lab.ts";

suite("ice: floods and junk", (test) => {
  test("sources that know the password fill no table and get no flood of checks", () => {
    const { lab, side } = open({ remote: { ufrag: "bu", password: "b-password", isLite: false } });
    let triggered = 0;
    lab.filter = (_from, _to, bytes) => {
      if (parseStun(bytes)?.class === "request") triggered++;
      return false;
    };
    const checks = forge();
    for (let count = 0; count < 20_000; count++) {
      lab.deliver(side, 1, at(`203.0.${count >>> 8}.${count & 255}:${1 + (count % 5)}`), checks);
      if (count % 20 === 0) lab.runFor(10);
    }
    // 10 s: a table of 100, each place taken anew every 5 s at most.
    assert.ok(side.count("valid") <= 400, `${side.count("valid")}`);
    assert.ok(triggered <= 550, `${triggered}`);
  });

  test("the selected pair outlives a flood of other sources", () => {
    const lab = new Lab(33);
    const a = lab.add("a", [own], { isControlling: true });
    const b = lab.add("b", [peer]);
    lab.introduce(a, b);
    lab.introduce(b, a);
    lab.runFor(10_000);
    // It answers, but asks no more itself.
    lab.filter = (from, _to, bytes) => formatEndpoint(from) !== peer || parseStun(bytes)?.class !== "request";
    lab.runFor(10_000);
    for (let count = 0; count < 250; count++) {
      lab.deliver(a, 1, at(`203.0.113.${count}:9`), forge({ role: "controlled" }));
    }
    lab.runFor(90_000);
    assert.equal(a.selected(), peer);
    assert.equal(a.count("failed"), 0);
    lab.filter = () => true;
    lab.runFor(10_000);
    assert.equal(a.count(`valid 1 ${peer}`), 1, "it was never forgotten");
  });

  test("before the answer, too", () => {
    const { lab, side } = open();
    const checks = forge();
    for (let count = 0; count < 5_000; count++) {
      lab.deliver(side, 1, at(`203.0.${count >>> 8}.${count & 255}:1`), checks);
    }
    assert.equal(side.count("valid"), 100);
    assert.equal(side.sentCount, 5_000, "all are answered");
  });

  test("mutated and made-up packets: nothing is thrown, nothing valid", () => {
    const mutate = fc.record({
      base: fc.nat(3),
      at: fc.nat(400),
      byte: fc.integer({ min: 1, max: 255 }),
      kind: fc.constantFrom("flip", "cut", "insert", "refinger"),
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), mutate), (input) => {
        const { lab, side, check } = checking();
        const bases = [forge(), answer(check), answer(check, { code: 487 }), forge({ integrity: "sha256" })];
        const bytes = input instanceof Uint8Array ? input : mutated(bases[input.base] ?? forge(), input);
        // Made right again by chance, as where only the header's size was wrong.
        fc.pre(!bases.some((base) => sameBytes(base, bytes)));
        lab.deliver(side, 1, at(peer), bytes);
        lab.runFor(1_000);
        assert.deepEqual(side.log, []);
      }),
      { numRuns: fuzzRuns(1_500) },
    );
  });
});

/** One thing changed in front of the integrity's end; `refinger`: and the fingerprint made right again. */
function mutated(
  base: Uint8Array,
  { at: place, byte, kind }: { at: number; byte: number; kind: string },
): Uint8Array {
  const body = base.length - 8;
  const index = place % body;
  if (kind === "cut") return base.subarray(0, index);
  if (kind === "insert") return Uint8Array.from([...base.subarray(0, index), byte, ...base.subarray(index)]);
  const changed = base.slice();
  changed[index] = (changed[index] ?? 0) ^ byte;
  if (kind === "flip") return changed;
  const message = parseStun(changed.subarray(0, body)) ?? parseHead(changed, body);
  if (message === undefined) return changed;
  const builder = new StunBuilder(message.class, message.method, message.transactionId);
  for (const { type, value } of message.attributes) builder.add(type, value);
  return builder.addFingerprint().build();
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

function parseHead(bytes: Uint8Array, sizeBytes: number): StunMessage | undefined {
  const head = bytes.slice(0, sizeBytes);
  new DataView(head.buffer, head.byteOffset).setUint16(2, sizeBytes - 20);
  return parseStun(head);
}
