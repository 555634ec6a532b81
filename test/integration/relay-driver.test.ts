import assert from "node:assert/strict";
import { openRelayDriver } from "../../src/io/relay-driver.ts";
import { suite } from "../support/suite.ts";

suite("io/relay-driver", (test) => {
  test("where the C library's structures are not known to us, epoll is not tried", async () => {
    const arch = process.arch;
    for (const other of ["arm", "ia32", "riscv64", "s390x", "ppc64"]) {
      Object.defineProperty(process, "arch", { value: other });
      try {
        const { driver, fallbackReason } = await openRelayDriver("epoll", {
          workers: 1,
          capacitySlots: 4,
          forbiddenTargets: new Int32Array(0),
          ownMedia: new Int32Array(0),
          trustedMedia: [],
          settleMs: 3_000,
          relearnAfterSilenceMs: undefined,
          replayMemoryBytes: 1024 * 1024,
          coalesces: false,
          batches: false,
          receivesBatches: false,
          secondSocketsMax: 100,
        });
        assert.equal(driver.name, "dgram");
        assert.ok(fallbackReason?.includes(other) || process.platform !== "linux", fallbackReason);
      } finally {
        Object.defineProperty(process, "arch", { value: arch });
      }
    }
  });
});
