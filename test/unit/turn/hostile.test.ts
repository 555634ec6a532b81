/** What nobody may have of others: their packets, the secrets of tables, or a stream's framing. */
import assert from "node:assert/strict";
import { ipToWords } from "../../../src/core/address.ts";
import type { MonotonicMs } from "../../../src/core/time.ts";
import type { StreamSeat } from "../../../src/io/turn/contract.ts";
import { StreamSeats } from "../../../src/io/turn/stream-seats.ts";
import type { AllocationId, TurnClient } from "../../../src/turn/actions.ts";
import { dataVerdict } from "../../../src/turn/data-facts.ts";
import { DataPath } from "../../../src/turn/data-path.ts";
import { dataHeaderSizeBytesMax, dataPayloadSizeBytesMax } from "../../../src/turn/indication.ts";
import { OwnPlaces } from "../../../src/turn/own-places.ts";
import { suite } from "../../support/suite.ts";
import { at, ip, tcpClient } from "./rig.ts";

const allocation = 7 as AllocationId;
const peerIp = ip("2001:db8::5");
const capacity = { allocations: 4, permissions: 4, channels: 4 };

/** A data path with one allocation of a stream client, whom one peer may reach. */
function streamPath(seed: number): { readonly path: DataPath; readonly arena: Uint8Array } {
  const arena = new Uint8Array(66_000);
  const path = new DataPath({ arena, own: new OwnPlaces([]), capacity, seed });
  const rates = { account: 1, allocationBytesPerSec: 0, userBytesPerSec: 0 };
  path.attach({
    allocation,
    client: { socket: 3, remote: undefined },
    relayV4: undefined,
    relayV6: 4,
    ...rates,
  });
  path.permit(allocation, peerIp, { reach: "any", untilMs: 1_000 as MonotonicMs });
  path.facts.source.set(ipToWords(peerIp));
  path.facts.sourcePort = 9;
  path.facts.socket = 4;
  return { path, arena };
}

suite("turn: what is somebody else's", (test) => {
  test("a Data indication says how long it is, or is not made", () => {
    const { path, arena } = streamPath(1);
    const { facts } = path;
    assert.equal(path.fromPeer(0, dataHeaderSizeBytesMax, dataPayloadSizeBytesMax), dataVerdict.toClient);
    const told = ((arena[facts.offset + 2] ?? 0) << 8) | (arena[facts.offset + 3] ?? 0);
    assert.equal(told + 20, facts.sizeBytes);
    facts.socket = 4;
    assert.equal(
      path.fromPeer(0, dataHeaderSizeBytesMax, dataPayloadSizeBytesMax + 1),
      dataVerdict.malformed,
    );
  });

  test("a Data indication does not show the secret of the tables", () => {
    const indications = [1, 2].map((seed) => {
      const { path, arena } = streamPath(seed);
      assert.equal(path.fromPeer(0, dataHeaderSizeBytesMax, 4), dataVerdict.toClient);
      return [...arena.subarray(path.facts.offset, path.facts.offset + path.facts.sizeBytes)];
    });
    assert.deepEqual(indications[0], indications[1]);
  });

  test("the number of a stream that has ended is not the next stream's", () => {
    const seats = new StreamSeats();
    const seatOf = (client: TurnClient): StreamSeat => ({
      client,
      isServing: false,
      send: () => true,
      giveAway: () => undefined,
      close: () => undefined,
    });
    const first = seatOf(tcpClient("192.0.2.1:1"));
    const second = seatOf({ ...tcpClient("192.0.2.1:1"), remote: at("192.0.2.2:2") });
    assert.ok(seats.enter(first));
    const number = seats.of(first.client)!.number;
    seats.leave(first);
    assert.ok(seats.enter(second));
    // What a worker had on its way to the first one.
    assert.equal(seats.at(number), undefined);
    assert.equal(seats.at(seats.of(second.client)!.number), second);
  });
});
