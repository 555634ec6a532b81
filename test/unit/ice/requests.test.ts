import assert from "node:assert/strict";
import { type Endpoint, formatEndpoint } from "../../../src/core/address.ts";
import { type IceAction, IceAgent } from "../../../src/ice/agent.ts";
import { systemDigests } from "../../../src/io/digests.ts";
import { StunBuilder } from "../../../src/stun/builder.ts";
import { hasIntegrity, integrityOf, shortTermKey } from "../../../src/stun/integrity.ts";
import { attributeOf, parseStun, type StunMessage } from "../../../src/stun/message.ts";
import { encodeNumber, readErrorCode, readTypes, readXorAddress } from "../../../src/stun/values.ts";
import { stunAttribute } from "../../../src/stun/wire.ts";
import { suite } from "../../support/suite.ts";
import { forge, largest, nominating, open, peer, smallest, transactionId } from "./forged.ts";
import { at, type Lab, type Side } from "./lab.ts";

/** The answer to a packet of the peer, if there is one and nothing else was sent. */
function answerOf(lab: Lab, side: Side, bytes: Uint8Array): StunMessage | undefined {
  const sent = lab.deliver(side, 1, at(peer), bytes).filter(({ kind }) => kind === "send");
  const [first] = sent as Extract<IceAction, { kind: "send" }>[];
  if (first === undefined) return undefined;
  assert.equal(formatEndpoint(first.to), peer);
  const message = parseStun(first.bytes);
  assert.ok(message !== undefined);
  assert.deepEqual([...message.transactionId], [...transactionId]);
  return message;
}

function describe(message: StunMessage | undefined): string {
  if (message === undefined) return "nothing";
  const error = readErrorCode(attributeOf(message, stunAttribute.errorCode) ?? new Uint8Array());
  const seal = integrityOf(message);
  const key = shortTermKey("a-password-0123456789");
  assert.ok(seal === undefined || hasIntegrity(message, seal, key, systemDigests));
  const sealed = seal === undefined ? "open" : seal;
  return error === undefined ? `${message.class} ${sealed}` : `${error.code} ${error.reason} ${sealed}`;
}

const noFingerprint = forge({ hasFingerprint: false });

const table: readonly (readonly [what: string, bytes: Uint8Array, answer: string])[] = [
  ["a good check", forge(), "success sha1"],
  ["sealed with SHA-256", forge({ integrity: "sha256" }), "success sha256"],
  ["no role claimed", forge({ role: "none" }), "success sha1"],
  ["no integrity", forge({ integrity: "none" }), "400 Bad Request open"],
  ["no username", forge({ username: undefined }), "400 Bad Request open"],
  ["another user", forge({ username: "xx:bu" }), "401 Unauthenticated open"],
  ["our ufrag is only the beginning", forge({ username: "auu:bu" }), "401 Unauthenticated open"],
  ["half a username", forge({ username: "au" }), "401 Unauthenticated open"],
  ["half a username and a colon", forge({ username: "au:" }), "401 Unauthenticated open"],
  ["no ufrag of ours", forge({ username: ":bu" }), "401 Unauthenticated open"],
  ["a wrong password", forge({ password: "guess" }), "401 Unauthenticated open"],
  ["an unknown attribute", forge({ more: [[0x7001, new Uint8Array(2)]] }), "420 Unknown Attribute sha1"],
  ["an unknown optional one", forge({ more: [[0xc057, new Uint8Array(4)]] }), "success sha1"],
  ["no priority", forge({ hasPriority: false }), "400 Bad Request sha1"],
  ["a short tie-breaker", forge({ tieBreaker: new Uint8Array(7) }), "400 Bad Request sha1"],
  ["both roles", forge({ more: [[stunAttribute.iceControlled, largest]] }), "400 Bad Request sha1"],
  ["the same role, larger", forge({ role: "controlled" }), "487 Role Conflict sha1"],
  ["the same role, smaller", forge({ role: "controlled", tieBreaker: smallest }), "success sha1"],
  ["another method", forge({ method: 0x003 }), "nothing"],
  ["no fingerprint", noFingerprint, "nothing"],
  ["an empty request", new StunBuilder("request", 1, transactionId).addFingerprint().build(), "nothing"],
  ["an indication", new StunBuilder("indication", 1, transactionId).addFingerprint().build(), "nothing"],
  ["an answer to nothing", new StunBuilder("success", 1, transactionId).addFingerprint().build(), "nothing"],
];

suite("ice: requests", (test) => {
  for (const [what, bytes, answer] of table) {
    test(`${what}: ${answer}`, () => {
      const { lab, side } = open();
      const message = answerOf(lab, side, bytes);
      assert.equal(describe(message), answer);
      assert.deepEqual(side.log, answer.startsWith("success") ? [`valid 1 ${peer}`] : []);
      // The same for an agent that is not waiting for an answer of the other side any more.
      const known = open({ remote: { ufrag: "bu", password: "b", isLite: false } });
      assert.equal(describe(answerOf(known.lab, known.side, bytes)), answer);
    });
  }

  test("the answer shows the source", () => {
    const { lab, side } = open();
    const message = answerOf(lab, side, forge());
    const mapped = attributeOf(message as StunMessage, stunAttribute.xorMappedAddress) ?? new Uint8Array();
    assert.deepEqual(readXorAddress(mapped, transactionId), at(peer));
  });

  test("a source on this host is told its outside address, and answered where it is", () => {
    const { lab, side } = open();
    const { ip } = at("198.51.100.20:1");
    const outside = ({ port }: Endpoint): Endpoint => ({ ip, port });
    const agent = new IceAgent({ random: lab.chance, digests: systemDigests, outside });
    agent.configure(lab.now, side.settings, 1);
    const [sent] = agent.handlePacket(lab.now, 1, at(peer), forge()).filter(({ kind }) => kind === "send");
    assert.ok(sent?.kind === "send");
    assert.equal(formatEndpoint(sent.to), peer);
    const message = parseStun(sent.bytes) as StunMessage;
    const mapped = attributeOf(message, stunAttribute.xorMappedAddress) ?? new Uint8Array();
    assert.deepEqual(readXorAddress(mapped, transactionId), { ip, port: at(peer).port });
  });

  test("420 names each unknown attribute", () => {
    const { lab, side } = open();
    const more = [0x7001, 0x0003, 0x7001].map((type) => [type, new Uint8Array(4)] as const);
    const message = answerOf(lab, side, forge({ more }));
    const value = attributeOf(message as StunMessage, stunAttribute.unknownAttributes) ?? new Uint8Array();
    assert.deepEqual(readTypes(value), [0x7001, 0x0003]);
  });

  test("roles: who has the larger tie-breaker stays, the other one changes", () => {
    for (const [isControlling, role, tieBreaker, answer] of [
      [true, "controlling", smallest, "487 Role Conflict sha1"],
      [true, "controlling", largest, "success sha1"],
      [true, "controlled", largest, "success sha1"],
      [false, "controlled", largest, "487 Role Conflict sha1"],
      [false, "controlled", smallest, "success sha1"],
      [false, "controlling", smallest, "success sha1"],
    ] as const) {
      const { lab, side } = open({ isControlling });
      assert.equal(describe(answerOf(lab, side, forge({ role, tieBreaker }))), answer);
    }
    const { lab, side } = open({ isLite: true });
    for (const tieBreaker of [smallest, largest]) {
      const message = answerOf(lab, side, forge({ role: "controlled", tieBreaker }));
      assert.equal(describe(message), "487 Role Conflict sha1", "a lite agent never takes control");
    }
  });

  test("an answer without proof is never larger than its request", () => {
    for (const integrity of ["none", "sha1"] as const) {
      for (let size = 1; size < 24; size++) {
        const username = "x".repeat(size);
        const bytes = forge({ username, integrity, hasPriority: false, role: "none" });
        const { lab, side } = open();
        const message = answerOf(lab, side, bytes);
        assert.ok((message?.bytes.length ?? 0) <= bytes.length);
      }
    }
  });

  test("who sends a captured check again from elsewhere is not taken for the peer, but by a lite agent", () => {
    for (const isLite of [false, true]) {
      const { lab, side } = open({ isLite, remote: { ufrag: "bu", password: "b", isLite: false } });
      for (const from of [peer, "203.0.113.66:7000", "203.0.113.66:7001"]) {
        lab.deliver(side, 1, at(from), forge());
      }
      assert.equal(side.log.filter((line) => line.includes("203.0.113.66")).length, isLite ? 2 : 0);
    }
  });

  test("valid is said once a source, and once more when nominated", () => {
    const { lab, side } = open({ isLite: true });
    const nominated = forge({ more: nominating });
    for (let count = 0; count < 3; count++) lab.deliver(side, 1, at(peer), forge());
    for (let count = 0; count < 3; count++) lab.deliver(side, 1, at(peer), nominated);
    for (let count = 0; count < 3; count++) lab.deliver(side, 1, at(peer), forge());
    assert.deepEqual(side.log, [`valid 1 ${peer}`, `selected 1 ${peer}`, `nominated 1 ${peer}`]);
  });

  test("a lite agent follows nomination, a better one at once, a worse one when the first went quiet", () => {
    const { lab, side } = open({ isLite: true });
    const withPriority = (priority: number): Uint8Array =>
      forge({
        hasPriority: false,
        more: [
          [stunAttribute.priority, encodeNumber(priority)],
          [stunAttribute.useCandidate, new Uint8Array()],
        ],
      });
    lab.deliver(side, 1, at(peer), withPriority(20));
    lab.deliver(side, 1, at("198.51.100.2:1"), withPriority(10));
    assert.equal(side.selected(), peer);
    lab.deliver(side, 1, at("198.51.100.2:2"), withPriority(30));
    assert.equal(side.selected(), "198.51.100.2:2");
    lab.runFor(7_000);
    lab.deliver(side, 1, at("198.51.100.2:1"), withPriority(10));
    assert.equal(side.selected(), "198.51.100.2:1");
    lab.deliver(side, 1, at("198.51.100.2:2"), withPriority(30));
    assert.equal(side.selected(), "198.51.100.2:2", "back again: it is the better one");
  });
});
