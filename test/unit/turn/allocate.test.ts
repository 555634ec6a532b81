/** Allocate and Refresh: RFC 8656 sections 7 and 8, every refusal of theirs, quotas, lifetimes, retransmissions. */
import assert from "node:assert/strict";
import { turnReservationsPerUserMax } from "../../../src/core/limits.ts";
import { attributeOf } from "../../../src/stun/message.ts";
import { readAddress, readTypes } from "../../../src/stun/values.ts";
import { stunAttribute, stunError } from "../../../src/stun/wire.ts";
import { turnAttribute, turnError, turnMethod } from "../../../src/turn/wire.ts";
import { suite } from "../../support/suite.ts";
import {
  addressesOf,
  assertCode,
  assertSuccess,
  codeOf,
  family,
  lifetime,
  lifetimeOf,
  Phone,
  type TestAttribute,
  tcpRelay,
  udpRelay,
} from "./phone.ts";
import { at, TurnRig, tcpClient, udpClient } from "./rig.ts";

const here = udpClient("192.0.2.10:4000");
const evenPort: TestAttribute = [turnAttribute.evenPort, Uint8Array.of(0)];
const pairOfPorts: TestAttribute = [turnAttribute.evenPort, Uint8Array.of(0x80)];
const dontFragment: TestAttribute = [turnAttribute.dontFragment, new Uint8Array()];
const token: TestAttribute = [turnAttribute.reservationToken, new Uint8Array(8)];

suite("turn: error codes", (test) => {
  test("each has the phrase of its RFC", () => {
    const phrases = Object.values(turnError).map(({ code, reason }) => `${code} ${reason}`);
    assert.deepEqual(phrases.sort(), [
      "300 Try Alternate",
      "400 Bad Request",
      "401 Unauthenticated",
      "403 Forbidden",
      "405 Mobility Forbidden",
      "420 Unknown Attribute",
      "437 Allocation Mismatch",
      "438 Stale Nonce",
      "440 Address Family not Supported",
      "441 Wrong Credentials",
      "442 Unsupported Transport Protocol",
      "443 Peer Address Family Mismatch",
      "446 Connection Already Exists",
      "447 Connection Timeout or Failure",
      "486 Allocation Quota Reached",
      "487 Role Conflict",
      "500 Server Error",
      "508 Insufficient Capacity",
    ]);
    assert.equal(stunError.forbidden, turnError.forbidden);
  });
});

suite("turn: allocate", (test) => {
  test("an allocation: relayed and mapped address, lifetime, and the plan for the data path", () => {
    const rig = new TurnRig();
    const phone = new Phone(rig, here);
    const answer = assertSuccess(phone.allocate());
    assert.deepEqual(addressesOf(answer, turnAttribute.xorRelayedAddress), ["203.0.113.1:50000"]);
    assert.deepEqual(addressesOf(answer, stunAttribute.xorMappedAddress), ["192.0.2.10:4000"]);
    assert.equal(lifetimeOf(answer), 600);
    assert.ok(answer.hasFingerprint);
    assert.deepEqual(
      rig.actions.map(({ kind }) => kind),
      ["reply", "open", "attach", "reply"],
    );
    const [attach] = rig.actionsOf("attach");
    assert.equal(attach?.username, "ann");
    assert.deepEqual(
      [...rig.server.views()].map(({ relayed }) => relayed),
      [[at("203.0.113.1:50000")]],
    );
  });

  const refusals: [string, number, TestAttribute[], number][] = [
    ["no REQUESTED-TRANSPORT", turnMethod.allocate, [], 400],
    [
      "a short REQUESTED-TRANSPORT",
      turnMethod.allocate,
      [[turnAttribute.requestedTransport, Uint8Array.of(17)]],
      400,
    ],
    [
      "an unknown transport",
      turnMethod.allocate,
      [[turnAttribute.requestedTransport, Uint8Array.of(33, 0, 0, 0)]],
      442,
    ],
    ["TCP wanted over UDP", turnMethod.allocate, [tcpRelay], 400],
    ["an unknown family", turnMethod.allocate, [udpRelay, family("requested", 3)], 440],
    [
      "a family too short",
      turnMethod.allocate,
      [udpRelay, [turnAttribute.requestedAddressFamily, Uint8Array.of(1)]],
      400,
    ],
    [
      "both family attributes",
      turnMethod.allocate,
      [udpRelay, family("requested", 1), family("additional", 2)],
      400,
    ],
    ["IPv4 as the additional family", turnMethod.allocate, [udpRelay, family("additional", 1)], 400],
    [
      "a pair of ports and two families",
      turnMethod.allocate,
      [udpRelay, pairOfPorts, family("additional", 2)],
      400,
    ],
    [
      "EVEN-PORT of two bytes",
      turnMethod.allocate,
      [udpRelay, [turnAttribute.evenPort, Uint8Array.of(0, 0)]],
      400,
    ],
    ["a token and EVEN-PORT", turnMethod.allocate, [udpRelay, token, evenPort], 400],
    ["a token and a family", turnMethod.allocate, [udpRelay, token, family("requested", 1)], 400],
    ["a token and two families", turnMethod.allocate, [udpRelay, token, family("additional", 2)], 400],
    [
      "a short token",
      turnMethod.allocate,
      [udpRelay, [turnAttribute.reservationToken, new Uint8Array(4)]],
      400,
    ],
    ["a token nobody gave", turnMethod.allocate, [udpRelay, token], 508],
    ["a short LIFETIME", turnMethod.allocate, [udpRelay, [turnAttribute.lifetime, Uint8Array.of(1, 0)]], 400],
    [
      "a ticket in Allocate",
      turnMethod.allocate,
      [udpRelay, [turnAttribute.mobilityTicket, Uint8Array.of(1)]],
      400,
    ],
    ["Refresh without an allocation", turnMethod.refresh, [], 437],
    ["CreatePermission without one", turnMethod.createPermission, [], 437],
    ["ChannelBind without one", turnMethod.channelBind, [], 437],
    ["Connect without one", turnMethod.connect, [], 437],
    ["ConnectionBind over UDP", turnMethod.connectionBind, [], 400],
  ];
  for (const [name, method, attributes, code] of refusals) {
    test(`${name}: ${code}`, () => {
      const rig = new TurnRig();
      assertCode(new Phone(rig, here).ask(method, attributes), code);
      assert.equal(rig.server.snapshot().allocations, 0);
      assert.equal(rig.relays.size, 0);
    });
  }

  test("attributes that have to be understood and are not: 420 with their list", () => {
    const rig = new TurnRig();
    const answer = new Phone(rig, here).allocate(
      [0x7001, Uint8Array.of(1)],
      [0x7002, new Uint8Array()],
      [0x9001, new Uint8Array()],
    );
    assertCode(answer, 420, "Unknown Attribute");
    assert.deepEqual(readTypes(attributeOf(answer!, stunAttribute.unknownAttributes)!), [0x7001, 0x7002]);
  });

  test("DONT-FRAGMENT is unknown only where it cannot be done", () => {
    assertSuccess(new Phone(new TurnRig(), here).allocate(dontFragment));
    const answer = new Phone(new TurnRig({ hasDontFragment: false }), here).allocate(dontFragment);
    assertCode(answer, 420);
    assert.deepEqual(readTypes(attributeOf(answer!, stunAttribute.unknownAttributes)!), [
      turnAttribute.dontFragment,
    ]);
  });

  test("where there are no TCP relays: 442", () => {
    const rig = new TurnRig({ hasTcpRelays: false });
    assertCode(new Phone(rig, tcpClient("192.0.2.10:4000")).ask(turnMethod.allocate, [tcpRelay]), 442);
  });

  test("TCP relays know no ports of choice and no fragments: 400", () => {
    for (const attribute of [evenPort, token, dontFragment]) {
      const phone = new Phone(new TurnRig(), tcpClient("192.0.2.10:4000"));
      assertCode(phone.ask(turnMethod.allocate, [tcpRelay, attribute]), 400);
    }
  });

  test("a second allocation on the same 5-tuple: 437, whoever asks", () => {
    const rig = new TurnRig();
    const phone = new Phone(rig, here);
    assertSuccess(phone.allocate());
    assertCode(phone.allocate(), 437, "Allocation Mismatch");
    assertCode(new Phone(rig, here, { username: "bob", password: "hidden" }).allocate(), 437);
    assertSuccess(new Phone(rig, udpClient("192.0.2.10:4001")).allocate());
  });

  test("another user on an allocation: 441", () => {
    const rig = new TurnRig();
    assertSuccess(new Phone(rig, here).allocate());
    const other = new Phone(rig, here, { username: "bob", password: "hidden" });
    assertCode(other.refresh(), 441, "Wrong Credentials");
    assertCode(other.permit("192.0.2.20:0"), 441);
    assertCode(other.bind(0x4000, "192.0.2.20:5000"), 441);
  });

  test("families: IPv6 alone, both, and what happens when one of them is missing", () => {
    const six = assertSuccess(new Phone(new TurnRig(), here).allocate(family("requested", 2)));
    assert.deepEqual(addressesOf(six, turnAttribute.xorRelayedAddress), ["[2001:db8:1::1]:50000"]);
    const both = assertSuccess(new Phone(new TurnRig(), here).allocate(family("additional", 2)));
    assert.deepEqual(addressesOf(both, turnAttribute.xorRelayedAddress), [
      "203.0.113.1:50000",
      "[2001:db8:1::1]:50001",
    ]);
    const dual = [turnAttribute.additionalAddressFamilyOfCoturn, Uint8Array.of(2, 0, 0, 0)] as const;
    const bothOfOld = assertSuccess(new Phone(new TurnRig(), here).allocate(dual));
    assert.equal(addressesOf(bothOfOld, turnAttribute.xorRelayedAddress).length, 2);
    const onlyFour = assertSuccess(
      new Phone(new TurnRig({ families: [4] }), here).allocate(family("additional", 2)),
    );
    assert.deepEqual(addressesOf(onlyFour, turnAttribute.xorRelayedAddress), ["203.0.113.1:50000"]);
    const missing = attributeOf(onlyFour, turnAttribute.addressErrorCode)!;
    assert.deepEqual([...missing.subarray(0, 4)], [2, 0, 4, 40]);
    assertCode(
      new Phone(new TurnRig({ families: [4] }), here).allocate(family("requested", 2)),
      440,
      "Address Family not Supported",
    );
    assertCode(new Phone(new TurnRig({ families: [6] }), here).allocate(), 440);
    const failing = new TurnRig();
    failing.failures = ["no-port"];
    const onlySix = assertSuccess(new Phone(failing, here).allocate(family("additional", 2)));
    assert.deepEqual([...attributeOf(onlySix, turnAttribute.addressErrorCode)!.subarray(0, 4)], [1, 0, 5, 8]);
  });

  test("no port: 508; the system says no: 500; and both families failing", () => {
    for (const [failures, code] of [
      [["no-port"], 508],
      [["failed"], 500],
    ] as const) {
      const rig = new TurnRig();
      rig.failures = [...failures];
      assertCode(new Phone(rig, here).allocate(), code);
      assert.equal(rig.server.snapshot().opening, 0);
    }
    const rig = new TurnRig();
    rig.failures = ["no-port", "no-port"];
    assertCode(new Phone(rig, here).allocate(family("additional", 2)), 508);
  });

  test("EVEN-PORT: an even port, and with the R bit the next one for a second allocation", () => {
    const rig = new TurnRig();
    assertSuccess(new Phone(rig, udpClient("192.0.2.10:3999")).allocate());
    const first = assertSuccess(new Phone(rig, here).allocate(pairOfPorts));
    assert.deepEqual(addressesOf(first, turnAttribute.xorRelayedAddress), ["203.0.113.1:50002"]);
    const value = attributeOf(first, turnAttribute.reservationToken)!;
    assert.equal(value.length, 8);
    const claim: TestAttribute = [turnAttribute.reservationToken, value.slice()];
    const stranger = new Phone(rig, udpClient("192.0.2.77:1"), { username: "bob", password: "hidden" });
    assertCode(stranger.allocate(claim), 508);
    const second = assertSuccess(new Phone(rig, udpClient("192.0.2.10:4001")).allocate(claim));
    assert.deepEqual(addressesOf(second, turnAttribute.xorRelayedAddress), ["203.0.113.1:50003"]);
    assertCode(new Phone(rig, udpClient("192.0.2.10:4002")).allocate(claim), 508);
    assert.equal(rig.openRelays().length, 3);
  });

  test("a reserved port nobody comes for is closed after 30 s", () => {
    const rig = new TurnRig();
    assertSuccess(new Phone(rig, here).allocate(pairOfPorts));
    rig.pass(29);
    assert.deepEqual([rig.openRelays().length, rig.server.snapshot().reservations], [2, 1]);
    rig.pass(1);
    assert.deepEqual([rig.openRelays().length, rig.server.snapshot().reservations], [1, 0]);
  });

  test("quotas: 486 for a user, 508 for all, 300 where another server is named", () => {
    const rig = new TurnRig({ allocationsPerUserMax: 2, allocationsMax: 3 });
    assertSuccess(new Phone(rig, udpClient("192.0.2.1:1")).allocate());
    const leaving = new Phone(rig, udpClient("192.0.2.1:2"));
    assertSuccess(leaving.allocate());
    assertCode(new Phone(rig, udpClient("192.0.2.1:3")).allocate(), 486, "Allocation Quota Reached");
    const bob = { username: "bob", password: "hidden" };
    assertSuccess(new Phone(rig, udpClient("192.0.2.1:4"), bob).allocate());
    assertCode(new Phone(rig, udpClient("192.0.2.1:5"), bob).allocate(), 508, "Insufficient Capacity");
    rig.reload({
      allocationsPerUserMax: 2,
      allocationsMax: 3,
      alternateServers: [at("198.51.100.9:3478"), at("[2001:db8::9]:3478")],
    });
    const sent = new Phone(rig, udpClient("192.0.2.1:5"), bob).allocate();
    assertCode(sent, 300, "Try Alternate");
    assert.deepEqual(
      readAddress(attributeOf(sent!, stunAttribute.alternateServer)!),
      at("198.51.100.9:3478"),
    );
    assertSuccess(leaving.refresh(lifetime(0)));
    assertSuccess(new Phone(rig, udpClient("192.0.2.1:3")).allocate());
  });

  test("a reserved port counts for its user's quota, until it is claimed", () => {
    const rig = new TurnRig({ allocationsPerUserMax: 2 });
    const first = assertSuccess(new Phone(rig, udpClient("192.0.2.1:1")).allocate(pairOfPorts));
    assertCode(new Phone(rig, udpClient("192.0.2.1:2")).allocate(), 486);
    const value = attributeOf(first, turnAttribute.reservationToken)!;
    const claim: TestAttribute = [turnAttribute.reservationToken, value.slice()];
    assertSuccess(new Phone(rig, udpClient("192.0.2.1:3")).allocate(claim));
    assertCode(new Phone(rig, udpClient("192.0.2.1:4")).allocate(), 486);
  });

  test("one user does not take all ports that can be kept", () => {
    const rig = new TurnRig();
    const phone = new Phone(rig, here);
    for (let count = 0; count < turnReservationsPerUserMax; count++) {
      assertSuccess(phone.allocate(pairOfPorts));
      assertSuccess(phone.refresh(lifetime(0)));
    }
    assertCode(phone.allocate(pairOfPorts), 508);
    assertSuccess(phone.allocate());
    const bob = { username: "bob", password: "hidden" };
    assertSuccess(new Phone(rig, udpClient("192.0.2.1:1"), bob).allocate(pairOfPorts));
  });

  test("what is being opened counts for the quota", () => {
    const rig = new TurnRig({ allocationsPerUserMax: 1 });
    rig.opensAtOnce = false;
    assert.equal(new Phone(rig, udpClient("192.0.2.1:1")).allocate(), undefined);
    assertCode(new Phone(rig, udpClient("192.0.2.1:2")).allocate(), 486);
    rig.openAll();
    assert.equal(rig.server.snapshot().allocations, 1);
  });

  test("draining: 508 for newcomers, and nothing else changes", () => {
    const rig = new TurnRig();
    const phone = new Phone(rig, here);
    assertSuccess(phone.allocate());
    rig.server.drain();
    assertCode(new Phone(rig, udpClient("192.0.2.1:1")).allocate(), 508);
    assertSuccess(phone.refresh());
    assert.ok(!rig.server.isDrained);
    assertSuccess(phone.refresh(lifetime(0)));
    assert.ok(rig.server.isDrained);
  });
});

suite("turn: the operator's word", (test) => {
  test("one allocation is dropped, or all with the ports kept for others", () => {
    const rig = new TurnRig();
    assertSuccess(new Phone(rig, here).allocate());
    assertSuccess(new Phone(rig, udpClient("192.0.2.1:1")).allocate(pairOfPorts));
    const [first] = [...rig.server.views()];
    rig.apply(rig.server.drop(first!.allocation));
    rig.apply(rig.server.drop(first!.allocation));
    assert.equal(rig.openRelays().length, 2);
    rig.server.drain();
    rig.apply(rig.server.drop(undefined));
    assert.equal(rig.openRelays().length, 0);
    assert.deepEqual(
      rig.actionsOf("detach").map(({ reason }) => reason),
      ["dropped", "drained"],
    );
    assert.ok(rig.server.isDrained);
  });
});

suite("turn: lifetimes", (test) => {
  test("what is asked for, what is given", () => {
    for (const [asked, given] of [
      [undefined, 600],
      [0, 600],
      [30, 600],
      [600, 600],
      [1_800, 1_800],
      [3_600, 3_600],
      [86_400, 3_600],
      [0xffffffff, 3_600],
    ] as const) {
      const phone = new Phone(new TurnRig(), here);
      const answer = assertSuccess(asked === undefined ? phone.allocate() : phone.allocate(lifetime(asked)));
      assert.equal(lifetimeOf(answer), given);
      if (asked !== 0)
        assert.equal(lifetimeOf(phone.refresh(...(asked === undefined ? [] : [lifetime(asked)]))), given);
    }
  });

  test("an allocation ends when its time is up, and a refresh puts that off", () => {
    const rig = new TurnRig();
    const phone = new Phone(rig, here);
    assertSuccess(phone.allocate());
    rig.pass(500);
    assertSuccess(phone.refresh());
    rig.pass(599);
    assert.equal(rig.openRelays().length, 1);
    rig.pass(1);
    assert.equal(rig.openRelays().length, 0);
    assert.deepEqual(
      rig.actionsOf("detach").map(({ reason }) => reason),
      ["expired"],
    );
    assertCode(phone.refresh(), 437);
    assert.equal(rig.server.nextDeadlineMs(), undefined);
  });

  test("LIFETIME 0 ends it at once", () => {
    const rig = new TurnRig();
    const phone = new Phone(rig, here);
    assertSuccess(phone.allocate());
    assert.equal(lifetimeOf(assertSuccess(phone.refresh(lifetime(0)))), 0);
    assert.equal(rig.openRelays().length, 0);
    assertCode(phone.refresh(lifetime(0)), 437);
    assertSuccess(phone.allocate());
  });

  test("Refresh with a family: 443 for one that is not there, and one of two can go", () => {
    const rig = new TurnRig();
    const phone = new Phone(rig, here);
    assertSuccess(phone.allocate(family("additional", 2)));
    assertSuccess(phone.refresh(family("requested", 2)));
    assertSuccess(phone.refresh(family("requested", 2), lifetime(0)));
    assert.deepEqual(
      rig.openRelays().map((relay) => relay.family),
      [4],
    );
    assertCode(phone.refresh(family("requested", 2)), 443, "Peer Address Family Mismatch");
    assertCode(phone.permit("[2001:db8:9::1]:0"), 443);
    assertCode(phone.refresh([turnAttribute.requestedAddressFamily, Uint8Array.of(1)]), 400);
    assertSuccess(phone.refresh(family("requested", 1), lifetime(0)));
    assert.equal(rig.server.snapshot().allocations, 0);
  });
});

suite("turn: retransmissions", (test) => {
  test("Allocate, Refresh to nothing and all the rest are answered alike", () => {
    const rig = new TurnRig();
    const phone = new Phone(rig, here);
    const steps: (() => unknown)[] = [
      () => phone.allocate(),
      () => phone.permit("192.0.2.20:0"),
      () => phone.bind(0x4000, "192.0.2.20:5000"),
      () => phone.refresh(),
      () => phone.refresh(lifetime(0)),
    ];
    for (const step of steps) {
      step();
      const [first] = rig.actionsOf("reply").slice(-1);
      const again = rig.server
        .handleMessage(rig.moment, here, phone.lastBytes)
        .filter(({ kind }) => kind === "reply");
      assert.deepEqual(
        again.map((action) => action.kind === "reply" && [...action.bytes]),
        [[...first!.bytes]],
      );
    }
    assert.equal(rig.relays.size, 1);
  });

  test("while sockets are being opened a repeated Allocate waits, and another one is refused", () => {
    const rig = new TurnRig();
    rig.opensAtOnce = false;
    const phone = new Phone(rig, here);
    assert.equal(phone.allocate(), undefined);
    assert.equal(rig.send(here, phone.lastBytes), undefined);
    assertCode(phone.allocate(), 437);
    rig.openAll();
    assert.equal(rig.relays.size, 1);
    assert.equal(rig.answers.at(-1)?.message.class, "success");
  });

  test("a reply is remembered for 40 s; then the request is a new one", () => {
    const rig = new TurnRig();
    const phone = new Phone(rig, here);
    assertSuccess(phone.allocate());
    rig.pass(39);
    assert.equal(rig.send(here, phone.lastBytes)?.message.class, "success");
    rig.pass(1);
    assert.equal(codeOf(rig.send(here, phone.lastBytes)?.message), 437);
  });

  test("a client that has gone before its sockets came leaves nothing behind", () => {
    const rig = new TurnRig();
    rig.opensAtOnce = false;
    const client = tcpClient("192.0.2.10:4000");
    assert.equal(new Phone(rig, client).allocate(pairOfPorts), undefined);
    rig.close(client);
    rig.openAll();
    assert.deepEqual([rig.openRelays().length, rig.server.snapshot().opening], [0, 0]);
    assert.equal(rig.actionsOf("attach").length, 0);
    rig.opensAtOnce = true;
    assertSuccess(new Phone(rig, client).allocate());
  });
});
