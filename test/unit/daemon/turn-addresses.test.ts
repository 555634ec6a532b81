/** Addresses that come to this machine while the TURN server runs. */
import assert from "node:assert/strict";
import { withAddresses } from "../../../src/daemon/turn-settings.ts";
import { PeerPolicy } from "../../../src/turn/peers.ts";
import { turnDefaults } from "../../../src/turn/settings.ts";
import { suite } from "../../support/suite.ts";
import { ip } from "../turn/rig.ts";

suite("daemon: addresses for TURN", (test) => {
  test("what comes is ours, what goes stays so, and nothing new is nothing to do", () => {
    const settings = { ...turnDefaults, ownIps: [ip("192.0.2.1"), ip("192.0.2.2")] };
    assert.equal(withAddresses(settings, [ip("192.0.2.1")]), undefined);
    const moved = withAddresses(settings, [ip("192.0.2.1"), ip("203.0.113.9")]);
    assert.ok(moved !== undefined);
    assert.deepEqual(moved.ownIps, ["192.0.2.1", "192.0.2.2", "203.0.113.9"]);
    assert.equal(new PeerPolicy(settings).reachOf(ip("203.0.113.9")), "any");
    assert.equal(new PeerPolicy(moved).reachOf(ip("203.0.113.9")), "own-ports");
  });
});
