import assert from "node:assert/strict";
import fc from "fast-check";
import type { CallReply, CallRequest } from "../../../../src/call/requests.ts";
import { localAddresses } from "../../../../src/control/rtpproxy/modifiers.ts";
import type { MessageOrigin } from "../../../../src/control/rtpproxy/server.ts";
import { addMs } from "../../../../src/core/time.ts";
import { fuzzRuns } from "../../../support/fuzz-runs.ts";
import { suite } from "../../../support/suite.ts";
import { at, Bench, endpointReply, ip, kamailio, plainInterfaces, sent } from "./fixture.ts";

const done: CallReply = { kind: "done" };
const unknown: CallReply = { kind: "refused", reason: "unknown-call" };
const plainOptions = {
  isAsymmetric: false,
  isSymmetric: false,
  bridge: undefined,
  family: 4,
  localIp: undefined,
  wantsNewPort: false,
  isWeak: false,
} as const;

suite("control/rtpproxy/server", (test) => {
  test("V and VF as Kamailio asks at its start", () => {
    const bench = new Bench();
    assert.deepEqual(sent(bench.hear("2017_1 V")), ["2017_1 20040107\n"]);
    assert.deepEqual(sent(bench.hear("2017_2 VF 20050322")), ["2017_2 1\n"]);
    assert.deepEqual(sent(bench.hear("2017_3 VF 20071116")), ["2017_3 0\n"]);
    assert.deepEqual(sent(bench.hear("2017_4 VF 20081102")), ["2017_4 1\n"]);
  });

  test("V and VF as OpenSIPS 4.1 asks at its start", () => {
    const bench = new Bench();
    assert.equal(bench.ask("V"), "20040107\n");
    const asked = [
      ["20050322", "1"],
      ["20071116", "0"],
      ["20081102", "1"],
      ["20090810", "1"],
      ["20081224", "0"],
      ["20080403", "1"],
      ["20150617", "0"],
      ["20150420", "1"],
      ["20170313", "0"],
      ["20071218", "0"],
      ["20191015", "0"],
    ] as const;
    for (const [date, answer] of asked) assert.equal(bench.ask(`VF ${date}`), `${answer}\n`, date);
  });

  test("the commands Kamailio sends become requests", () => {
    const bench = new Bench();
    const key = { callId: "cid", fromTag: "ft1", toTag: undefined, mediaIndex: 0 };
    const remote = at("127.0.0.1:5000");
    const table: readonly (readonly [string, CallRequest])[] = [
      [
        "Uc0,8,101 cid 127.0.0.1 5000 ft1;1",
        { kind: "update", key, remote, options: plainOptions, notify: undefined },
      ],
      [
        "LSc0,8,101 cid;branch 127.0.0.1 5000 ft1;1 tt9;1",
        {
          kind: "lookup",
          key: { callId: "cid;branch", fromTag: "ft1", toTag: "tt9", mediaIndex: 0 },
          remote,
          options: { ...plainOptions, isSymmetric: true },
        },
      ],
      [
        "UAIEZ20c0,8,101 cid 127.0.0.1 5000 ft1;2 tt9;2",
        {
          kind: "update",
          key: { callId: "cid", fromTag: "ft1", toTag: "tt9", mediaIndex: 1 },
          remote,
          options: { ...plainOptions, isAsymmetric: true, bridge: ["internal", "external"] },
          notify: undefined,
        },
      ],
      [
        "D cid ft1 tt9",
        {
          kind: "delete-stream",
          callId: "cid",
          fromTag: "ft1",
          toTag: "tt9",
          mediaIndex: undefined,
          isWeak: false,
        },
      ],
      [
        "D cid;branch ft1",
        {
          kind: "delete-stream",
          callId: "cid;branch",
          fromTag: "ft1",
          toTag: undefined,
          mediaIndex: undefined,
          isWeak: false,
        },
      ],
      [
        "Q cid ft1;1 tt9",
        { kind: "query-stream", callId: "cid", fromTag: "ft1", toTag: "tt9", mediaIndex: 0 },
      ],
      ["X", { kind: "delete-all" }],
    ];
    for (const [index, [text, body]] of table.entries()) {
      assert.deepEqual(bench.request(`7_${index} ${text}`).body, body, text);
    }
  });

  test("OpenSIPS deletes with an empty from-tag: two blanks, and the callee's tag alone", () => {
    const bench = new Bench();
    const { id, body } = bench.request("9_1 D CALLID  TOTAG");
    assert.deepEqual(body, {
      kind: "delete-stream",
      callId: "CALLID",
      fromTag: "TOTAG",
      toTag: undefined,
      mediaIndex: undefined,
      isWeak: false,
    });
    assert.deepEqual(sent(bench.answer(id, done)), ["9_1 0\n"]);
    assert.equal(bench.ask("D CALLID  TOTAG", unknown), "E50\n");
  });

  test("replies of U and L", () => {
    const bench = new Bench({ local: localAddresses(plainInterfaces, () => undefined) });
    const u = "U cid 192.0.2.7 5000 ft1;1";
    const l = "L cid 192.0.2.7 5000 ft1;1 tt9;1";
    assert.equal(bench.ask(u, endpointReply("192.0.2.10:30096")), "30096 192.0.2.10\n");
    assert.equal(bench.ask(l, endpointReply("192.0.2.10:30098")), "30098 192.0.2.10\n");
    const six = "U6 cid 2001:db8::7 5000 ft1;1";
    assert.equal(bench.ask(six, endpointReply("[2001:db8::10]:30096")), "30096 2001:db8::10 6\n");
    assert.equal(bench.ask(u, endpointReply("0.0.0.0:30096")), "30096\n");
    assert.equal(bench.ask(l, unknown), "0\n");
    assert.equal(bench.ask(l, { kind: "refused", reason: "unknown-tag" }), "0\n");
    assert.equal(bench.ask(u, { kind: "refused", reason: "no-ports" }), "E72\n");
    assert.equal(bench.ask(l, { kind: "refused", reason: "no-ports" }), "E71\n");
    for (const reason of ["sessions-exhausted", "load-limit", "limit-exceeded"] as const) {
      assert.equal(bench.ask(u, { kind: "refused", reason }), "E98\n");
    }
    assert.equal(bench.ask(u, { kind: "refused", reason: "shutting-down" }), "E99\n");
    assert.equal(bench.ask(u, { kind: "refused", reason: "no-interface" }), "E36\n");
  });

  test("hold goes through as it is; what is no address is refused", () => {
    const bench = new Bench();
    const hold = bench.request("1_1 U cid 0.0.0.0 5000 f;1").body;
    assert.deepEqual(hold.kind === "update" && hold.remote, at("0.0.0.0:5000"));
    const portZero = bench.request("1_2 U cid 192.0.2.1 0 f;1").body;
    assert.deepEqual(portZero.kind === "update" && portZero.remote, at("192.0.2.1:0"));
    const bad = ["example.org 5000", "192.0.2.1 65536", "192.0.2.1 x", "2001:db8::1 5000", "192.0.2.256 1"];
    for (const text of bad) assert.equal(bench.ask(`U cid ${text} f;1`), "E37\n", text);
    assert.equal(bench.ask("U cid 192.0.2.1 5000 f;0"), "E34\n");
    assert.equal(bench.ask("U cid 192.0.2.1 5000 f;1 && M3:1 x"), "E3\n");
  });

  test("notification needs a socket that was configured", () => {
    const u = "U cid 192.0.2.1 5000 f;1";
    const off = new Bench();
    assert.equal(off.ask(`${u} /run/k.sock T1.2`), "E75\n");
    assert.equal(off.ask(`${u} /run/k.sock T%1`), "E10\n");
    const on = new Bench({ notifySockets: ["unix:/run/k.sock"] });
    const notify = (text: string): unknown => {
      const { body } = on.request(text);
      return body.kind === "update" ? [body.key.toTag, body.notify] : undefined;
    };
    assert.deepEqual(notify(`1_1 ${u} /run/k.sock T1%2e2`), [
      undefined,
      { socket: "unix:/run/k.sock", tag: "T1.2" },
    ]);
    assert.deepEqual(notify(`1_2 ${u} t;1 unix:/run/k.sock 7`), [
      "t",
      { socket: "unix:/run/k.sock", tag: "7" },
    ]);
    assert.deepEqual(notify(`1_3 ${u} t;1 unix:/run/other.sock 7`), ["t", undefined]);
    assert.equal(on.ask("VF 20081224"), "1\n");
  });

  test("commands of players and recorders are refused as theirs", () => {
    const bench = new Bench();
    const table: readonly (readonly [string, string])[] = [
      ["P-1 cid /var/prompt session ft1;1 tt9;1", "E60"],
      ["Px cid /var/prompt session ft1;1", "E6"],
      ["S cid ft1;1 tt9;1", "E60"],
      ["R cid ft1 tt9", "E65"],
      ["Rx cid ft1 tt9", "E7"],
      ["C cid udp:192.0.2.1:5 ft1 tt9", "E65"],
      ["Na cid ft1", "E65"],
      ["Naa cid ft1", "E7"],
      ["Dx cid ft1", "E8"],
      ["Ix", "E18"],
      ["Gx", "E9"],
    ];
    for (const [text, answer] of table) assert.equal(bench.ask(text), `${answer}\n`, text);
  });

  test("X, I and G", () => {
    const bench = new Bench();
    assert.equal(bench.ask("X", done), "0\n");
    const info = [
      "sessions created: 12",
      "active sessions: 2",
      "active streams: 4",
      "packets received: 1500",
      "packets transmitted: 1490",
    ].join("\n");
    assert.equal(bench.ask("Ib"), `${info}\n`);
    assert.equal(bench.ask("iL"), `${info}\naverage load: 0.250000\n`);
    assert.equal(bench.ask("G nsess_created npkts_rcvd total_duration"), "12 1500 61.500000\n");
    assert.equal(bench.ask("Gv nsess_timeout nplrs_created"), "nsess_timeout=3 nplrs_created=0\n");
    assert.equal(bench.ask("G"), "\n");
    assert.equal(bench.ask("G nsess_created nobody"), "E68\n");
    assert.equal(bench.ask("G ncmds_rcvd ncmds_errs"), "8 1\n");
  });

  test("a retransmission is answered from memory, not carried out again", () => {
    const bench = new Bench();
    const text = "411_5 U cid 192.0.2.7 5000 ft1;1";
    const { id } = bench.request(text);
    assert.deepEqual(bench.hear(text), [], "the reply is still to come");
    assert.deepEqual(sent(bench.answer(id, endpointReply("192.0.2.10:30096"))), ["411_5 30096 192.0.2.10\n"]);
    assert.deepEqual(sent(bench.hear(text)), ["411_5 30096 192.0.2.10\n"]);
    const elsewhere: MessageOrigin = { framing: "datagram", endpoint: at("127.0.0.1:40001") };
    assert.equal(bench.hear(text, elsewhere)[0]?.kind, "call", "another process may mint the same cookie");
    bench.nowMs = addMs(bench.nowMs, 34_000);
    assert.deepEqual(sent(bench.hear(text)), ["411_5 30096 192.0.2.10\n"]);
    bench.nowMs = addMs(bench.nowMs, 40_000);
    assert.equal(bench.hear(text)[0]?.kind, "call");
    assert.equal(bench.control.commandCounters.repeated, 3);
  });

  test("on a stream replies keep the order of their commands", () => {
    const bench = new Bench();
    const line: MessageOrigin = { framing: "line", connection: 1, endpoint: undefined };
    const other: MessageOrigin = { framing: "line", connection: 2, endpoint: at("127.0.0.1:5") };
    const first = bench.request("U c1 192.0.2.7 5000 f;1", line).id;
    assert.deepEqual(bench.hear("V", line), []);
    const second = bench.request("U c2 192.0.2.7 5002 f;1", line).id;
    assert.deepEqual(sent(bench.hear("V", other)), ["20040107\n"]);
    assert.deepEqual(bench.answer(second, endpointReply("192.0.2.10:30002")), []);
    assert.deepEqual(
      bench.hear("nonsense", line).filter(({ kind }) => kind === "send"),
      [],
    );
    const actions = bench.answer(first, endpointReply("192.0.2.10:30000"));
    assert.deepEqual(sent(actions), ["30000 192.0.2.10\n", "20040107\n", "30002 192.0.2.10\n", "E1\n"]);
    assert.ok(actions.every((action) => action.kind === "send" && action.to === line));
    assert.deepEqual(sent(bench.hear("", line)), ["E5\n"]);
    assert.equal(bench.control.waitingCount, 0);
  });

  test("a stream client that never waits is cut off", () => {
    const bench = new Bench();
    const line: MessageOrigin = { framing: "line", connection: 1, endpoint: undefined };
    const { id } = bench.request("X", line);
    for (let count = 1; count < 1_024; count++) assert.deepEqual(bench.hear("V", line), []);
    assert.deepEqual(bench.hear("V", line), [{ kind: "close", to: line }]);
    assert.deepEqual(bench.answer(id, done), []);
  });

  test("at the limit of commands in work the answer is E98", () => {
    const bench = new Bench();
    for (let count = 0; count < 16_384; count++) bench.request(`c_${count} D cid f`);
    assert.deepEqual(sent(bench.hear("late D cid f")), ["late E98\n"]);
    assert.deepEqual(sent(bench.hear("ping V")), ["ping 20040107\n"]);
  });

  test("replies fit the 255 bytes Kamailio reads", () => {
    const bench = new Bench({ local: localAddresses(plainInterfaces, () => ip("192.0.2.10")) });
    const cookie = `${"4".repeat(10)}_${"7".repeat(10)}`;
    const { id } = bench.request(`${cookie} U6 cid 2001:db8::7 5000 f;1`);
    const far = endpointReply("[2001:db8:1111:2222:3333:4444:5555:6666]:65534");
    for (const text of sent(bench.answer(id, far))) assert.ok(text.length <= 255);
  });

  test("noise is answered with an error or dropped; nothing throws and nothing is kept waiting", () => {
    const word = fc.oneof(
      fc.constantFrom(
        "U",
        "UAIE6",
        "Lc0,8",
        "LSz20",
        "D",
        "Dw",
        "Q",
        "Qv",
        "VF",
        "V",
        "X",
        "I",
        "G",
        "P-1",
        "&&",
      ),
      fc.constantFrom(
        "cid",
        "127.0.0.1",
        "::",
        "5000",
        "ft;1",
        "tt;9",
        "ft;0",
        "ttl",
        "%%",
        "l{internal}",
        "\0",
      ),
      fc.string({ maxLength: 12 }),
    );
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .tuple(fc.array(word, { maxLength: 30 }), fc.constantFrom(" ", "  ", "\t", "\n"))
        .map(([words, blank]) => Buffer.from(words.join(blank), "latin1")),
    );
    const replies: readonly CallReply[] = [
      done,
      unknown,
      endpointReply("192.0.2.10:30000"),
      { kind: "refused", reason: "no-ports" },
      {
        kind: "report",
        report: {
          callId: "cid",
          createdAt: 0 as never,
          lastSignalAt: 0 as never,
          ageMs: 1,
          isDeleted: false,
          legs: [],
        },
      },
    ];
    const bench = new Bench();
    let connection = 0;
    fc.assert(
      fc.property(noise, fc.boolean(), fc.nat(replies.length - 1), (bytes, isLine, choice) => {
        const origin: MessageOrigin = isLine
          ? { framing: "line", connection: ++connection, endpoint: undefined }
          : kamailio;
        const actions = bench.control.handleMessage(bench.nowMs, origin, bytes);
        const calls = actions.filter((action) => action.kind === "call");
        const all = [
          ...actions,
          ...calls.flatMap(({ requestId }) => bench.answer(requestId, replies[choice] ?? done)),
        ];
        for (const text of sent(all)) {
          assert.match(text, isLine ? /^(E\d+|[\w ./:=-]*)\n/ : /^[^ \t\r\n]+ (E\d+|[\w ./:=-]*)\n/);
        }
        assert.ok(sent(all).length <= 1 && (!isLine || sent(all).length === 1));
        assert.equal(bench.control.waitingCount, 0);
        bench.nowMs = addMs(bench.nowMs, 10_000);
      }),
      { numRuns: fuzzRuns(5000) },
    );
  });
});
