/** Long-term credentials: RFC 8489 section 9.2.4, time-limited users, nonces, and the rate of challenges. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { turnChallengeBurst } from "../../../src/core/limits.ts";
import type { MonotonicMs, UnixMs } from "../../../src/core/time.ts";
import { StunBuilder } from "../../../src/stun/builder.ts";
import { hasIntegrity, longTermKey } from "../../../src/stun/integrity.ts";
import { attributeOf, parseStun } from "../../../src/stun/message.ts";
import { encodeText, readText } from "../../../src/stun/values.ts";
import { stunAttribute } from "../../../src/stun/wire.ts";
import { Credentials } from "../../../src/turn/credentials.ts";
import { featuresOf, Nonces } from "../../../src/turn/nonces.ts";
import { turnDefaults } from "../../../src/turn/settings.ts";
import { turnMethod } from "../../../src/turn/wire.ts";
import { suite } from "../../support/suite.ts";
import * as vectors from "../stun/vectors.ts";
import { assertCode, assertSuccess, codeOf, nextTransaction, Phone, udpRelay } from "./phone.ts";
import { digests, seededRandom, TurnRig, tcpClient, udpClient } from "./rig.ts";

const here = udpClient("192.0.2.10:4000");
const textOf = (message: Parameters<typeof attributeOf>[0], type: number): string =>
  readText(attributeOf(message, type) ?? new Uint8Array());

/** As a web service makes them. */
function timeLimited(secret: string, username: string): { username: string; password: string } {
  return { username, password: createHmac("sha1", secret).update(username).digest("base64") };
}

suite("turn: authentication", (test) => {
  test("without credentials: 401 with realm, nonce and algorithms, unsealed", () => {
    const rig = new TurnRig();
    const bytes = new StunBuilder("request", turnMethod.allocate, nextTransaction())
      .add(...(udpRelay as [number, Uint8Array]))
      .build();
    const answer = rig.send(here, bytes)?.message;
    assertCode(answer, 401, "Unauthenticated");
    assert.equal(textOf(answer!, stunAttribute.realm), "example.org");
    const nonce = textOf(answer!, stunAttribute.nonce);
    assert.match(nonce, /^obMatJos2AAAD[0-9a-f]{8}[A-Za-z0-9_-]{22}$/);
    assert.deepEqual([...attributeOf(answer!, stunAttribute.passwordAlgorithms)!], [0, 2, 0, 0, 0, 1, 0, 0]);
    assert.equal(attributeOf(answer!, stunAttribute.messageIntegrity), undefined);
    assert.ok(!answer!.hasFingerprint, "as the request had none");
  });

  test("every way to say who one is", () => {
    for (const hash of ["sha1", "sha256"] as const) {
      for (const algorithm of [undefined, "md5", "sha256"] as const) {
        for (const hidesName of [false, true]) {
          const phone = new Phone(new TurnRig(), here, { hash, algorithm, hidesName });
          assertSuccess(phone.allocate());
        }
      }
    }
  });

  test("a wrong password, an unknown user, another realm: 401, and a hidden name nobody has", () => {
    for (const login of [
      { password: "wrong" },
      { username: "eve" },
      { username: "" },
      { realm: "example.com" },
      { username: "eve", hidesName: true },
    ]) {
      const rig = new TurnRig();
      assertCode(new Phone(rig, here, login).allocate(), 401);
      assert.equal(rig.relays.size, 0);
    }
  });

  test("integrity without name, realm or nonce: 400", () => {
    const rig = new TurnRig();
    const key = longTermKey(digests, "md5", { username: "ann", realm: "example.org", password: "secret" });
    const all: [number, Uint8Array][] = [
      [stunAttribute.username, encodeText("ann")],
      [stunAttribute.realm, encodeText("example.org")],
      [stunAttribute.nonce, encodeText("whatever")],
    ];
    for (const left of all) {
      const builder = new StunBuilder("request", turnMethod.refresh, nextTransaction());
      for (const [type, value] of all) if (type !== left[0]) builder.add(type, value);
      assertCode(rig.send(here, builder.addIntegrity(digests, key, "sha1").build())?.message, 400);
    }
  });

  test("the list of algorithms must be ours, and the choice one of it: 400", () => {
    const key = longTermKey(digests, "md5", { username: "ann", realm: "example.org", password: "secret" });
    const cases: [number[] | undefined, number[] | undefined][] = [
      [
        [0, 1, 0, 0],
        [0, 1, 0, 0],
      ],
      [
        [0, 1, 0, 0, 0, 2, 0, 0],
        [0, 1, 0, 0],
      ],
      [
        [0, 2, 0, 0, 0, 1, 0, 0],
        [0, 3, 0, 0],
      ],
      [
        [0, 2, 0, 0, 0, 1, 0, 0],
        [0, 1, 0, 4, 1, 2, 3, 4],
      ],
      [[0, 2, 0, 0, 0, 1, 0, 0], undefined],
      [undefined, [0, 1, 0, 0]],
    ];
    for (const [list, choice] of cases) {
      const rig = new TurnRig();
      const phone = new Phone(rig, here);
      phone.refresh();
      const builder = new StunBuilder("request", turnMethod.refresh, nextTransaction())
        .add(stunAttribute.username, encodeText("ann"))
        .add(stunAttribute.realm, encodeText("example.org"))
        .add(stunAttribute.nonce, encodeText(phone.nonce!));
      if (list !== undefined) builder.add(stunAttribute.passwordAlgorithms, Uint8Array.from(list));
      if (choice !== undefined) builder.add(stunAttribute.passwordAlgorithm, Uint8Array.from(choice));
      assertCode(rig.send(here, builder.addIntegrity(digests, key, "sha1").build())?.message, 400);
    }
  });

  test("a nonce that is old, of another client or made up: 438, sealed, with a new one", () => {
    const rig = new TurnRig();
    const phone = new Phone(rig, here);
    assertSuccess(phone.allocate());
    const fresh = phone.nonce!;
    const other = new Phone(rig, udpClient("192.0.2.10:4001"));
    other.nonce = fresh;
    const ask = (asker: Phone, nonce: string) => {
      asker.nonce = nonce;
      const answer = rig.send(asker.client, asker.encode(turnMethod.refresh, [], nextTransaction()))?.message;
      asker.check(answer!);
      return answer;
    };
    assertCode(ask(other, fresh), 438, "Stale Nonce");
    for (const nonce of ["", "f//499k954d6OL34oL9FSTvy64sA", fresh.slice(0, -1), `${fresh.slice(0, -2)}xx`]) {
      assertCode(ask(phone, nonce), 438);
    }
    rig.pass(601);
    const stale = ask(phone, fresh);
    assertCode(stale, 438);
    phone.nonce = textOf(stale!, stunAttribute.nonce);
    assertCode(phone.refresh(), 437, "Allocation Mismatch");
  });

  test("a client follows by itself when its nonce has gone stale", () => {
    const rig = new TurnRig();
    const phone = new Phone(rig, here);
    for (let turn = 0; turn < 5; turn++) {
      assertSuccess(turn === 0 ? phone.allocate() : phone.refresh());
      rig.pass(550);
    }
  });

  test("time-limited users: every secret, either order, and no longer than that", () => {
    const secrets = ["first", "second"];
    const until = Math.floor((1_700_000_000_000 + 1_000_000) / 1_000) + 60;
    for (const secret of secrets) {
      for (const name of [`${until}:alice`, `alice:${until}`, `${until}`, `${until}:`]) {
        for (const algorithm of [undefined, "sha256"] as const) {
          const rig = new TurnRig({ users: [], secrets });
          assertSuccess(new Phone(rig, here, { ...timeLimited(secret, name), algorithm }).allocate());
        }
      }
    }
    const rig = new TurnRig({ secrets });
    assertCode(new Phone(rig, here, timeLimited("third", `${until}:alice`)).allocate(), 401);
    assertCode(new Phone(rig, here, timeLimited("first", `${until - 120}:alice`)).allocate(), 401);
    assertCode(new Phone(rig, here, timeLimited("first", "alice")).allocate(), 401);
    assertCode(new Phone(rig, here, timeLimited("first", "")).allocate(), 401);
    const phone = new Phone(rig, here, timeLimited("first", `${until}:alice`));
    assertSuccess(phone.allocate());
    rig.pass(61);
    assertCode(phone.refresh(), 401);
  });

  test("a renewed name is the same user: he may refresh, and has one quota", () => {
    const rig = new TurnRig({ secrets: ["first"], allocationsPerUserMax: 1 });
    const now = Math.floor(rig.moment.unixMs / 1_000);
    assertSuccess(new Phone(rig, here, timeLimited("first", `${now + 60}:alice`)).allocate());
    const renewed = timeLimited("first", `${now + 600}:alice`);
    assertSuccess(new Phone(rig, here, renewed).refresh());
    assertCode(new Phone(rig, udpClient("192.0.2.10:4001"), renewed).allocate(), 486);
    assertCode(new Phone(rig, here, timeLimited("first", `${now + 60}:ann`)).refresh(), 441);
    assertSuccess(
      new Phone(rig, udpClient("192.0.2.10:4002"), timeLimited("first", `${now + 60}:ann`)).allocate(),
    );
    assertSuccess(new Phone(rig, udpClient("192.0.2.10:4003")).allocate());
  });

  test("names are hidden only where every user could be found again", () => {
    const features = (settings: object): number => {
      const answer = new TurnRig(settings);
      const phone = new Phone(answer, here, { username: "nobody" });
      phone.refresh();
      return featuresOf(phone.nonce!);
    };
    assert.deepEqual(
      [features({}), features({ secrets: ["x"] }), features({ users: [], secrets: ["x"] })],
      [3, 1, 1],
    );
  });

  test("precomputed keys: the algorithms offered are those that all users have", () => {
    const words = { username: "ann", realm: "example.org", password: "secret" };
    const md5Key = longTermKey(digests, "md5", words);
    const sha256Key = longTermKey(digests, "sha256", words);
    const offered = (users: TurnRig["settings"]["users"], login: object): number[] => {
      const rig = new TurnRig({ users });
      const phone = new Phone(rig, here, login);
      assertSuccess(phone.allocate());
      return [...attributeOf(rig.answers[0]!.message, stunAttribute.passwordAlgorithms)!];
    };
    assert.deepEqual(offered([{ name: "ann", md5Key }], {}), [0, 1, 0, 0]);
    assert.deepEqual(offered([{ name: "ann", sha256Key }], { algorithm: "sha256" }), [0, 2, 0, 0]);
    assert.deepEqual(offered([{ name: "ann", md5Key, sha256Key }], {}), [0, 2, 0, 0, 0, 1, 0, 0]);
    assert.deepEqual(
      offered(
        [
          { name: "ann", password: "secret" },
          { name: "bob", md5Key },
        ],
        {},
      ),
      [0, 1, 0, 0],
    );
  });

  test("nobody is let in without users, unless that was asked for by name", () => {
    const closed = new TurnRig({ users: [] });
    assertCode(new Phone(closed, here).allocate(), 401);
    const open = new TurnRig({ users: [], isAnonymous: true });
    const answer = assertSuccess(new Phone(open, here).allocate());
    assert.equal(attributeOf(answer, stunAttribute.messageIntegrity), undefined);
  });

  test("a reload: users that are gone cannot refresh, nonces stay good", () => {
    const rig = new TurnRig();
    const phone = new Phone(rig, here);
    assertSuccess(phone.allocate());
    rig.reload({ users: [{ name: "bob", password: "hidden" }] });
    assertCode(phone.refresh(), 401);
    rig.reload({});
    const nonce = phone.nonce;
    assertSuccess(phone.refresh());
    assert.equal(phone.nonce, nonce);
  });
});

suite("turn: the vectors of RFC 5769 section 2.4 and RFC 8489 appendix B.1", (test) => {
  const { username, realm, password } = vectors.vectorLongTerm;
  const parts = { digests, random: seededRandom(3) };
  const credentials = new Credentials(parts, {
    ...turnDefaults,
    realm,
    users: [{ name: username, password }],
  });

  test("the user is found by name and by hash, and his keys seal", () => {
    const now = 0 as UnixMs;
    const named = parseStun(vectors.sampleLongTermRequest)!;
    const name = textOf(named, stunAttribute.username);
    assert.ok(hasIntegrity(named, "sha1", credentials.keysOf(name, "md5", now)[0]!, digests));
    const hidden = parseStun(vectors.sampleSha256Request)!;
    const found = credentials.nameOf(attributeOf(hidden, stunAttribute.userhash)!);
    assert.equal(found, username);
    assert.ok(hasIntegrity(hidden, "sha256", credentials.keysOf(username, "sha256", now)[0]!, digests));
    assert.ok(!hasIntegrity(hidden, "sha256", credentials.keysOf("eve", "sha256", now)[0]!, digests));
  });
});

suite("turn: nonces", (test) => {
  test("bound to client, time and each of their own characters", () => {
    const nonces = new Nonces({ digests, random: seededRandom(7) });
    const minted = nonces.mint(5_500 as MonotonicMs, "udp a b", 3);
    const isFresh = (nowMs: number, client: string, nonce: string): boolean =>
      nonces.isFresh(nowMs as MonotonicMs, client, nonce, 600_000);
    assert.ok(isFresh(5_500, "udp a b", minted));
    assert.ok(isFresh(605_000, "udp a b", minted));
    assert.ok(!isFresh(605_001, "udp a b", minted));
    assert.ok(!isFresh(4_999, "udp a b", minted));
    assert.ok(!isFresh(5_500, "tcp a b", minted));
    for (let index = 0; index < minted.length; index++) {
      const other = minted[index] === "A" ? "B" : "A";
      assert.ok(
        !isFresh(5_500, "udp a b", minted.slice(0, index) + other + minted.slice(index + 1)),
        `${index}`,
      );
    }
    const others = new Nonces({ digests, random: seededRandom(8) });
    assert.ok(!others.isFresh(5_500 as MonotonicMs, "udp a b", minted, 600_000));
  });

  test("features of nonces, ours or not: the vector of RFC 8489 appendix B.1 says 2", () => {
    assert.equal(featuresOf("obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA"), 2);
    assert.equal(featuresOf("obMatJos2AAAB"), 1);
    assert.equal(featuresOf("f//499k954d6OL34oL9FSTvy64sA"), 0);
    assert.equal(featuresOf("obMatJos2????"), 0);
    assert.equal(featuresOf("obMatJos2A"), 0);
  });
});

suite("turn: the rate of challenges", (test) => {
  test("a source gets its burst and then a trickle; others are not touched, and proven clients neither", () => {
    const rig = new TurnRig({ challengesPerSec: 10 });
    const proven = new Phone(rig, here);
    assertSuccess(proven.allocate());
    const flood = (count: number, text: string): number => {
      let answered = 0;
      for (let index = 0; index < count; index++) {
        const bytes = new StunBuilder("request", turnMethod.allocate, nextTransaction()).build();
        if (codeOf(rig.send(udpClient(text), bytes)?.message) === 401) answered++;
      }
      return answered;
    };
    assert.equal(flood(1_000, "192.0.2.10:9"), turnChallengeBurst - 1);
    assert.equal(flood(10, "192.0.2.11:9"), 10);
    assertSuccess(proven.refresh());
    assertCode(proven.permit("127.0.0.1:0"), 403);
    rig.pass(1);
    assert.equal(flood(1_000, "192.0.2.10:10"), 10);
    assert.ok(rig.server.snapshot().counts.limited > 1_800);
    assert.equal(rig.server.snapshot().replies, 1);
  });

  test("an IPv6 source is its /64, and 0 a second means no limit", () => {
    const ask = (rig: TurnRig, text: string): boolean =>
      rig.send(udpClient(text), new StunBuilder("request", turnMethod.refresh, nextTransaction()).build()) !==
      undefined;
    const rig = new TurnRig({ challengesPerSec: 1 });
    const answered = Array.from({ length: 200 }, (_, index) =>
      ask(rig, `[2001:db8:7::${index.toString(16)}]:1`),
    );
    assert.equal(answered.filter(Boolean).length, turnChallengeBurst);
    const open = new TurnRig({ challengesPerSec: 0 });
    assert.ok(Array.from({ length: 500 }, () => ask(open, "192.0.2.1:1")).every(Boolean));
  });

  test("what is no request, or of no method of ours, is dropped", () => {
    const rig = new TurnRig();
    const bytes = (
      messageClass: "indication" | "success" | "error" | "request",
      method: number,
    ): Uint8Array => new StunBuilder(messageClass, method, nextTransaction()).build();
    for (const message of [
      bytes("indication", turnMethod.send),
      bytes("success", turnMethod.allocate),
      bytes("error", turnMethod.refresh),
      bytes("request", 0x0fe),
      bytes("request", turnMethod.send),
      Buffer.from("hello"),
      new Uint8Array(),
    ]) {
      assert.equal(rig.send(tcpClient("192.0.2.1:1"), message), undefined);
    }
    assert.equal(rig.server.snapshot().counts.ignored, 7);
  });
});
