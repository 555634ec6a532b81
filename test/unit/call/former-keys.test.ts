import assert from "node:assert/strict";
import type { CallsSnapshot } from "../../../src/call/call-store.ts";
import type { SrtpKey } from "../../../src/core/plan/security.ts";
import { suite } from "../../support/suite.ts";
import { answer, type Lab, offer, portIn, portsIn, sdp } from "./lab.ts";
import { answering, body, cryptoLine, keyOf, mediaOf, secureLab } from "./parties.ts";

const suiteName = "AES_CM_128_HMAC_SHA1_80";

function receives(lab: Lab, port: number): readonly SrtpKey[] {
  const { security } = lab.settingsOf(port);
  assert.ok(security.kind === "sdes");
  return security.receive;
}

/** One offer for all branches, which answer with keys of their own. */
class Fork {
  readonly lab = secureLab();
  readonly port: number;
  readonly #line;

  constructor() {
    const text = this.lab.body(offer({ options: { transportProtocol: "RTP/SAVP", dtls: "off" } }));
    const line = mediaOf(text).crypto.find(({ key }) => key.suite === suiteName);
    assert.ok(line !== undefined);
    this.#line = line;
    this.port = portIn(text);
  }

  key(branch: number): SrtpKey {
    return keyOf(answering(this.#line, branch));
  }

  answer(branch: number): void {
    const crypto = [answering(this.#line, branch)];
    const media = [{ port: 5000 + 2 * branch, protocol: "RTP/SAVP", crypto }];
    this.lab.body(answer({ to: `bob-${branch}`, sdp: body({ ip: `203.0.113.${branch}`, media }) }));
  }

  expect(...branches: readonly number[]): void {
    assert.deepEqual(
      receives(this.lab, this.port),
      branches.map((branch) => this.key(branch)),
    );
  }
}

suite("call: SDES keys that a later answer replaced", (test) => {
  test("the losing branch of a fork is heard for 3 s, and what we send with stays", () => {
    const fork = new Fork();
    fork.answer(1);
    const before = fork.lab.settingsOf(fork.port).security;
    fork.lab.advance(20_000);
    fork.answer(2);
    fork.expect(2, 1);
    fork.lab.advance(2_999);
    fork.expect(2, 1);
    fork.lab.advance(1);
    fork.expect(2);
    const after = fork.lab.settingsOf(fork.port).security;
    assert.ok(before.kind === "sdes" && after.kind === "sdes");
    assert.deepEqual(after.send, before.send);
    fork.lab.advance(56_000);
    assert.equal(fork.lab.calls.callCount, 1, "`timeout` counts from the last answer");
    fork.lab.advance(1_000);
    assert.equal(fork.lab.calls.callCount, 0);
  });

  test("two branches ring, and the first of them takes the call: at once, or after its key has gone", () => {
    for (const pauseMs of [1_000, 20_000]) {
      const fork = new Fork();
      fork.answer(1);
      fork.answer(2);
      fork.lab.advance(pauseMs);
      fork.answer(1);
      fork.expect(1, 2);
      fork.lab.advance(2_999);
      fork.expect(1, 2);
      fork.lab.advance(1);
      fork.expect(1);
      fork.lab.advance(30_000);
      fork.expect(1);
    }
  });

  test("the time runs from the last answer, be it one that comes again", () => {
    const fork = new Fork();
    fork.answer(1);
    fork.lab.advance(1_000);
    fork.answer(2);
    fork.lab.advance(2_000);
    fork.answer(3);
    fork.lab.advance(2_000);
    fork.answer(3);
    fork.lab.advance(2_999);
    fork.expect(3, 2, 1);
    fork.lab.advance(1);
    fork.expect(3);
  });

  test("a branch that answers once and no other does keeps its key, also through the next offer", () => {
    const fork = new Fork();
    fork.answer(1);
    fork.lab.advance(50_000);
    fork.expect(1);
    fork.answer(1);
    fork.lab.advance(50_000);
    fork.expect(1);
    fork.lab.body(offer({ to: "bob-1", sdp: sdp({ version: 2 }) }));
    fork.lab.advance(50_000);
    fork.expect(1);
  });

  test("a new offer leaves the latest key at once, and nothing is due for it", () => {
    const fork = new Fork();
    fork.answer(1);
    fork.answer(2);
    fork.lab.body(offer({ to: "bob-2", sdp: sdp({ version: 2 }) }));
    fork.expect(2);
    const dueMs = fork.lab.calls.nextDeadlineMs();
    assert.ok(dueMs !== undefined && dueMs > fork.lab.nowMs + 3_000);
  });

  test("a re-INVITE with other keys: those of before are heard for 3 s, on both sides and all m-lines", () => {
    const lab = secureLab();
    const lines = (seed: number) => [1, 2].map((each) => cryptoLine(each, suiteName, seed + each));
    const text = (ip: string, version: number, crypto: readonly string[]): string =>
      body({
        ip,
        version,
        media: crypto.map((line, index) => ({
          port: 4000 + 2 * index,
          protocol: "RTP/SAVP",
          crypto: [line],
        })),
      });
    const [alices, bobs] = [lines(10), lines(20)];
    const toBob = portsIn(lab.body(offer({ sdp: text("203.0.113.5", 1, alices) })));
    const toAlice = portsIn(lab.body(answer({ sdp: text("203.0.113.6", 1, bobs) })));
    const [alicesNext, bobsNext] = [lines(30), lines(40)];
    lab.body(offer({ to: "bob", sdp: text("203.0.113.5", 2, alicesNext) }));
    lab.advance(10_000);
    const expect = (ports: readonly number[], ...wanted: readonly (readonly string[])[]): void => {
      for (const [index, port] of ports.entries())
        assert.deepEqual(
          receives(lab, port),
          wanted.map((each) => keyOf(each[index] ?? "")),
        );
    };
    expect(toAlice, alices);
    lab.body(answer({ sdp: text("203.0.113.6", 2, bobsNext) }));
    lab.advance(2_999);
    expect(toAlice, alicesNext, alices);
    expect(toBob, bobsNext, bobs);
    lab.advance(1);
    expect(toAlice, alicesNext);
    expect(toBob, bobsNext);
  });

  test("a key with another name on the wire replaces the one without", () => {
    const lab = secureLab();
    const named = [cryptoLine(1, suiteName, 1), cryptoLine(1, suiteName, 1, "|2^20|1:4")];
    const ports = named.map((line, index) => {
      const media = [{ protocol: "RTP/SAVP", crypto: [line] }];
      const to = index === 0 ? {} : { to: "bob" };
      const options = { transportProtocol: "RTP/AVP" };
      lab.body(offer({ ...to, options, sdp: body({ version: index + 1, media }) }));
      return portIn(lab.body(answer()));
    });
    const [port = -1] = ports;
    assert.deepEqual(receives(lab, port), named.map(keyOf).reverse());
    lab.advance(3_000);
    assert.deepEqual(receives(lab, port), named.slice(1).map(keyOf));
  });

  test("a call that came back from its bytes drops them in time", () => {
    const fork = new Fork();
    fork.answer(1);
    fork.answer(2);
    const restored = secureLab();
    restored.calls.restore(structuredClone(fork.lab.calls.snapshot()) satisfies CallsSnapshot);
    const dueMs = fork.lab.calls.nextDeadlineMs();
    assert.ok(dueMs !== undefined);
    assert.equal(restored.calls.nextDeadlineMs(), dueMs);
    const actions = restored.calls.handleTimeout(dueMs);
    assert.deepEqual(actions, fork.lab.calls.handleTimeout(dueMs));
    const pair = fork.lab.pairOf(fork.port);
    const told = actions.flatMap((each) =>
      each.kind === "relay" && each.action.kind === "configure" && each.action.pair === pair
        ? each.action.settings.security
        : [],
    );
    assert.deepEqual(
      told.map((security) => security.kind === "sdes" && security.receive),
      [[fork.key(2)]],
    );
  });
});
