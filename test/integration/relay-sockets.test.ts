/** Media sockets on Linux as the kernel sees them. */
import assert from "node:assert/strict";
import koffi from "koffi";
import type { IpAddress } from "../../src/core/address.ts";
import { close, option } from "../../src/io/linux/libc.ts";
import { SocketBinder } from "../../src/io/linux/sockets.ts";
import { suite } from "../support/suite.ts";

const getsockopt = koffi.load("libc.so.6").func("int getsockopt(int, int, int, void *, void *)");

function read(descriptor: number, level: number, name: number): number {
  const value = new Int32Array(1);
  const size = new Int32Array([4]);
  assert.equal(getsockopt(descriptor, level, name, value, size), 0);
  return value[0]!;
}

/** SO_REUSEPORT and SO_REUSEADDR. */
const reuse = { port: 15, address: 2 };

suite("relay sockets", (test) => {
  const binder = new SocketBinder();

  test("both sockets of a pair carry the options of a media socket", () => {
    for (const [ip, level, tos, mtu] of [
      ["127.0.0.1", option.ip.level, option.ip.tos, option.ip.mtuDiscover],
      ["::1", option.ipv6.level, option.ipv6.trafficClass, option.ipv6.mtuDiscover],
    ] as const) {
      const pair = binder.bindPair(ip as IpAddress, 42_500, 184);
      assert.ok(pair.ok);
      for (const descriptor of [pair.rtpHandle, pair.rtcpHandle]) {
        assert.equal(read(descriptor, level, tos), 184);
        assert.equal(read(descriptor, level, mtu), option.mtuDiscoverOff);
        assert.ok(read(descriptor, option.socket.level, option.socket.receiveBuffer) >= 212_992);
        assert.equal(read(descriptor, option.socket.level, reuse.port), 0);
        assert.equal(read(descriptor, option.socket.level, reuse.address), 0);
        if (ip === "::1") assert.equal(read(descriptor, option.ipv6.level, option.ipv6.v6only), 1);
      }
      close(pair.rtpHandle);
      close(pair.rtcpHandle);
    }
  });

  test("a pair is bound as a whole or not at all", () => {
    const ip = "127.0.0.1" as IpAddress;
    const first = binder.bindPair(ip, 42_502, 0);
    assert.ok(first.ok);
    // The upper port is the first pair's lower one.
    assert.deepEqual(binder.bindPair(ip, 42_501, 0), { ok: false, reason: "port-taken" });
    close(first.rtpHandle);
    close(first.rtcpHandle);
    const again = binder.bindPair(ip, 42_501, 0);
    assert.ok(again.ok, "the port below was let go");
    close(again.rtpHandle);
    close(again.rtcpHandle);
    assert.deepEqual(binder.bindPair("192.0.2.77" as IpAddress, 42_500, 0), {
      ok: false,
      reason: "no-address",
    });
  });
});
