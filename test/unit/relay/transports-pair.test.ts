import assert from "node:assert/strict";
import type { PairSettings } from "../../../src/core/plan/plan.ts";
import { PairTransport } from "../../../src/relay/transports/pair-transport.ts";
import { suite } from "../../support/suite.ts";
import { at, atMs, FakeMakers, pairAt, someDtls, someIce, someKey } from "../../support/transport-fakes.ts";

const now = atMs(1_000);
const hello = new Uint8Array([22, 1]);

function rig() {
  const makers = new FakeMakers();
  const transport = new PairTransport(makers);
  const configure = (settings: Partial<PairSettings>) => transport.configure(now, pairAt(settings));
  return { makers, transport, configure };
}

suite("transport of a pair: keys", (test) => {
  test("SDES keys are given for both sockets together, each time they are told", () => {
    const { configure, makers } = rig();
    const security = { kind: "sdes", receive: [someKey(1), someKey(2)], send: someKey(3) } as const;
    const keys = { kind: "keys", receive: security.receive, send: security.send, provenBy: undefined };
    assert.deepEqual(configure({ security }), [{ ...keys, component: "rtp" }]);
    assert.deepEqual(configure({ security, rtcpMux: false }), [{ ...keys, component: "rtp" }]);
    assert.equal(makers.agents.length + makers.associations.length, 0);
  });

  test("a handshake gives keys with their proof, then the event", () => {
    const { configure, transport, makers } = rig();
    assert.deepEqual(configure({ security: someDtls }), []);
    const [association] = makers.associations;
    association!.next = [
      { kind: "send", to: at(5), bytes: hello },
      { kind: "connected", source: at(5), receive: someKey(1), send: someKey(2) },
    ];
    assert.deepEqual(transport.handleDtls(now, "rtp", at(5), hello), [
      { kind: "send", component: "rtp", to: at(5), bytes: hello },
      { kind: "keys", component: "rtp", receive: [someKey(1)], send: someKey(2), provenBy: at(5) },
      { kind: "tell", event: { kind: "dtls-connected", component: "rtp", suite: someKey(1).suite } },
    ]);
    assert.deepEqual(transport.view().handshakes, { rtp: { kind: "connected", suite: someKey(1).suite } });
  });

  test("without rtcp-mux there is an association on each socket; under it that of RTCP ends", () => {
    const { configure, makers } = rig();
    configure({ security: someDtls, rtcpMux: false });
    assert.equal(makers.associations.length, 2);
    configure({ security: someDtls, rtcpMux: true });
    assert.deepEqual(
      makers.associations.map(({ isClosed }) => isClosed),
      [false, true],
    );
  });

  test("a process without DTLS says so once an association", () => {
    const { configure, makers } = rig();
    makers.hasDtls = false;
    const told = {
      kind: "tell",
      event: { kind: "dtls-failed", component: "rtp", reason: "unavailable" },
    };
    assert.deepEqual(configure({ security: someDtls }), [told]);
    assert.deepEqual(configure({ security: someDtls }), []);
    assert.deepEqual(configure({ security: { ...someDtls, association: 2 } }), [told]);
  });
});

suite("transport of a pair: whose handshake", (test) => {
  test("the signalled place and a usable IP are vouched for, others are not", () => {
    const { configure, transport, makers } = rig();
    configure({
      security: someDtls,
      rtcpMux: false,
      hints: [
        { origin: "sdp", endpoint: at(4_000, "10.0.0.1"), isIpUsable: false, isIpShared: false },
        { origin: "received-from", endpoint: at(4_000, "198.51.100.1"), isIpUsable: true, isIpShared: false },
        { origin: "sdp-rtcp", endpoint: at(5_000, "10.0.0.2"), isIpUsable: false, isIpShared: false },
      ],
    });
    const rows = [
      ["rtp", at(4_000, "10.0.0.1"), true],
      ["rtp", at(4_001, "10.0.0.1"), false],
      ["rtp", at(77, "198.51.100.1"), true],
      ["rtp", at(5_000, "10.0.0.2"), false],
      ["rtp", at(4_000, "203.0.113.5"), false],
      ["rtcp", at(4_001, "10.0.0.1"), true],
      ["rtcp", at(4_000, "10.0.0.1"), false],
      ["rtcp", at(5_000, "10.0.0.2"), true],
      ["rtcp", at(5_001, "10.0.0.2"), false],
    ] as const;
    for (const [component, source] of rows) transport.handleDtls(now, component, source, hello);
    const heard = makers.associations.flatMap((association) => association.heard);
    assert.deepEqual(
      heard.map(({ isVouched }) => isVouched),
      rows.map(([, , isVouched]) => isVouched),
    );
  });

  test("a source with a valid check is vouched for, the last few alone", () => {
    const { configure, transport, makers } = rig();
    configure({ security: someDtls, ice: someIce });
    const [agent] = makers.agents;
    for (let port = 1; port <= 10; port++) {
      agent!.next = [{ kind: "valid", component: 1, source: at(port), isNominated: false }];
      assert.deepEqual(transport.handleStun(now, "rtp", at(port), hello), [
        { kind: "prove", component: "rtp", source: at(port), isNominated: false },
      ]);
    }
    for (const port of [2, 3, 10, 11]) transport.handleDtls(now, "rtp", at(port), hello);
    assert.deepEqual(
      makers.associations[0]!.heard.map(({ isVouched }) => isVouched),
      [false, true, true, false],
    );
  });

  test("what checks showed is void once another session chooses", () => {
    const { configure, transport, makers } = rig();
    configure({ security: someDtls, ice: someIce });
    const [agent] = makers.agents;
    agent!.next = [{ kind: "valid", component: 1, source: at(1), isNominated: false }];
    transport.handleStun(now, "rtp", at(1), hello);
    agent!.next = [{ kind: "superseded", component: 1, valid: [at(2)] }];
    assert.deepEqual(transport.handleStun(now, "rtp", at(2), hello), [
      { kind: "supersede", component: "rtp" },
      { kind: "prove", component: "rtp", source: at(2), isNominated: false },
    ]);
    for (const port of [1, 2]) transport.handleDtls(now, "rtp", at(port), hello);
    assert.deepEqual(
      makers.associations[0]!.heard.map(({ isVouched }) => isVouched),
      [false, true],
    );
  });

  test("what came before the fingerprint is kept, a few datagrams, and heard with it", () => {
    const { configure, transport, makers } = rig();
    configure({ security: { ...someDtls, fingerprints: [] } });
    for (let port = 1; port <= 50; port++) transport.handleDtls(now, "rtp", at(port), hello);
    assert.equal(makers.associations.length, 0);
    configure({ security: someDtls });
    assert.deepEqual(
      makers.associations[0]!.heard.map(({ source }) => source.port),
      [1, 2, 3, 4],
    );
  });

  test("strangers' early datagrams make room for those of a source with a valid check", () => {
    const { configure, transport, makers } = rig();
    configure({ security: { ...someDtls, fingerprints: [] }, ice: someIce });
    for (let port = 1; port <= 50; port++) transport.handleDtls(now, "rtp", at(port), hello);
    makers.agents[0]!.next = [{ kind: "valid", component: 1, source: at(99), isNominated: false }];
    transport.handleStun(now, "rtp", at(99), hello);
    for (let part = 0; part < 5; part++) transport.handleDtls(now, "rtp", at(99), hello);
    transport.handleDtls(now, "rtp", at(1), hello);
    configure({ security: someDtls, ice: someIce });
    assert.deepEqual(
      makers.associations[0]!.heard.map(({ source }) => source.port),
      [99, 99, 99, 99],
    );
  });
});

suite("transport of a pair: where to", (test) => {
  const client = { ...someDtls, role: "client" } as const;

  test("without ICE a client begins where signalling says, and follows what the worker finds out", () => {
    const { configure, transport, makers } = rig();
    configure({ security: client });
    const [association] = makers.associations;
    assert.deepEqual(association!.aims, []);
    configure({ security: client, rtpTarget: at(10) });
    transport.follow(now, "rtp", at(10));
    transport.follow(now, "rtp", at(11));
    configure({ security: client, rtpTarget: at(10) });
    assert.deepEqual(association!.aims, [at(10), at(11)]);
    configure({ security: client, rtpTarget: at(12) });
    assert.deepEqual(association!.aims, [at(10), at(11), at(12)]);
    assert.equal(makers.associations.length, 1);
  });

  test("with ICE it waits for a pair, and moves with it", () => {
    const { configure, transport, makers } = rig();
    configure({ security: client, ice: someIce, rtpTarget: at(10) });
    const [association] = makers.associations;
    const [agent] = makers.agents;
    transport.follow(now, "rtp", at(10));
    assert.deepEqual(association!.aims, []);
    agent!.next = [{ kind: "selected", component: 1, remote: at(20) }];
    assert.deepEqual(transport.handleStun(now, "rtp", at(20), hello), [
      { kind: "prove", component: "rtp", source: at(20), isNominated: true },
      { kind: "tell", event: { kind: "ice-selected", component: "rtp", remote: at(20) } },
    ]);
    agent!.next = [{ kind: "selected", component: 1, remote: at(21) }];
    agent!.deadlineMs = now;
    transport.handleTimeout(now);
    configure({ security: client, ice: someIce, rtpTarget: at(30) });
    assert.deepEqual(association!.aims, [at(20), at(21)]);
    assert.deepEqual(transport.view().ice, { state: "selected", selected: { rtp: at(21) } });
  });

  test("a new association starts anew at the same place, and the old one ends", () => {
    const { configure, makers } = rig();
    configure({ security: client, rtpTarget: at(10) });
    configure({ security: { ...client, association: 2 }, rtpTarget: at(10) });
    const [old, young] = makers.associations;
    assert.equal(old!.isClosed, true);
    assert.deepEqual(young!.aims, [at(10)]);
    configure({ security: { ...client, association: 2 }, rtpTarget: at(10) });
    assert.equal(makers.associations.length, 2);
  });
});

suite("transport of a pair: failure", (test) => {
  test("a client that failed is aimed again by signalling and by what is heard", () => {
    const client = { ...someDtls, role: "client" } as const;
    const { configure, transport, makers } = rig();
    configure({ security: client, rtpTarget: at(10) });
    const [association] = makers.associations;
    const fail = (): void => {
      association!.next = [{ kind: "failed", reason: "timeout" }];
      transport.handleDtls(now, "rtp", at(10), hello);
    };
    fail();
    assert.deepEqual(transport.view().handshakes, { rtp: { kind: "failed", reason: "timeout" } });
    transport.follow(now, "rtp", at(10));
    fail();
    configure({ security: client, rtpTarget: at(10) });
    configure({ security: client, rtpTarget: at(10) });
    assert.deepEqual(association!.aims, [at(10), at(10), at(10)]);
    assert.equal(makers.associations.length, 1);
    assert.deepEqual(transport.view().handshakes, { rtp: { kind: "waiting" } });
  });
});

suite("transport of a pair: ICE", (test) => {
  test("one agent serves both sockets, one under rtcp-mux, and goes when signalling drops it", () => {
    const { configure, transport, makers } = rig();
    configure({ ice: someIce, rtcpMux: false });
    configure({ ice: someIce, rtcpMux: true });
    const [agent] = makers.agents;
    assert.deepEqual(
      agent!.configured.map(({ components }) => components),
      [2, 1],
    );
    agent!.next = [
      { kind: "valid", component: 2, source: at(3), isNominated: true },
      { kind: "send", component: 2, to: at(3), bytes: hello },
    ];
    assert.deepEqual(transport.handleStun(now, "rtcp", at(3), hello), [
      { kind: "prove", component: "rtcp", source: at(3), isNominated: false },
      { kind: "send", component: "rtcp", to: at(3), bytes: hello },
    ]);
    configure({});
    assert.deepEqual(transport.handleStun(now, "rtp", at(3), hello), []);
    assert.equal(makers.agents.length, 1);
  });

  test("its failure is told, and without consent nothing is sent any more", () => {
    const { configure, transport, makers } = rig();
    configure({ ice: someIce });
    const [agent] = makers.agents;
    agent!.next = [{ kind: "failed", component: 1, reason: "no-valid-pair" }];
    agent!.deadlineMs = now;
    assert.deepEqual(transport.handleTimeout(now), [
      { kind: "tell", event: { kind: "ice-failed", reason: "no-valid-pair" } },
    ]);
    assert.equal(transport.view().ice?.state, "failed");
    agent!.next = [
      { kind: "selected", component: 1, remote: at(20) },
      { kind: "failed", component: 2, reason: "consent-lost" },
      { kind: "failed", component: 1, reason: "consent-lost" },
    ];
    assert.deepEqual(transport.handleStun(now, "rtp", at(20), hello).slice(2), [
      { kind: "revoke", component: "rtcp" },
      { kind: "revoke", component: "rtp" },
      { kind: "tell", event: { kind: "ice-failed", reason: "consent-lost" } },
    ]);
  });

  test("the next deadline is the earliest, and only what is due runs", () => {
    const { configure, transport, makers } = rig();
    configure({ ice: someIce, security: someDtls, rtcpMux: false });
    const [agent] = makers.agents;
    const [rtp, rtcp] = makers.associations;
    assert.equal(transport.nextDeadlineMs(), undefined);
    agent!.deadlineMs = atMs(3_000);
    rtp!.deadlineMs = atMs(2_000);
    rtcp!.deadlineMs = atMs(2_500);
    assert.equal(transport.nextDeadlineMs(), 2_000);
    transport.handleTimeout(atMs(2_600));
    assert.deepEqual([agent!.timeouts, rtp!.timeouts, rtcp!.timeouts], [0, 1, 1]);
    assert.equal(transport.nextDeadlineMs(), 3_000);
    transport.close();
    assert.equal(transport.nextDeadlineMs(), undefined);
    assert.deepEqual([rtp!.isClosed, rtcp!.isClosed], [true, true]);
    assert.deepEqual(transport.handleDtls(now, "rtp", at(1), hello), []);
  });
});
