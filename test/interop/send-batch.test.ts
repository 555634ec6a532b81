/** Packets that leave in batches, where the device takes less than some of them need or an address comes and goes. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { sendCode } from "../../src/relay/driver.ts";
import { suite } from "../support/suite.ts";

interface CallResult {
  readonly sent: number;
  readonly heard: readonly (readonly number[])[];
  readonly sizes: readonly (readonly number[])[];
  readonly batches: number;
  readonly refusals: number;
  readonly faults: readonly string[];
}

interface AddressResult {
  readonly heard: readonly number[];
  /** Codes of `sendCode` of each stage. */
  readonly codes: readonly (readonly number[])[];
  readonly has: boolean;
  readonly batches: number;
}

/** What a program of the lab prints, run in a network of its own that a shell has set up. */
function run(program: string, setUp: string, words: readonly string[] = []): unknown {
  const file = fileURLToPath(new URL(`lab/${program}.js`, import.meta.url));
  const shell = `${setUp} && exec "${process.execPath}" "${file}" ${words.join(" ")}`;
  const { status, stdout, stderr } = spawnSync("unshare", ["-n", "sh", "-c", shell], {
    encoding: "utf8",
    timeout: 30_000,
  });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

suite("interop: packets in batches", (test) => {
  test("what is too large for the device goes in fragments, in order, and is asked of the raw socket once", () => {
    const result = run("small-device", "ip link set lo mtu 600 up") as CallResult;
    const { sent, heard, sizes, batches, refusals, faults } = result;
    const all = Array.from({ length: sent }, (_, index) => index + 1);
    assert.deepEqual(heard, [all, all]);
    assert.deepEqual(sizes, [[172], [172, 1_012]]);
    assert.ok(batches > 10);
    assert.equal(refusals, 1);
    assert.deepEqual(faults, []);
  });

  const { sent, failed } = sendCode;

  test("an address that the machine has no more sends nothing, as its own socket would not", () => {
    const setUp = "ip link set lo up && ip address add 10.9.0.1/32 dev lo";
    const result = run("lost-address", setUp, ["there", "del", "add"]) as AddressResult;
    assert.deepEqual(result.heard, [40, 5, 0, 5]);
    assert.deepEqual(result.codes, [[sent], [sent], [failed], [sent]]);
    assert.equal(result.batches, 2, "with the address, and with the address again");
  });

  test("nor does one that it has not yet", () => {
    const setUp =
      "ip link set lo up && ip address add 10.9.0.1/32 dev lo && echo 1 > /proc/sys/net/ipv4/ip_nonlocal_bind";
    const result = run("lost-address", setUp, ["away", "add"]) as AddressResult;
    assert.deepEqual(result.heard, [0, 0, 5]);
    assert.deepEqual(result.codes, [[failed], [failed], [sent]]);
    assert.ok(result.has);
    assert.equal(result.batches, 1);
  });
});
