import assert from "node:assert/strict";
import type { Endpoint, IpAddress } from "../../src/core/address.ts";
import { ownListeners } from "../../src/daemon/own-listeners.ts";
import { suite } from "../support/suite.ts";

const at = (ip: string, port: number): Endpoint => ({ ip: ip as IpAddress, port });

suite("own listeners", (test) => {
  test("a wildcard is every address of this machine, so that no media reaches it by one of them", () => {
    const found = ownListeners({
      listenNg: [at("0.0.0.0", 2_223)],
      listenRtpproxy: [
        { kind: "udp", endpoint: at("127.0.0.1", 7_722) },
        { kind: "cunix", path: "/nowhere", mode: 0o660, group: undefined },
      ],
    });
    assert.deepEqual(found[0], at("127.0.0.1", 2_223));
    assert.deepEqual(found.at(-1), at("127.0.0.1", 7_722));
    assert.ok(found.every(({ ip }) => ip !== "0.0.0.0"));
  });
});
