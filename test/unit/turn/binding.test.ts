/** Binding, and the discovery of a NAT's behaviour: RFC 8489, RFC 5780 section 6. */
import assert from "node:assert/strict";
import { formatEndpoint } from "../../../src/core/address.ts";
import { turnChallengeBurst } from "../../../src/core/limits.ts";
import { attributeOf, type StunMessage } from "../../../src/stun/message.ts";
import { encodeNumber, readAddress, readTypes } from "../../../src/stun/values.ts";
import { stunAttribute } from "../../../src/stun/wire.ts";
import type { Attribute } from "../../../src/turn/request.ts";
import { turnAttribute } from "../../../src/turn/wire.ts";
import { suite } from "../../support/suite.ts";
import { addressesOf, assertCode, assertSuccess, bindingRequest } from "./phone.ts";
import { at, ip, serverAt, TurnRig, tcpClient, udpClient } from "./rig.ts";

const here = udpClient("192.0.2.10:4000");
const discovery = {
  addresses: [
    { ip: serverAt.ip, advertisedIp: ip("203.0.113.1") },
    { ip: ip("198.51.100.2"), advertisedIp: ip("203.0.113.2") },
  ],
  ports: [3478, 3479],
} as const;
const change = (bits: number): Attribute => [turnAttribute.changeRequest, encodeNumber(bits)];
const place = (message: StunMessage, type: number): string =>
  formatEndpoint(readAddress(attributeOf(message, type)!)!);

suite("turn: binding", (test) => {
  test("says where it came from, over every transport, and needs nobody's name", () => {
    for (const client of [here, tcpClient("192.0.2.10:4000"), udpClient("[2001:db8::7]:9")]) {
      const answer = assertSuccess(new TurnRig().send(client, bindingRequest())?.message);
      assert.deepEqual(addressesOf(answer, stunAttribute.xorMappedAddress), [formatEndpoint(client.remote)]);
      assert.equal(answer.attributes.length, 1);
    }
  });

  test("where discovery is not offered its attributes are unknown: 420", () => {
    for (const [rig, client] of [
      [new TurnRig(), here],
      [new TurnRig({ discovery }), tcpClient("192.0.2.10:4000")],
      [new TurnRig({ discovery }), { ...here, local: at("198.51.100.3:3478") }],
    ] as const) {
      const answer = rig.send(
        client,
        bindingRequest(change(4), [turnAttribute.padding, new Uint8Array(4)]),
      )?.message;
      assertCode(answer, 420);
      assert.deepEqual(readTypes(attributeOf(answer!, stunAttribute.unknownAttributes)!), [
        turnAttribute.changeRequest,
        turnAttribute.padding,
      ]);
    }
  });

  test("the answer comes from where it was wanted, and names that and the other place", () => {
    const expected: [number, string, string][] = [
      [0, "198.51.100.1:3478", "203.0.113.1:3478"],
      [2, "198.51.100.1:3479", "203.0.113.1:3479"],
      [4, "198.51.100.2:3478", "203.0.113.2:3478"],
      [6, "198.51.100.2:3479", "203.0.113.2:3479"],
    ];
    for (const [bits, from, origin] of expected) {
      const answer = new TurnRig({ discovery }).send(here, bindingRequest(change(bits)))!;
      assert.equal(formatEndpoint(answer.from!), from);
      assert.equal(place(answer.message, turnAttribute.responseOrigin), origin);
      assert.equal(place(answer.message, turnAttribute.otherAddress), "203.0.113.2:3479");
      assert.equal(place(answer.message, stunAttribute.mappedAddress), "192.0.2.10:4000");
    }
    const second = { ...here, local: at("198.51.100.2:3479") };
    const answer = new TurnRig({ discovery }).send(second, bindingRequest(change(2)))!;
    assert.equal(formatEndpoint(answer.from!), "198.51.100.2:3478");
    assert.equal(place(answer.message, turnAttribute.otherAddress), "203.0.113.1:3478");
  });

  test("answers that go another way are rationed like errors, plain ones are not", () => {
    const rig = new TurnRig({ discovery });
    for (let count = 0; count < turnChallengeBurst; count++) {
      assert.ok(rig.send(here, bindingRequest(change(6))) !== undefined);
    }
    assert.equal(rig.send(here, bindingRequest(change(6))), undefined);
    assert.equal(
      rig.send(here, bindingRequest([turnAttribute.responsePort, Uint8Array.of(1, 2, 0, 0)])),
      undefined,
    );
    assertSuccess(rig.send(here, bindingRequest())?.message);
    rig.pass(1);
    assert.ok(rig.send(here, bindingRequest(change(6))) !== undefined);
  });

  test("PADDING of a whole datagram is answered with a frame's worth", () => {
    const places = [ip("2001:db8::1"), ip("2001:db8::2")].map((each) => ({ ip: each, advertisedIp: each }));
    const [first, second] = places;
    const rig = new TurnRig({ discovery: { addresses: [first!, second!], ports: [3478, 3479] } });
    const client = { ...udpClient("[2001:db8::7]:9"), local: at("[2001:db8::1]:3478") };
    const answer = rig.send(client, bindingRequest([turnAttribute.padding, new Uint8Array(65_500)]))!.message;
    assert.equal(attributeOf(answer, turnAttribute.padding)!.length, 1_500);
  });

  test("RESPONSE-PORT, PADDING as long as it came, and what is refused", () => {
    const rig = new TurnRig({ discovery });
    const port: Attribute = [turnAttribute.responsePort, Uint8Array.of(0x17, 0x70, 0, 0)];
    const padding: Attribute = [turnAttribute.padding, new Uint8Array(1_200).fill(7)];
    assert.equal(formatEndpoint(rig.send(here, bindingRequest(port))!.to!), "192.0.2.10:6000");
    const padded = rig.send(here, bindingRequest(padding))!.message;
    assert.deepEqual([...attributeOf(padded, turnAttribute.padding)!], new Array(1_200).fill(0));
    assertCode(rig.send(here, bindingRequest(port, padding))?.message, 400);
    assertCode(rig.send(here, bindingRequest([turnAttribute.changeRequest, Uint8Array.of(1)]))?.message, 400);
    assertCode(
      rig.send(here, bindingRequest([turnAttribute.responsePort, Uint8Array.of(0, 0)]))?.message,
      400,
    );
  });
});
