import assert from "node:assert/strict";
import type { PairId } from "../../../src/core/plan/plan.ts";
import { commandField, commandKind } from "../../../src/relay/commands.ts";
import { eventKind } from "../../../src/relay/events.ts";
import { decodeKeys } from "../../../src/relay/key-records.ts";
import { packetField, readPacket, writePacket } from "../../../src/relay/packet-records.ts";
import { SettingsDecoder } from "../../../src/relay/slot-settings.ts";
import { suite } from "../../support/suite.ts";
import { at, atMs, someDtls, someIce, someKey } from "../../support/transport-fakes.ts";
import { rig } from "./relay-lab.ts";

suite("relay: secure transports", (test) => {
  const hello = new Uint8Array([22, 254, 253]);
  const check = new Uint8Array([0, 1, 0, 0]);

  function secureRig() {
    const parts = rig();
    parts.open(1);
    parts.configure(1, { security: someDtls, ice: someIce });
    const generation = parts.driver.taken()[0]!.generation;
    const pass = (bytes: Uint8Array, slot = 0, of = generation): boolean =>
      writePacket(parts.driver.packetsUp, { slot, generation: of }, at(9), bytes);
    return { ...parts, generation, pass };
  }

  test("packets find their pair by slot and generation, and answers leave from their socket", () => {
    const { driver, relay, makers, generation, pass } = secureRig();
    const [agent] = makers.agents;
    pass(check, 0, generation + 1);
    pass(check, 2);
    pass(hello);
    pass(check, 1);
    agent!.next = [{ kind: "send", component: 2, to: at(7), bytes: check }];
    relay.handleWake(0);
    assert.deepEqual(agent!.heard, [{ component: 2, source: at(9) }]);
    assert.deepEqual(
      makers.associations.map(({ heard }) => heard.length),
      [1, 0],
    );
    const answer = readPacket(driver.packetsDown);
    assert.deepEqual(answer, { at: { slot: 1, generation }, remote: at(7), bytes: check });
  });

  test("keys, proof and revocation follow their settings as commands of the socket", () => {
    const { driver, relay, makers, pass } = secureRig();
    makers.associations[0]!.next = [
      { kind: "connected", source: at(9), receive: someKey(1), send: someKey(2) },
    ];
    makers.agents[0]!.next = [
      { kind: "valid", component: 1, source: at(9), isNominated: false },
      { kind: "selected", component: 2, remote: at(8) },
      { kind: "failed", component: 2, reason: "consent-lost" },
    ];
    pass(hello);
    pass(check);
    relay.handleWake(0);
    const taken = driver.taken();
    const { words } = driver.commands;
    assert.deepEqual(
      taken.map(({ kind, slot }) => [kind, slot]),
      [
        [commandKind.keys, 0],
        [commandKind.prove, 0],
        [commandKind.prove, 1],
        [commandKind.revoke, 1],
      ],
    );
    const keys = decodeKeys(words, taken[0]!.at + commandField.keys);
    assert.deepEqual(keys, { receive: [someKey(1)], send: someKey(2) });
    const isNominated = taken.slice(1, 3).map(({ at: place }) => words[place + commandField.isNominated]);
    assert.deepEqual(isNominated, [0, 1]);
  });

  test("SDES keys come right behind the settings", () => {
    const { driver, configure } = secureRig();
    configure(1, { security: { kind: "sdes", receive: [someKey(1)], send: undefined } });
    assert.deepEqual(
      driver.taken().map(({ kind }) => kind),
      [commandKind.configure, commandKind.keys],
    );
  });

  test("a flood of packets is worked off in turns", () => {
    const { relay, makers, pass } = secureRig();
    for (let count = 0; count < 100; count++) pass(check);
    const heard = (): number => makers.agents[0]!.heard.length;
    relay.handleWake(0);
    assert.equal(heard(), 32);
    assert.equal(relay.nextDeadlineMs(), 5_000, "at once");
    relay.handleWake(0);
    relay.handleWake(0);
    assert.equal(heard(), 32, "waking does not buy more");
    for (const expected of [64, 96, 100]) {
      relay.handleTimeout(atMs(5_000));
      assert.equal(heard(), expected);
    }
    assert.equal(relay.nextDeadlineMs(), undefined);
  });

  test("what finds no room on its way down is counted and lost", () => {
    const { driver, relay, makers, pass } = secureRig();
    const send = { kind: "send", component: 1, to: at(7), bytes: check } as const;
    makers.agents[0]!.next = [send, send, send, send, send, send];
    pass(check);
    relay.handleWake(0);
    assert.equal(relay.stats().transports.unsent, 2);
    assert.equal(driver.packetsDown.words[driver.packetsDown.begin() + packetField.sizeBytes], check.length);
  });

  test("a pair being closed hears nothing more and frees its handshakes", () => {
    const { driver, relay, makers, events, generation, close, pass } = secureRig();
    close(1);
    pass(hello);
    driver.tell(eventKind.closed, 0, generation);
    relay.handleWake(0);
    assert.deepEqual(
      makers.associations.map(({ isClosed, heard }) => [isClosed, heard.length]),
      [
        [true, 0],
        [true, 0],
      ],
    );
    assert.equal(relay.transport(1 as PairId), undefined);
    assert.equal(events.at(-1)?.kind, "closed");
  });

  test("the carrier of a bundle is named by its slot", () => {
    const { driver, open, configure } = secureRig();
    open(2);
    const bundle = { carrier: 1 as PairId, mid: "1", midExtension: undefined, ssrcs: [] };
    configure(2, { bundle });
    const [, command] = driver.taken();
    const decoded = new SettingsDecoder().decode(driver.commands.words, command!.at + commandField.settings);
    assert.equal(decoded.bundle?.carrierSlot, 0);
  });
});
