import assert from "node:assert/strict";
import { systemDigests } from "../../../src/io/digests.ts";
import { hasIntegrity, shortTermKey } from "../../../src/stun/integrity.ts";
import { attributeOf, parseStun, type StunMessage } from "../../../src/stun/message.ts";
import { readText } from "../../../src/stun/values.ts";
import { stunAttribute } from "../../../src/stun/wire.ts";
import { suite } from "../../support/suite.ts";
import { answer, checking, forge, intercept, isCheck, nominating, open, own, peer } from "./forged.ts";
import { at, candidate, Lab } from "./lab.ts";

suite("ice: answers", (test) => {
  test("a check has what RFC 8445 wants in it", () => {
    const { check } = checking();
    assert.equal(readText(attributeOf(check, stunAttribute.username) ?? new Uint8Array()), "bu:au");
    assert.ok(hasIntegrity(check, "sha1", shortTermKey("b-password"), systemDigests));
    assert.deepEqual(
      check.attributes.map(({ type }) => type),
      [0x0006, 0x0024, 0x802a, 0x0008, 0x8028],
    );
    const priority = attributeOf(check, stunAttribute.priority) ?? new Uint8Array();
    assert.deepEqual([...priority], [110, 0xff, 0xff, 255]);
  });

  test("a good answer makes the pair valid", () => {
    const { lab, side, check } = checking();
    lab.deliver(side, 1, at(peer), answer(check));
    assert.deepEqual(side.log, [`valid 1 ${peer}`, `selected 1 ${peer}`]);
    lab.deliver(side, 1, at(peer), answer(check));
    assert.equal(side.log.length, 2);
  });

  test("what does not prove itself is as if it never came", () => {
    for (const change of [
      { password: "guess" },
      { integrity: false },
      { code: 401, integrity: false },
      { code: 403, password: "guess" },
      { code: 487, integrity: false },
      { more: 0x7001 },
    ]) {
      const { lab, side, check } = checking();
      lab.deliver(side, 1, at(peer), answer(check, change));
      assert.deepEqual(side.log, []);
      lab.deliver(side, 1, at(peer), answer(check));
      assert.equal(side.selected(), peer, "the check is still under way");
    }
  });

  test("an answer from elsewhere makes no valid pair, whoever it is from", () => {
    const { lab, side, check } = checking();
    lab.deliver(side, 1, at("203.0.113.1:6000"), answer(check));
    assert.deepEqual(side.log, []);
  });

  test("an error ends the check; the next one of the peer begins it anew", () => {
    const { lab, side, check } = checking();
    lab.deliver(side, 1, at(peer), answer(check, { code: 400 }));
    const { sentCount } = side;
    lab.runFor(60_000);
    assert.equal(side.sentCount, sentCount);
    lab.deliver(side, 1, at(peer), forge({ role: "controlled" }));
    assert.equal(side.sentCount, sentCount + 2, "the answer and a triggered check");
  });

  test("487: once more in the other role", () => {
    const { lab, side, check } = checking();
    const seen: StunMessage[] = [];
    lab.filter = (_from, _to, bytes) => {
      seen.push(parseStun(bytes.slice()) as StunMessage);
      return false;
    };
    lab.deliver(side, 1, at(peer), answer(check, { code: 487 }));
    lab.runFor(50);
    assert.equal(seen.length, 1);
    const [again] = seen;
    assert.ok(again !== undefined);
    assert.notDeepEqual([...again.transactionId], [...check.transactionId]);
    const before = attributeOf(check, stunAttribute.iceControlling);
    const after = attributeOf(again, stunAttribute.iceControlled);
    assert.ok(before !== undefined && after !== undefined);
    assert.notDeepEqual([...after], [...before], "a new tie-breaker");
  });

  test("a peer that answers 487 for ever gets no more than the pace", () => {
    const lab = new Lab(8);
    const side = lab.add("a", [own]);
    const answers: Uint8Array[] = [];
    lab.filter = (_from, _to, bytes) => {
      const check = parseStun(bytes.slice());
      if (check !== undefined) answers.push(answer(check, { code: 487 }));
      return false;
    };
    const remote = { ufrag: "bu", password: "b-password", isLite: false };
    lab.configure(side, { remote, candidates: [candidate(peer)] });
    for (let ms = 0; ms < 1_000; ms++) {
      for (const bytes of answers.splice(0)) lab.deliver(side, 1, at(peer), bytes);
      lab.runFor(1);
    }
    assert.ok(side.sentCount <= 51, `${side.sentCount}`);
  });

  test("403 takes consent back at once", () => {
    const { lab, side, check } = checking();
    lab.deliver(side, 1, at(peer), answer(check));
    const later: StunMessage[] = [];
    lab.filter = (_from, _to, bytes) => {
      later.push(parseStun(bytes.slice()) as StunMessage);
      return false;
    };
    lab.runFor(6_100);
    const last = later.at(-1);
    assert.ok(last !== undefined);
    lab.deliver(side, 1, at(peer), answer(last, { code: 500 }));
    assert.equal(side.count("failed"), 0, "any other error is only no consent");
    lab.deliver(side, 1, at(peer), answer(last, { code: 403 }));
    assert.equal(side.count("failed 1 consent-lost"), 1);
  });
});

suite("ice: roles and nomination, packet by packet", (test) => {
  const remote = { ufrag: "bu", password: "b-password", isLite: false };

  test("a nomination that came before the answer holds once our own check is answered", () => {
    const { lab, side } = open();
    lab.deliver(side, 1, at(peer), forge({ more: nominating }));
    const seen = intercept(lab);
    lab.configure(side, { remote });
    const [check] = seen;
    assert.ok(check !== undefined);
    lab.deliver(side, 1, at(peer), answer(check));
    assert.deepEqual(side.log, [
      `valid 1 ${peer}`,
      `superseded 1 but ${peer}`,
      `nominated 1 ${peer}`,
      `selected 1 ${peer}`,
    ]);
  });

  test("a source whose early check was void once all was agreed is said again when it answers", () => {
    const { lab, side } = open();
    const other = "198.51.100.2:6001";
    lab.deliver(side, 1, at(peer), forge({ more: nominating }));
    lab.deliver(side, 1, at(other), forge());
    const seen = intercept(lab);
    lab.configure(side, { remote });
    const [check] = seen;
    assert.ok(check !== undefined);
    lab.deliver(side, 1, at(peer), answer(check));
    assert.ok(side.has(`superseded 1 but ${peer}`));
    lab.deliver(side, 1, at(other), forge());
    lab.runFor(100);
    const last = seen.findLast(isCheck);
    assert.ok(last !== undefined && last !== check);
    lab.deliver(side, 1, at(other), answer(last));
    assert.equal(side.log.at(-1), `valid 1 ${other}`);
  });

  test("a role given up takes its nomination along", () => {
    for (const giveUp of ["conflict", "487", "settings"] as const) {
      const { lab, side, check } = checking();
      const seen = intercept(lab);
      lab.deliver(side, 1, at(peer), answer(check));
      lab.runFor(30);
      const [nomination] = seen.filter(isCheck);
      assert.ok(
        nomination !== undefined && attributeOf(nomination, stunAttribute.useCandidate) !== undefined,
      );
      if (giveUp === "conflict") lab.deliver(side, 1, at(peer), forge());
      else if (giveUp === "487") lab.deliver(side, 1, at(peer), answer(nomination, { code: 487 }));
      else lab.configure(side, { isControlling: false });
      seen.length = 0;
      lab.runFor(8_000);
      const checks = seen.filter(isCheck);
      assert.ok(checks.length > 0 && checks.length < 4, giveUp);
      for (const each of checks) {
        assert.ok(attributeOf(each, stunAttribute.iceControlled) !== undefined, giveUp);
        assert.equal(attributeOf(each, stunAttribute.useCandidate), undefined, giveUp);
      }
      assert.equal(side.selected(), peer);
    }
  });

  test("both nominated: what the peer nominated holds once we gave in", () => {
    const { lab, side, check } = checking();
    const seen = intercept(lab);
    lab.deliver(side, 1, at(peer), answer(check));
    lab.runFor(30);
    const [nomination] = seen.filter(isCheck);
    assert.ok(nomination !== undefined);
    // It claims no role, so nobody noticed the conflict so far.
    lab.deliver(side, 1, at(peer), forge({ role: "none", more: nominating }));
    assert.ok(!side.has(`nominated 1 ${peer}`));
    lab.deliver(side, 1, at(peer), answer(nomination, { code: 487 }));
    assert.ok(side.has(`nominated 1 ${peer}`));
  });

  test("of several that the peer nominates the best one counts, even if its check was lost", () => {
    const better = "198.51.100.2:7000";
    const lab = new Lab(9);
    const side = lab.add("a", [own]);
    const seen = intercept(lab);
    lab.configure(side, { remote, candidates: [candidate(better, 1, 20), candidate(peer, 1, 10)] });
    lab.runFor(30);
    const [, second] = seen.filter(isCheck);
    assert.ok(second !== undefined);
    for (const place of [better, peer]) lab.deliver(side, 1, at(place), forge({ more: nominating }));
    lab.runFor(50);
    lab.deliver(side, 1, at(peer), answer(second));
    assert.equal(side.selected(), peer);
    seen.length = 0;
    lab.runFor(600);
    const again = seen.find(isCheck);
    assert.ok(again !== undefined);
    lab.deliver(side, 1, at(better), answer(again));
    assert.equal(side.selected(), better);
  });

  test("another branch at the same address neither nominates nor is believed", () => {
    const { lab, side, check } = checking();
    lab.configure(side, { isControlling: false });
    lab.deliver(side, 1, at(peer), forge({ username: "au:cu", more: nominating }));
    assert.deepEqual(side.log, []);
    lab.deliver(side, 1, at(peer), answer(check));
    assert.deepEqual(side.log, [`valid 1 ${peer}`, `selected 1 ${peer}`]);
  });

  test("a slow path: the first check's answer counts however often the peer has asked since", () => {
    const { lab, side, check } = checking();
    for (let count = 0; count < 40; count++) {
      lab.deliver(side, 1, at(peer), forge({ role: "controlled" }));
      lab.runFor(25);
    }
    lab.deliver(side, 1, at(peer), answer(check));
    assert.equal(side.selected(), peer);
  });
});
