import assert from "node:assert/strict";
import { formatEndpoint } from "../../../src/core/address.ts";
import { suite } from "../../support/suite.ts";
import { at, candidate, Lab, type Side } from "./lab.ts";

const a1 = "192.0.2.1:5000";
const a2 = "192.0.2.1:5001";
const b1 = "198.51.100.2:6000";
const b2 = "198.51.100.2:6001";

/** A controls; both know each other from the start. */
function pairUp(
  lab: Lab,
  aSockets: readonly string[] = [a1],
  bSockets: readonly string[] = [b1],
): [Side, Side] {
  const a = lab.add("a", aSockets, { isControlling: true });
  const b = lab.add("b", bSockets);
  lab.introduce(a, b);
  lab.introduce(b, a);
  return [a, b];
}

suite("ice: two agents", (test) => {
  test("both find each other in one round trip and nominate in two", () => {
    const lab = new Lab(1);
    const [a, b] = pairUp(lab);
    lab.runFor(20);
    assert.deepEqual(a.log, [`valid 1 ${b1}`, `selected 1 ${b1}`]);
    assert.deepEqual(b.log, [`valid 1 ${a1}`, `selected 1 ${a1}`]);
    lab.runFor(50);
    assert.deepEqual(a.log.slice(2), [`nominated 1 ${b1}`]);
    assert.deepEqual(b.log.slice(2), [`nominated 1 ${a1}`]);
    // Two checks of a, one of b, and the answers.
    assert.deepEqual([a.sentCount, b.sentCount], [3, 3]);
    lab.runFor(2_000);
    assert.deepEqual([a.sentCount, b.sentCount], [3, 3]);
  });

  test("the answerer, controlled by a peer that nominates at once, is done in one round trip", () => {
    const lab = new Lab(2);
    const b = lab.add("b", [b1]);
    const a = lab.add("a", [a1], { isControlling: true });
    lab.introduce(a, b, []);
    lab.introduce(b, a);
    lab.runFor(20);
    assert.equal(b.selected(), a1);
  });

  test("two components, each its own pair", () => {
    const lab = new Lab(3);
    const [a, b] = pairUp(lab, [a1, a2], [b1, b2]);
    lab.runFor(300);
    assert.deepEqual([a.selected(1), a.selected(2)], [b1, b2]);
    assert.deepEqual([b.selected(1), b.selected(2)], [a1, a2]);
    assert.ok(a.has(`nominated 1 ${b1}`) && a.has(`nominated 2 ${b2}`));
  });

  test("rtcp-mux drops the second component", () => {
    const lab = new Lab(4);
    const [a, b] = pairUp(lab, [a1, a2], [b1, b2]);
    lab.runFor(300);
    a.componentCount = 1;
    b.componentCount = 1;
    lab.configure(a);
    lab.configure(b);
    const logged = a.log.length;
    lab.runFor(60_000);
    assert.deepEqual(a.log.slice(logged), []);
    assert.equal(a.selected(1), b1);
  });

  test("candidates that cannot be reached cost time, not the call", () => {
    const lab = new Lab(5);
    const a = lab.add("a", [a1], { isControlling: true });
    const b = lab.add("b", [b1]);
    const dead = [1, 2, 3].map((host) => candidate(`10.0.0.${host}:7000`, 1, 2_130_706_431 + host));
    lab.introduce(a, b, [...dead, candidate(b1)]);
    lab.introduce(b, a);
    lab.runFor(40);
    assert.equal(a.selected(), b1);
    // Better ones are still being checked: nomination waits, but not long.
    assert.ok(!a.has(`nominated 1 ${b1}`));
    lab.runFor(200);
    assert.ok(a.has(`nominated 1 ${b1}`) && b.has(`nominated 1 ${a1}`));
    const { sentCount } = a;
    lab.runFor(3_000);
    assert.equal(a.sentCount, sentCount, "nothing more is checked once one is nominated");
  });

  test("the higher priority is chosen, and the lower one until it works", () => {
    const lab = new Lab(6);
    const a = lab.add("a", [a1], { isControlling: true });
    const b = lab.add("b", [b1, b2]);
    b.componentCount = 1;
    // Both sockets serve component 1.
    lab.introduce(b, a, []);
    lab.introduce(a, b, [candidate(b1, 1, 2_000)]);
    lab.runFor(15);
    assert.equal(a.selected(), undefined);
    lab.runFor(10);
    assert.equal(a.selected(), b1);
  });

  test("a peer behind a filtering NAT is found by its own checks", () => {
    const lab = new Lab(7);
    const a = lab.add("a", [a1]);
    const b = lab.add("b", ["203.0.113.7:40000"], { isControlling: true });
    b.isFiltered = true;
    // It only knows its private address.
    lab.introduce(a, b, [candidate("192.168.1.7:9000")]);
    lab.introduce(b, a);
    lab.runFor(60);
    assert.equal(a.selected(), "203.0.113.7:40000");
    assert.ok(a.has("nominated 1 203.0.113.7:40000"));
    assert.equal(b.selected(), a1);
  });

  test("checks before the answer are answered, and followed up when it comes", () => {
    const lab = new Lab(8);
    const a = lab.add("a", [a1], { isControlling: true });
    const b = lab.add("b", [b1]);
    lab.configure(a);
    lab.introduce(b, a);
    lab.runFor(3_000);
    assert.deepEqual(a.log, [`valid 1 ${b1}`]);
    assert.equal(b.selected(), a1);
    // The answer has no candidate at all, as browsers send it that hide theirs.
    lab.introduce(a, b, []);
    lab.runFor(20);
    assert.deepEqual(a.log, [`valid 1 ${b1}`, `selected 1 ${b1}`]);
    lab.runFor(60);
    assert.ok(a.has(`nominated 1 ${b1}`) && b.has(`nominated 1 ${a1}`));
    assert.ok(a.has(`superseded 1 but ${b1}`));
  });

  test("trickled candidates are checked as they come, and may be repeated", () => {
    const lab = new Lab(9);
    const a = lab.add("a", [a1], { isControlling: true });
    const b = lab.add("b", [b1]);
    b.isFiltered = true;
    lab.introduce(a, b, []);
    lab.runFor(5_000);
    assert.equal(a.sentCount, 0);
    lab.introduce(a, b, [candidate("10.9.9.9:1")]);
    lab.introduce(a, b, [candidate("10.9.9.9:1")]);
    lab.runFor(100);
    assert.equal(a.sentCount, 1);
    lab.introduce(b, a);
    lab.introduce(a, b, [candidate("10.9.9.9:1"), candidate(b1)]);
    lab.runFor(200);
    assert.deepEqual([a.selected(), b.selected()], [b1, a1]);
  });

  test("both think they control: one gives in, the call stands", () => {
    for (let seed = 0; seed < 20; seed++) {
      for (const isControlling of [true, false]) {
        const lab = new Lab(100 + seed);
        const a = lab.add("a", [a1], { isControlling });
        const b = lab.add("b", [b1], { isControlling });
        lab.introduce(a, b);
        lab.introduce(b, a);
        lab.runFor(1_500);
        assert.ok(a.has(`nominated 1 ${b1}`), `seed ${seed}`);
        assert.ok(b.has(`nominated 1 ${a1}`), `seed ${seed}`);
        // A repetition of the settings does not begin the quarrel anew.
        const logged = a.log.length;
        lab.configure(a);
        lab.configure(b);
        lab.runFor(70_000);
        assert.equal(a.log.length, logged);
      }
    }
  });

  test("full against lite: the full side controls whatever it was told, and asks for consent", () => {
    for (const isLiteFirst of [true, false]) {
      const lab = new Lab(11);
      const a = lab.add("a", [a1], { isLite: isLiteFirst, isControlling: isLiteFirst });
      const b = lab.add("b", [b1], { isLite: !isLiteFirst, isControlling: !isLiteFirst });
      lab.introduce(a, b);
      lab.introduce(b, a);
      lab.runFor(100);
      assert.deepEqual([a.selected(), b.selected()], [b1, a1]);
      assert.ok(a.has(`nominated 1 ${b1}`) && b.has(`nominated 1 ${a1}`));
      lab.runFor(60_000);
      const [lite, full] = isLiteFirst ? [a, b] : [b, a];
      assert.ok(full.sentCount >= 12 && full.sentCount <= 18, `${full.sentCount}`);
      assert.equal(lite.sentCount, full.sentCount, "a lite agent only answers");
      lite.isDead = true;
      lab.runFor(31_000);
      assert.ok(full.has("failed 1 consent-lost"));
      assert.ok(!lite.has("failed 1 consent-lost"));
    }
  });

  test("two lite agents take the best candidate without a check", () => {
    const lab = new Lab(12);
    const a = lab.add("a", [a1], { isLite: true, isControlling: true });
    const b = lab.add("b", [b1], { isLite: true });
    lab.introduce(a, b, [candidate(b2, 1, 1), candidate(b1, 1, 2)]);
    lab.introduce(b, a);
    lab.runFor(60_000);
    assert.deepEqual(a.log, [`selected 1 ${b1}`]);
    assert.deepEqual([a.sentCount, b.sentCount], [0, 0]);
  });
});

suite("ice: bad networks", (test) => {
  test("loss, duplicates and reordering delay it, no more; nothing is said twice", () => {
    for (let seed = 0; seed < 40; seed++) {
      const lab = new Lab(1_000 + seed);
      lab.weather = { delayMs: 20, jitterMs: 200, loss: 0.25, duplicates: 0.3 };
      const [a, b] = pairUp(lab, [a1, a2], [b1, b2]);
      // Less than the 30 s that consent lasts.
      lab.runFor(29_000);
      for (const [side, first, second] of [
        [a, b1, b2],
        [b, a1, a2],
      ] as const) {
        assert.deepEqual([side.selected(1), side.selected(2)], [first, second], `seed ${seed}`);
        assert.ok(side.has(`nominated 1 ${first}`) && side.has(`nominated 2 ${second}`), `seed ${seed}`);
        assert.equal(new Set(side.log).size, side.log.length, side.log.join());
      }
    }
  });

  test("consent outlives heavy loss: 30 s without a single answer are needed", () => {
    for (let seed = 0; seed < 5; seed++) {
      const lab = new Lab(2_000 + seed);
      const [a, b] = pairUp(lab);
      lab.runFor(500);
      lab.weather = { delayMs: 20, loss: 0.1 };
      const logged = a.log.length;
      lab.runFor(600_000);
      assert.deepEqual(a.log.slice(logged), [], `seed ${seed}`);
      assert.equal(b.count("failed"), 0);
    }
  });

  test("consent checks come every 4 to 6 s", () => {
    const lab = new Lab(13);
    const [, b] = pairUp(lab);
    lab.runFor(1_000);
    const before = b.sentCount;
    lab.runFor(100_000);
    // Its own and the answers to a's.
    const perSide = (b.sentCount - before) / 2;
    assert.ok(perSide >= 16 && perSide <= 25, `${perSide}`);
  });

  test("consent is lost after 30 s of silence, told once, and regained by the peer's next check", () => {
    const lab = new Lab(14);
    const [a, b] = pairUp(lab);
    lab.runFor(10_000);
    b.isDead = true;
    lab.runFor(23_000);
    assert.equal(a.count("failed"), 0);
    lab.runFor(8_000);
    assert.equal(a.count("failed 1 consent-lost"), 1);
    const { sentCount } = a;
    lab.runFor(60_000);
    assert.equal(a.count("failed"), 1);
    assert.equal(a.sentCount, sentCount, "without consent nothing is sent");
    b.isDead = false;
    const logged = a.log.length;
    const remote = { ufrag: "au", password: a.settings.localPassword, isLite: false };
    lab.configure(b, { restart: 1, remote });
    lab.runFor(200);
    assert.deepEqual(a.log.slice(logged), [`selected 1 ${b1}`]);
  });

  test("nothing works: told after 39.5 s, not before, and once", () => {
    const lab = new Lab(16);
    const a = lab.add("a", [a1]);
    const b = lab.add("b", [b1]);
    b.isDead = true;
    lab.configure(a);
    lab.runFor(100_000);
    assert.deepEqual(a.log, []);
    lab.introduce(a, b);
    lab.runFor(39_000);
    assert.deepEqual(a.log, []);
    lab.runFor(1_000);
    assert.deepEqual(a.log, ["failed 1 no-valid-pair"]);
    assert.equal(a.sentCount, 7, "as many transmissions as RFC 8489 gives a request");
    lab.runFor(100_000);
    assert.equal(a.log.length, 1);
    assert.equal(a.agent.nextDeadlineMs(), undefined);
    b.isDead = false;
    lab.introduce(b, a);
    lab.runFor(100);
    assert.equal(a.selected(), b1);
  });

  test("RTP without RTCP is a call", () => {
    const lab = new Lab(17);
    const [a] = pairUp(lab, [a1, a2], [b1]);
    lab.runFor(120_000);
    assert.equal(a.selected(1), b1);
    assert.equal(a.count("failed"), 0);
  });
});

suite("ice: change", (test) => {
  test("a NAT that forgets its binding is followed within a second of the peer's next check", () => {
    for (const isControlling of [true, false]) {
      const lab = new Lab(20);
      const a = lab.add("a", [a1], { isControlling });
      const b = lab.add("b", [b1], { isControlling: !isControlling });
      lab.introduce(a, b);
      lab.introduce(b, a);
      lab.runFor(20_000);
      const moved = "203.0.113.99:1234";
      b.sockets = [at(moved)];
      const logged = a.log.length;
      // b's next consent check comes within 6 s.
      lab.runFor(7_000);
      assert.equal(a.selected(), moved);
      assert.ok(a.log.slice(logged).includes(`valid 1 ${moved}`));
      lab.runFor(120_000);
      assert.equal(a.count("failed"), 0);
      assert.equal(b.count("failed"), 0);
      assert.equal(a.selected(), moved);
    }
  });

  test("a second address of the peer does not take over while the first one works", () => {
    const lab = new Lab(21);
    const [a, b] = pairUp(lab);
    lab.runFor(20_000);
    const twin = lab.add("b", ["203.0.113.5:5555"], { isControlling: false });
    lab.introduce(twin, a);
    lab.runFor(30_000);
    assert.equal(a.selected(), b1);
    assert.ok(a.has("valid 1 203.0.113.5:5555"));
    assert.equal(b.count("failed"), 0);
  });

  test("back and forth between two addresses, a hundred times over", () => {
    const lab = new Lab(22);
    const [a, b] = pairUp(lab);
    lab.runFor(3_000);
    for (let turn = 0; turn < 250; turn++) {
      const place = turn % 2 === 0 ? b1 : `203.0.113.50:${1_000 + turn}`;
      b.sockets = [at(place)];
      lab.runFor(8_000);
      assert.equal(a.selected(), place, `turn ${turn}`);
    }
  });

  test("a restart keeps the old pair in use until the new one stands", () => {
    const lab = new Lab(23);
    const [a, b] = pairUp(lab);
    lab.runFor(10_000);
    const logged = a.log.length;
    lab.configure(a, {
      restart: 1,
      localUfrag: "a2",
      localPassword: "a2-password",
      remote: undefined,
      candidates: [],
    });
    lab.runFor(60_000);
    // The answer takes its time; consent goes on, asked with the old credentials on either side.
    assert.deepEqual(a.log.slice(logged), []);
    assert.equal(b.count("failed"), 0);
    b.sockets = [at(b2)];
    lab.configure(b, { restart: 1, localUfrag: "b2", localPassword: "b2-password" });
    lab.introduce(b, a);
    lab.introduce(a, b);
    lab.runFor(200);
    assert.deepEqual(a.log.slice(logged), [
      `valid 1 ${b2}`,
      `selected 1 ${b2}`,
      `superseded 1 but ${b2}`,
      `nominated 1 ${b2}`,
    ]);
    assert.deepEqual(b.selected(), a1);
    lab.runFor(120_000);
    assert.equal(a.count("failed") + b.count("failed"), 0);
  });

  test("after a restart to the same place everything is said anew", () => {
    const lab = new Lab(24);
    const [a, b] = pairUp(lab, [a1, a2], [b1, b2]);
    lab.runFor(1_000);
    const said = [...a.log];
    lab.configure(a, { restart: 1, localUfrag: "a2", localPassword: "a2-password", remote: undefined });
    lab.configure(b, { restart: 1, localUfrag: "b2", localPassword: "b2-password", remote: undefined });
    lab.introduce(b, a);
    lab.introduce(a, b);
    lab.runFor(1_000);
    assert.deepEqual(
      [...a.log.slice(said.length)].sort(),
      [...said, `superseded 1 but ${b1}`, `superseded 2 but ${b2}`].sort(),
    );
  });

  test("another branch answers: its early checks count from the moment its answer comes", () => {
    const lab = new Lab(25);
    const a = lab.add("a", [a1], { isControlling: true });
    const b = lab.add("b", [b1]);
    const c = lab.add("c", ["203.0.113.77:7777"]);
    lab.configure(a);
    lab.introduce(b, a);
    lab.introduce(a, b);
    lab.runFor(1_000);
    assert.equal(a.selected(), b1);
    lab.introduce(c, a);
    lab.runFor(1_000);
    assert.equal(a.selected(), b1);
    assert.ok(!a.has("valid 1 203.0.113.77:7777"), "while the first branch has the call");
    lab.introduce(a, c, []);
    lab.runFor(25);
    assert.equal(a.selected(), "203.0.113.77:7777");
    lab.runFor(60_000);
    // From where the first branch was checked, nothing is heard any more.
    assert.ok(a.has("superseded 1 but 203.0.113.77:7777"));
    assert.equal(a.count("failed"), 0);
  });
});

suite("ice: bounds", (test) => {
  test("a hostile list of candidates gets at most 50 packets a second and 100 addresses", () => {
    const lab = new Lab(30);
    const a = lab.add("a", [a1], { isControlling: true });
    const b = lab.add("b", [b1]);
    const seconds = new Map<number, number>();
    const targets = new Set<string>();
    lab.filter = (_from, to) => {
      const second = Math.floor(lab.nowMs / 1_000);
      seconds.set(second, (seconds.get(second) ?? 0) + 1);
      targets.add(formatEndpoint(to));
      return false;
    };
    const list = Array.from({ length: 2_000 }, (_, index) =>
      candidate(`203.0.${index >>> 8}.${index & 255}:9`, 1, index + 1),
    );
    lab.introduce(a, b, list);
    for (let turn = 0; turn < 100; turn++) {
      lab.introduce(a, b, list);
      lab.runFor(1_000);
    }
    assert.equal(targets.size, 100);
    assert.ok(Math.max(...seconds.values()) <= 51, `${Math.max(...seconds.values())}`);
    assert.ok(a.sentCount <= 700);
    // The best ones stayed.
    assert.ok(targets.has("203.0.7.207:9"));
  });

  test("with many checks under way each one is repeated the more slowly", () => {
    const lab = new Lab(32);
    const a = lab.add("a", [a1]);
    const b = lab.add("b", [b1]);
    const sentMs = new Map<string, number[]>();
    lab.filter = (_from, to) => {
      const place = formatEndpoint(to);
      sentMs.set(place, [...(sentMs.get(place) ?? []), lab.nowMs]);
      return false;
    };
    const list = Array.from({ length: 100 }, (_, index) => candidate(`203.0.113.${index}:9`, 1, index + 1));
    lab.introduce(a, b, list);
    lab.runFor(10_000);
    assert.equal(sentMs.size, 100);
    for (const [first = 0, second = 0, third = 0] of sentMs.values()) {
      assert.ok(second - first >= 2_000 && third - second >= 4_000, `${first} ${second} ${third}`);
    }
  });

  test("groups, nobody and port 0 are not checked", () => {
    const lab = new Lab(31);
    const a = lab.add("a", [a1]);
    const b = lab.add("b", [b1]);
    const bad = ["224.0.0.1:5000", "255.255.255.255:5000", "0.0.0.0:5000", "192.0.2.9:0", "[ff02::1]:5000"];
    lab.introduce(
      a,
      b,
      bad.map((place) => candidate(place)),
    );
    lab.runFor(60_000);
    assert.equal(a.sentCount, 0);
  });
});
