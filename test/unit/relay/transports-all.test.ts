import assert from "node:assert/strict";
import { transportTimeoutsPerTurnMax } from "../../../src/core/limits.ts";
import type { PairCounters } from "../../../src/core/plan/counters.ts";
import type { PairId, PairSettings, RelayEvent } from "../../../src/core/plan/plan.ts";
import { silentPair } from "../../../src/relay/counter-view.ts";
import type { TransportAction } from "../../../src/relay/transports/transport-parts.ts";
import { Transports } from "../../../src/relay/transports/transports.ts";
import { suite } from "../../support/suite.ts";
import { at, atMs, FakeMakers, pairAt, someDtls, someIce, someKey } from "../../support/transport-fakes.ts";

const now = atMs(1_000);
const hello = new Uint8Array([22, 1]);
const check = new Uint8Array([0, 1]);
const client = { ...someDtls, role: "client" } as const;

function rig() {
  const makers = new FakeMakers();
  const done: (TransportAction | RelayEvent)[] = [];
  const hooks = {
    hasRoom: true,
    counters: undefined as PairCounters | undefined,
    tell: (event: RelayEvent): void => void done.push(event),
  };
  const transports = new Transports(
    {
      perform: (_pair, action) => {
        if (hooks.hasRoom) done.push(action);
        return hooks.hasRoom;
      },
      counters: () => hooks.counters,
      tell: (event) => hooks.tell(event),
    },
    makers,
  );
  const configure = (pair: number, settings: Partial<PairSettings>): void =>
    transports.configure(now, pair as PairId, pairAt(settings));
  const hear = (pair: number, bytes: Uint8Array, port = 9): void =>
    transports.handlePacket(now, pair as PairId, { component: "rtp", source: at(port), bytes });
  const kinds = (): string[] => done.splice(0).map(({ kind }) => kind);
  return { makers, transports, configure, hear, kinds, hooks, done };
}

suite("transports of all pairs", (test) => {
  test("pairs in the clear and bundled ones have none, the carrier has", () => {
    const { transports, configure, makers } = rig();
    const bundle = { carrier: 2 as PairId, mid: "0", midExtension: 1, ssrcs: [] };
    configure(1, {});
    configure(1, { security: someDtls, ice: someIce, bundle });
    assert.equal(transports.pairCount, 0);
    configure(2, { security: someDtls, ice: someIce, bundle });
    assert.equal(transports.pairCount, 1);
    configure(3, { security: someDtls, ice: someIce });
    configure(3, { security: someDtls, ice: someIce, bundle });
    assert.equal(transports.pairCount, 1);
    assert.equal(makers.associations[1]!.isClosed, true);
    assert.deepEqual(transports.view(1 as PairId), transports.view(2 as PairId));
    assert.equal(transports.view(2 as PairId)?.kind, "dtls");
    configure(4, { security: { kind: "passed" } });
    assert.equal(transports.view(4 as PairId)?.kind, "passed");
  });

  test("STUN goes to ICE, DTLS to the handshake, and unknown pairs to nobody", () => {
    const { configure, hear, makers } = rig();
    configure(1, { security: someDtls, ice: someIce });
    hear(1, check);
    hear(1, hello);
    hear(2, hello);
    assert.equal(makers.agents[0]!.heard.length, 1);
    assert.equal(makers.associations[0]!.heard.length, 1);
  });

  test("outputs keep their order and are counted", () => {
    const { transports, configure, hear, makers, kinds, hooks } = rig();
    configure(1, { security: someDtls, ice: someIce });
    makers.associations[0]!.next = [
      { kind: "send", to: at(9), bytes: hello },
      { kind: "connected", source: at(9), receive: someKey(1), send: someKey(2) },
    ];
    hear(1, hello);
    assert.deepEqual(kinds(), ["send", "keys", "dtls-connected"]);
    makers.agents[0]!.next = [{ kind: "selected", component: 1, remote: at(9) }];
    hear(1, check);
    assert.deepEqual(kinds(), ["prove", "ice-selected"]);
    hooks.hasRoom = false;
    makers.associations[0]!.next = [{ kind: "send", to: at(9), bytes: hello }];
    hear(1, hello);
    makers.associations[0]!.next = [{ kind: "failed", reason: "wrong-certificate" }];
    hear(1, hello);
    makers.agents[0]!.next = [{ kind: "failed", component: 1, reason: "no-valid-pair" }];
    hear(1, check);
    assert.deepEqual(kinds(), ["dtls-failed", "ice-failed"]);
    const { handshakes, handshakesFailed, iceSelected, iceFailed, unsent } = transports.counts;
    assert.deepEqual([handshakes, iceSelected, unsent], [1, 1, 1]);
    assert.deepEqual([handshakesFailed["wrong-certificate"], iceFailed["no-valid-pair"]], [1, 1]);
  });

  test("a pair closed by what it told does nothing more, and frees everything", () => {
    const { transports, configure, hear, makers, kinds, hooks } = rig();
    configure(1, { security: someDtls, ice: someIce });
    const [association] = makers.associations;
    association!.deadlineMs = atMs(5_000);
    hear(1, hello);
    assert.equal(transports.nextDeadlineMs(), 5_000);
    association!.next = [
      { kind: "connected", source: at(9), receive: someKey(1), send: someKey(2) },
      { kind: "send", to: at(9), bytes: hello },
    ];
    hooks.tell = () => transports.close(1 as PairId);
    hear(1, hello);
    assert.deepEqual(kinds(), ["keys"]);
    assert.equal(transports.pairCount, 0);
    assert.equal(transports.nextDeadlineMs(), undefined);
    assert.equal(association!.isClosed, true);
    hear(1, hello);
    assert.equal(association!.heard.length, 2);
  });

  test("settings changed by what was told are heard of at once", () => {
    const { configure, hear, makers, kinds, hooks } = rig();
    configure(1, { security: client, ice: someIce });
    hooks.tell = () => configure(1, { security: { ...client, association: 2 }, ice: someIce });
    makers.agents[0]!.next = [{ kind: "selected", component: 1, remote: at(9) }];
    hear(1, check);
    assert.deepEqual(kinds(), ["prove"]);
    assert.deepEqual(makers.associations[1]!.aims, [at(9)]);
  });

  test("a client that waits follows the worker's target when it sends again", () => {
    const { transports, configure, makers, hooks } = rig();
    configure(1, { security: client, rtpTarget: at(10) });
    const [association] = makers.associations;
    transports.noteTarget(now, 1 as PairId, "rtp", at(11));
    hooks.counters = { ...silentPair, rtp: { ...silentPair.rtp, sendTarget: at(12) } };
    association!.deadlineMs = atMs(2_000);
    transports.noteTarget(now, 1 as PairId, "rtp", at(11));
    transports.handleTimeout(atMs(1_999));
    assert.equal(association!.timeouts, 0);
    transports.handleTimeout(atMs(2_000));
    assert.deepEqual(association!.aims, [at(10), at(11), at(12)]);
    assert.equal(association!.timeouts, 1);
    association!.next = [{ kind: "connected", source: at(12), receive: someKey(1), send: someKey(2) }];
    transports.handlePacket(now, 1 as PairId, { component: "rtp", source: at(12), bytes: hello });
    transports.noteTarget(now, 1 as PairId, "rtp", at(13));
    assert.equal(association!.aims.length, 3);
  });

  test("many deadlines at one moment are worked off in turns", () => {
    const { transports, configure, makers } = rig();
    const count = 2 * transportTimeoutsPerTurnMax;
    for (let pair = 1; pair <= count; pair++) {
      configure(pair, { security: someDtls });
      makers.associations.at(-1)!.deadlineMs = now;
      transports.handlePacket(now, pair as PairId, { component: "rtp", source: at(9), bytes: hello });
    }
    const ran = (): number => makers.associations.filter(({ timeouts }) => timeouts > 0).length;
    transports.handleTimeout(now);
    assert.equal(ran(), transportTimeoutsPerTurnMax);
    assert.equal(transports.nextDeadlineMs(), now);
    transports.handleTimeout(now);
    assert.equal(ran(), count);
    assert.equal(transports.nextDeadlineMs(), undefined);
  });
});
