/** Packets that leave in batches, where the device takes less than some of them need. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { suite } from "../support/suite.ts";

interface Result {
  readonly sent: number;
  readonly heard: readonly (readonly number[])[];
  readonly sizes: readonly (readonly number[])[];
  readonly batches: number;
  readonly refusals: number;
  readonly faults: readonly string[];
}

suite("interop: packets in batches", (test) => {
  test("what is too large for the device goes in fragments, in order, and is asked of the raw socket once", () => {
    const program = fileURLToPath(new URL("lab/small-device.js", import.meta.url));
    const shell = `ip link set lo mtu 600 up && exec "${process.execPath}" "${program}"`;
    const { status, stdout, stderr } = spawnSync("unshare", ["-n", "sh", "-c", shell], {
      encoding: "utf8",
      timeout: 30_000,
    });
    assert.equal(status, 0, stderr);
    const { sent, heard, sizes, batches, refusals, faults } = JSON.parse(stdout) as Result;
    const all = Array.from({ length: sent }, (_, index) => index + 1);
    assert.deepEqual(heard, [all, all]);
    assert.deepEqual(sizes, [[172], [172, 1_012]]);
    assert.ok(batches > 10);
    // One party's alone are large: two in one batch would both be asked of it.
    assert.equal(refusals, 1);
    assert.deepEqual(faults, []);
  });
});
