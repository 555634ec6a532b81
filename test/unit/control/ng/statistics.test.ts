import assert from "node:assert/strict";
import { commandNames } from "../../../../src/control/ng/command-names.ts";
import type { ServerStatistics } from "../../../../src/control/ng/server-statistics.ts";
import { suite } from "../../../support/suite.ts";
import { caller, dictOf, ip, query, report, rigWithTraffic } from "./report-sample.ts";
import { bencoded, Rig, sourceOf } from "./rig.ts";

suite("control/ng/call statistics", (test) => {
  test("query: every key rtpengine has, and ours", () => {
    const rig = rigWithTraffic();
    const dict = dictOf(rig.exchange(`1 ${query}`, { kind: "report", report }));
    const ssrc = {
      bytes: 120_000,
      packets: 750,
      "last RTP timestamp": 120_000,
      "last RTP seq": 749,
      "cumulative loss": 4,
      jitter: 2,
    };
    assert.deepEqual(Object.keys(dict), [
      "created",
      "created_us",
      "created_ts",
      "last signal",
      "last redis update",
      "SSRC",
      "tags",
      "totals",
      "result",
    ]);
    assert.deepEqual(
      { ...dict, tags: undefined },
      {
        created: 1_700_000_001,
        created_us: 234_500,
        created_ts: 1_700_000_001_234_500,
        "last signal": 1_700_000_002,
        "last redis update": 0,
        SSRC: { "19088743": ssrc },
        tags: undefined,
        totals: {
          RTP: { packets: 750, bytes: 129_000, errors: 2 },
          RTCP: { packets: 3, bytes: 516, errors: 2 },
        },
        result: "ok",
      },
    );
    const tags = dict["tags"] as Record<string, Record<string, unknown>>;
    assert.deepEqual(Object.keys(tags), ["f", "t", "<untagged 2>"]);
    const advertised = { family: "IPv4", address: "192.0.2.1", port: 5_000 };
    assert.deepEqual(tags["f"], {
      tag: "f",
      label: "caller",
      created: 1_700_000_001,
      subscriptions: [{ tag: "t", type: "offer/answer" }],
      subscribers: [{ tag: "t", type: "offer/answer" }],
      medias: [
        {
          index: 1,
          type: "audio",
          protocol: "RTP/AVP",
          codec: "PCMU/8000",
          streams: [
            {
              "local port": 30_000,
              "local address": "203.0.113.1",
              family: "IPv4",
              endpoint: { family: "IPv4", address: "192.0.2.1", port: 5_004 },
              "advertised endpoint": advertised,
              "last packet": 1_700_000_000,
              "last kernel packet": 0,
              "last user packet": 1_700_000_000,
              SSRC: 19_088_743,
              flags: ["RTP", "filled", "confirmed", "strict source address"],
              stats: { packets: 750, bytes: 129_000, errors: 2 },
              stats_out: { packets: 751, bytes: 129_172, errors: 1 },
            },
            {
              "local port": 30_001,
              "local address": "203.0.113.1",
              family: "IPv4",
              endpoint: { family: "IPv4", address: "192.0.2.9", port: 5_003 },
              "advertised endpoint": { family: "IPv4", address: "192.0.2.9", port: 5_003 },
              SSRC: 19_088_743,
              flags: ["RTCP", "filled", "strict source address"],
              stats: { packets: 3, bytes: 516, errors: 2 },
              stats_out: { packets: 4, bytes: 688, errors: 1 },
            },
          ],
          flags: ["initialized", "send", "recv"],
          "ingress SSRCs": [{ SSRC: 19_088_743, ...ssrc }],
          "egress SSRCs": [],
        },
      ],
      VSC: [],
    });
  });

  test("a leg without traffic, a mux leg, an unanswered branch: nothing is made up", () => {
    const tags = dictOf(rigWithTraffic().exchange(`1 ${query}`, { kind: "report", report }))[
      "tags"
    ] as Record<string, unknown>;
    assert.deepEqual(tags["t"], {
      tag: "t",
      "via-branch": "b1",
      "tag-aliases": ["t0"],
      created: 1_700_000_001,
      subscriptions: [{ tag: "f", type: "offer/answer" }],
      subscribers: [{ tag: "f", type: "offer/answer" }],
      medias: [
        {
          index: 1,
          type: "audio",
          protocol: "RTP/AVP",
          streams: [
            {
              "local port": 30_000,
              "local address": "203.0.113.1",
              family: "IPv4",
              endpoint: {},
              "advertised endpoint": {},
              flags: ["RTP", "RTCP", "strict source address"],
            },
            {
              "local port": 30_001,
              "local address": "203.0.113.1",
              family: "IPv4",
              endpoint: {},
              "advertised endpoint": {},
              flags: ["RTCP", "fallback RTCP", "strict source address"],
            },
          ],
          flags: ["initialized", "recv", "rtcp-mux"],
          "ingress SSRCs": [],
          "egress SSRCs": [],
        },
      ],
      VSC: [],
    });
    assert.deepEqual(tags["<untagged 2>"], {
      tag: "",
      "via-branch": "b2",
      created: 1_700_000_001,
      subscriptions: [],
      subscribers: [],
      medias: [],
      VSC: [],
    });
  });

  test("a tag in the request shows that leg and its peers", () => {
    const lonely = { ...caller, legId: 3, tag: "x", peers: [], media: [] };
    const wide = { ...report, legs: [...report.legs, lonely] };
    const table: readonly (readonly [Record<string, string>, readonly string[]])[] = [
      [{}, ["f", "t", "<untagged 2>", "x"]],
      [{ "from-tag": "f" }, ["f", "t"]],
      [{ "from-tag": "x" }, ["x"]],
      [{ "from-tag": "f", "to-tag": "x" }, ["x"]],
      [{ "from-tag": "t0" }, ["t", "f"]],
      [{ "from-tag": "nobody" }, []],
    ];
    for (const [extra, tags] of table) {
      const text = bencoded({ command: "query", "call-id": "c", ...extra });
      const dict = dictOf(rigWithTraffic().exchange(`1 ${text}`, { kind: "report", report: wide }));
      assert.deepEqual(Object.keys(dict["tags"] as object), tags);
    }
  });

  test("delete: the whole call when it is gone, its leg when it lives on, nothing with `fast`", () => {
    const shown = (extra: Record<string, string | string[]>, isDeleted: boolean): unknown => {
      const text = bencoded({ command: "delete", "call-id": "c", "from-tag": "f", ...extra });
      const dict = dictOf(
        rigWithTraffic().exchange(`1 ${text}`, { kind: "report", report: { ...report, isDeleted } }),
      );
      return dict["tags"] === undefined ? dict : Object.keys(dict["tags"] as object);
    };
    assert.deepEqual(shown({}, true), ["f", "t", "<untagged 2>"]);
    assert.deepEqual(shown({}, false), ["f", "t"]);
    assert.deepEqual(shown({ "to-tag": "t", flags: ["to-tag"] }, false), ["t", "f"]);
    assert.deepEqual(shown({ flags: ["fast"] }, true), { result: "ok" });
  });
});

const server: ServerStatistics = {
  uptimeSec: 3_600.9,
  sessions: 7,
  rates: { packets: 100.4, bytes: 17_200, errors: 0 },
  endedSessions: {
    deleted: 10,
    timeout: 2,
    "silent-timeout": 1,
    "offer-timeout": 1,
    "final-timeout": 0,
    killed: 1,
    shutdown: 1,
  },
  rejectedSessions: 3,
  callDurationMs: 160_000,
  relayed: { packets: 1_000, bytes: 172_000, errors: 5 },
  interfaces: [
    {
      name: "default",
      address: ip("203.0.113.1"),
      portMin: 30_000,
      portMax: 30_099,
      portsFree: 96,
      portsCount: 100,
    },
  ],
};

suite("control/ng/server statistics", (test) => {
  test("keys and types of rtpengine's reply", () => {
    const rig = new Rig({ statistics: server });
    rig.datagram("1 d7:command4:pinge");
    const { id } = rig.call(`2 ${query}`);
    rig.nowMs += 5;
    rig.reply(id, { kind: "refused", reason: "unknown-call" });
    const dict = dictOf(rig.answer("3 d7:command10:statisticse"));
    assert.deepEqual(Object.keys(dict), ["statistics", "result"]);
    const statistics = dict["statistics"] as Record<string, Record<string, unknown>>;
    assert.deepEqual(Object.keys(statistics), [
      "currentstatistics",
      "totalstatistics",
      "controlstatistics",
      "interfaces",
      "transcoders",
    ]);
    assert.deepEqual(statistics["currentstatistics"], {
      sessionsown: 7,
      sessionsforeign: 0,
      sessionstotal: 7,
      transcodedmedia: 0,
      mediacache: 0,
      playercache: 0,
      packetrate_user: 100,
      byterate_user: 17_200,
      errorrate_user: 0,
      packetrate_kernel: 0,
      byterate_kernel: 0,
      errorrate_kernel: 0,
      packetrate: 100,
      byterate: 17_200,
      errorrate: 0,
    });
    assert.deepEqual(statistics["totalstatistics"], {
      uptime: "3600",
      managedsessions: 16,
      rejectedsessions: 3,
      timeoutsessions: 2,
      silenttimeoutsessions: 1,
      finaltimeoutsessions: 0,
      offertimeoutsessions: 1,
      regularterminatedsessions: 10,
      forcedterminatedsessions: 2,
      relayedpackets_user: 1_000,
      relayedpacketerrors_user: 5,
      relayedbytes_user: 172_000,
      relayedpackets_kernel: 0,
      relayedpacketerrors_kernel: 0,
      relayedbytes_kernel: 0,
      relayedpackets: 1_000,
      relayedpacketerrors: 5,
      relayedbytes: 172_000,
      avgcallduration: "10.000000",
      totalcallsduration: "160.000000",
    });
    assert.deepEqual(statistics["interfaces"], [
      {
        name: "default",
        address: "203.0.113.1",
        ports: { min: 30_000, max: 30_099, used: 4, used_pct: "4.00", free: 96, totals: 100 },
      },
    ]);
    const control = statistics["controlstatistics"] as Record<string, unknown>;
    const [proxy] = control["proxies"] as Record<string, unknown>[];
    assert.equal(Object.keys(proxy ?? {}).length, 1 + 2 * commandNames.length + 1);
    assert.deepEqual(
      ["proxy", "pingcount", "querycount", "queryduration", "statscount", "meshduration", "errorcount"].map(
        (key) => proxy?.[key],
      ),
      ["127.0.0.1", 1, 1, "0.005000", 1, "0.000000", 1],
    );
    assert.deepEqual(
      [control["totalpingcount"], control["totalquerycount"], control["totaloffercount"]],
      [1, 1, 0],
    );
  });

  test("many proxies: the reply still fits a datagram, and the totals count all", () => {
    const rig = new Rig({ statistics: server });
    for (let host = 1; host <= 200; host++)
      rig.datagram("1 d7:command4:pinge", sourceOf(`192.0.2.${host}`, 5_060));
    const dict = dictOf(rig.answer("3 d7:command10:statisticse"));
    const { controlstatistics } = dict["statistics"] as Record<string, Record<string, unknown>>;
    const proxies = controlstatistics?.["proxies"];
    assert.equal(Array.isArray(proxies) && proxies.length, 24);
    assert.equal(controlstatistics?.["totalpingcount"], 200);
  });

  test("rates nobody measures are left out", () => {
    const rig = new Rig({ statistics: { ...server, rates: undefined } });
    const dict = dictOf(rig.answer("3 d7:command10:statisticse"));
    const { currentstatistics } = dict["statistics"] as Record<string, Record<string, unknown>>;
    assert.equal(Object.hasOwn(currentstatistics ?? {}, "packetrate"), false);
  });
});
