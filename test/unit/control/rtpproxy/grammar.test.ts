import assert from "node:assert/strict";
import { hasCapability } from "../../../../src/control/rtpproxy/capabilities.ts";
import {
  parseCommand,
  parseStreamTag,
  splitDatagram,
  urlUnquote,
} from "../../../../src/control/rtpproxy/grammar.ts";
import { localAddresses, parseModifiers } from "../../../../src/control/rtpproxy/modifiers.ts";
import { notifyTarget } from "../../../../src/control/rtpproxy/notify-target.ts";
import { suite } from "../../../support/suite.ts";
import { bridgeInterfaces, ip, plainInterfaces } from "./fixture.ts";

const bridge = localAddresses(bridgeInterfaces, () => ip("10.0.0.10"));
const plain = localAddresses(plainInterfaces, () => undefined);
const v4Only = localAddresses(plainInterfaces.slice(0, 1), () => undefined);

suite("control/rtpproxy/grammar", (test) => {
  test("a datagram is cookie and command; without a cookie it is nobody's", () => {
    const split = (text: string): unknown => splitDatagram(Buffer.from(text, "latin1"));
    assert.deepEqual(split("411_7 V"), { cookie: "411_7", text: " V" });
    assert.deepEqual(split(" \t411_7\nV\n"), { cookie: "411_7", text: "\nV\n" });
    assert.deepEqual(split("411_7"), { cookie: "411_7", text: "" });
    assert.deepEqual(split("\xe9\xff V"), { cookie: "\xe9\xff", text: " V" });
    for (const noise of ["", " ", "\r\n\t ", "a\0b V", `${"c".repeat(257)} V`])
      assert.equal(split(noise), undefined);
  });

  test("tokens, argument counts, modifiers and sub-commands have their own errors", () => {
    const table: readonly (readonly [string, number])[] = [
      ["", 5],
      ["V\0", 5],
      ["&& V", 5],
      ["Q c f && ", 5],
      ["Q c f && && L", 5],
      [`U ${"x".repeat(1025)} 1 2 f`, 5],
      [`G ${"n ".repeat(23)}`, 5],
      ["V ".repeat(5000), 5],
      ["Y", 0],
      ["?", 0],
      ["\xc1 x", 0],
      ["V 20040107", 1],
      ["VF", 1],
      ["VF 1 2", 1],
      ["U c 1.2.3.4 5", 1],
      ["U c 1.2.3.4 5 f t s n x", 1],
      ["L c 1.2.3.4 5 f t x", 1],
      ["D c", 1],
      ["D c f t x", 1],
      ["Q c", 1],
      ["Q c f t 1 2 3 4 5 6 7 8 9 10 11 12", 1],
      ["X c", 1],
      ["I c", 1],
      ["P c f", 1],
      ["C c f", 1],
      ["VX", 2],
      ["VFX 20050322", 2],
      ["X1", 2],
      ["S1 c f", 2],
      ["V && D", 3],
      ["D c f t && M", 3],
      ["X && M", 3],
    ];
    for (const [text, code] of table) {
      const result = parseCommand(text);
      assert.ok(!result.ok, text);
      assert.equal(result.reason, code, text);
    }
  });

  test("letters in either case, blanks of any kind", () => {
    for (const text of ["D c f t", "d c f t", "  D\tc \r\n f t\n"]) {
      assert.deepEqual(parseCommand(text), {
        ok: true,
        value: { name: "delete", modifiers: "", args: ["c", "f", "t"], hasSubcommand: false },
      });
    }
    const vf = parseCommand("vf 20050322");
    assert.equal(vf.ok && vf.value.name, "capability");
  });

  test("a medianum counts from 1; other text behind a semicolon is part of the tag", () => {
    assert.deepEqual(parseStreamTag("ft1;1"), { tag: "ft1", mediaIndex: 0 });
    assert.deepEqual(parseStreamTag("a;b;64"), { tag: "a;b", mediaIndex: 63 });
    assert.deepEqual(parseStreamTag("ft1"), { tag: "ft1", mediaIndex: undefined });
    assert.deepEqual(parseStreamTag("ft1;x"), { tag: "ft1;x", mediaIndex: undefined });
    for (const text of ["ft1;0", "ft1;65", "ft1;99999999999", ";1"])
      assert.equal(parseStreamTag(text), undefined);
  });

  test("modifiers: every letter, in either case", () => {
    const read = (text: string, local = bridge): unknown => {
      const result = parseModifiers(text, local);
      return result.ok ? result.value : result.reason;
    };
    const none = {
      isAsymmetric: false,
      isSymmetric: false,
      bridge: undefined,
      family: 4,
      localIp: undefined,
      wantsNewPort: false,
      isWeak: false,
    };
    const table: readonly (readonly [string, object | number])[] = [
      ["", none],
      ["A", { ...none, isAsymmetric: true }],
      ["aS", { ...none, isSymmetric: true }],
      ["sA", { ...none, isAsymmetric: true }],
      ["w", { ...none, isWeak: true }],
      ["N", { ...none, wantsNewPort: true }],
      ["IE", { ...none, bridge: ["internal", "external"] }],
      ["ei", { ...none, bridge: ["external", "internal"] }],
      ["E", { ...none, bridge: ["external", "internal"] }],
      ["EEE", 11],
      ["EEI", 12],
      ["Z20c0,8,101", none],
      ["z999", none],
      ["z", 13],
      ["z0", 13],
      ["z1000", 13],
      ["c", 14],
      ["c0c8", 14],
      ["cx", 14],
      ["l10.0.0.10", { ...none, localIp: "10.0.0.10" }],
      ["L{external}6", 36],
      ["l{external}A", { ...none, localIp: "192.0.2.10", isAsymmetric: true }],
      ["l", 15],
      ["l{}", 15],
      ["l{x", 15],
      ["l[10.0.0.10]", 15],
      ["l10.0.0.11", 31],
      ["l{nobody}", 31],
      ["l1.2", 31],
      ["r198.51.100.7w", { ...none, localIp: "10.0.0.10", isWeak: true }],
      ["R[2001:db8::7]", { ...none, localIp: "10.0.0.10" }],
      ["r", 16],
      ["rx", 16],
      ["r1.2.3", 32],
      ["6", 36],
      ["t60", 35],
      ["-", 35],
      ["\xff", 35],
    ];
    for (const [text, expected] of table) assert.deepEqual(read(text), expected, text);
    assert.equal(read("E", v4Only), 11);
    assert.equal(read("I", v4Only), 12);
    assert.equal(read("r192.0.2.1", plain), 32);
    assert.deepEqual(read("6", plain), { ...none, family: 6 });
    assert.deepEqual(read("l{default}6", plain), { ...none, family: 6, localIp: "2001:db8::10" });
    assert.deepEqual(read("L[2001:DB8::10]6", plain), { ...none, family: 6, localIp: "2001:db8::10" });
    assert.equal(read("6", v4Only), 36);
  });

  test("capabilities say what is built", () => {
    const yes = [
      "20040107",
      "20050322",
      "20060704",
      "20080403",
      "20081102",
      "20090810",
      "20150330",
      "20150420",
    ];
    const no = [
      "20071116",
      "20071218",
      "20170313",
      "20191015",
      "20200226",
      "20230424",
      "20260308",
      "2005032",
      "",
    ];
    for (const date of yes) assert.equal(hasCapability(date, false), true, date);
    for (const date of no) assert.equal(hasCapability(date, true), false, date);
    for (const date of ["20081224", "20150617"]) {
      assert.equal(hasCapability(date, true), true);
      assert.equal(hasCapability(date, false), false);
    }
  });

  test("notification tags are unquoted, and sockets are those configured", () => {
    assert.equal(urlUnquote("T12.3%2a%20x"), "T12.3* x");
    for (const text of ["%", "%1", "%zz", "%0a", "%00"]) assert.equal(urlUnquote(text), undefined);
    const allowed = ["unix:/run/k.sock", "/run/old.sock", "tcp:192.0.2.9:5", "tcp:%%CC_SELF%%:7"];
    const source = ip("2001:db8::5");
    const table: readonly (readonly [string, string | undefined])[] = [
      ["unix:/run/k.sock", "unix:/run/k.sock"],
      ["/run/k.sock", "unix:/run/k.sock"],
      ["/run/old.sock", "unix:/run/old.sock"],
      ["tcp:192.0.2.9:5", "tcp:192.0.2.9:5"],
      ["192.0.2.9:5", "tcp:192.0.2.9:5"],
      ["tcp:%%CC_SELF%%:7", "tcp:[2001:db8::5]:7"],
      ["tcp:192.0.2.9:6", undefined],
      ["unix:/etc/passwd", undefined],
      ["", undefined],
    ];
    for (const [wanted, target] of table) assert.equal(notifyTarget(wanted, allowed, source), target, wanted);
    assert.equal(notifyTarget("tcp:%%CC_SELF%%:7", allowed, undefined), "tcp:127.0.0.1:7");
  });
});
